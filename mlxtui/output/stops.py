"""Stop strings on text: content goes in, what comes before the first stop goes out.

A stop may span tokens and chunks, so an end that could be the beginning of one is held back. Knows no tokens.
"""

from __future__ import annotations

from mlxtui.output.markers import cut


class StopFilter:
    """`stopped` turns true at the first stop string; it and all after it never come out."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self.stopped = False
        self._stops = stops
        self._held = ""

    def feed(self, text: str) -> str:
        if self.stopped:
            return ""
        before, stop, self._held = cut(self._held + text, self._stops)
        if stop is not None:
            self.stopped, self._held = True, ""
        return before

    def flush(self) -> str:
        """The end that was held back: no more content follows it here, so it is ordinary text."""
        before, stop, self._held = cut(self._held, self._stops, final=True)
        self.stopped = self.stopped or stop is not None
        return before
