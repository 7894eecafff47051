"""The model's text in pieces goes in; content, reasoning and raw tool calls come out, in order.

Incremental and pure: any chunking of the same text gives the same parts once neighbours are joined. Calls in JSON are
read here, as they are written; of all others only the place is found, reading them takes the model's own parser
(`Engine.parse_calls`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mlxtui.output.closing import Closing
from mlxtui.output.json_call import CallPart, JsonCall
from mlxtui.output.markers import cut
from mlxtui.output.stops import StopFilter
from mlxtui.output.turns import Mode, turns
from mlxtui.types import Channel, Dialect, Reasoning, Text


@dataclass(frozen=True, slots=True)
class RawCall:
    """What stood between the tool markers, and the whole with its markers in case it is no call after all."""

    body: str
    whole: str


Part = Text | Reasoning | RawCall | CallPart


class OutputParser:
    """One answer's parser.

    `tools` are the names of those offered; without any, tool markers are text like any other. Stop strings act on
    content only, never on reasoning or calls; once one is met `stopped` is true and nothing more comes out. White space
    at the seams between reasoning, content and calls belongs to the markup and is dropped. `formed`: content is JSON by
    a schema, and once it has begun, markers of thoughts and calls are letters in its strings.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        opens_in: Channel = "content",
        tools: Collection[str] = (),
        stop: tuple[str, ...] = (),
        formed: bool = False,
    ) -> None:
        self._formed = formed
        self._turns = turns(dialect, with_tools=bool(tools))
        self._tool_open, self._tool_close = (dialect.tool if tools else None) or ("", "")
        self._tools = tools
        self._syntax = dialect.tool_syntax
        self._closing = Closing(self._tool_close, self._syntax)
        self._call: JsonCall | None = None  # while it can be read as it comes
        self._call_fed = 0  # how much of the buffer it has seen
        self._mode: Mode = "header" if "header" in self._turns and opens_in == "content" else opens_in
        self._header = ""
        self._at_seam = opens_in == "reasoning"
        self._buffer = ""  # not yet searched for markers
        self._space = ""  # white space that is dropped if a marker follows
        self._before_call = ""  # and what was dropped, in case it is no call
        self._stops = StopFilter(stop)

    @property
    def stopped(self) -> bool:
        return self._stops.stopped

    @property
    def channel(self) -> Channel:
        """Where the next token belongs; a tool call counts as content."""
        return "reasoning" if self._mode == "reasoning" else "content"

    def feed(self, text: str) -> list[Part]:
        self._buffer += text
        return self._read(final=False)

    def finish(self) -> list[Part]:
        """What was held back. An unfinished thought stays reasoning, an unfinished call becomes text."""
        if self.stopped:
            return []
        parts = self._read(final=True)
        if self._mode == "call":
            parts += self._unclosed_call() if self._call and self._call.readable else self._unfinished_call()
        if self._mode == "header":
            parts += self._without_header()
        if self._mode == "content":
            parts += self._content(self._stops.flush())
            parts += _some(Text("" if self._at_seam else self._space))
        self._buffer = self._space = ""
        return parts

    def _read(self, *, final: bool) -> list[Part]:
        parts: list[Part] = []
        while not self.stopped:
            if self._mode == "call":
                parts += self._read_call()
                if self._mode == "call":
                    break
                continue
            if self._mode == "content" and self._formed:
                self._keep_to_form()
            before, marker, self._buffer = cut(self._buffer, list(self._turns[self._mode]), final=final)
            parts += self._said(before)
            if marker is None:
                break
            parts += self._turn(marker)
        return parts

    def _keep_to_form(self) -> None:
        """Drop the markers of thoughts and calls as soon as the text can't begin with one of them any more."""
        ways, begun = self._turns["content"], self._buffer.lstrip()
        if begun and not any(marker.startswith(begun) or begun.startswith(marker) for marker in ways):
            kept = {marker: to for marker, to in ways.items() if to not in ("reasoning", "call")}
            self._turns, self._formed = {**self._turns, "content": kept}, False

    def _turn(self, marker: str) -> list[Part]:
        """Pass a marker: what was held back for a longer stop string is ordinary text, white space before it is not."""
        to, parts = self._turns[self._mode][marker], self._without_header() if self._mode == "header" else []
        parts += self._content(self._stops.flush()) if self._mode == "content" else []
        self._before_call, self._space, self._at_seam = self._space, "", True
        self._mode = to
        self._call = JsonCall(self._tools) if self._mode == "call" and self._syntax == "json_tools" else None
        self._call_fed = 0
        self._closing = Closing(self._tool_close, self._syntax)
        return parts

    def _read_call(self) -> list[Part]:
        """What can be told of the call at the head of the buffer; the mode turns to content when it is closed."""
        parts: list[Part] = []
        if self._call and not self._call.complete:
            parts += self._call.feed(self._buffer[self._call_fed :])
            self._call_fed = len(self._buffer)
            if self._call.readable:
                self._buffer, self._call_fed = self._call.take_rest() if self._call.complete else "", 0
        if not (self._call and self._call.readable):
            call = self._take_call()
            return [*parts, call] if call else parts
        if self._call.complete:  # the next call's marker ends it too: models forget to close
            _, marker, rest = cut(self._buffer, [self._tool_close, self._tool_open])
            if marker:
                self._buffer, self._mode = rest if marker == self._tool_close else marker + rest, "content"
        return parts

    def _take_call(self) -> RawCall | None:
        """The call at the head of the buffer, once its closing marker is there and not inside a value."""
        at = self._closing.find(self._buffer)
        if at is None:
            return None
        body, self._buffer = self._buffer[:at], self._buffer[at + len(self._tool_close) :]
        self._mode = "content"
        return RawCall(body, self._before_call + self._tool_open + body + self._tool_close)

    def _unfinished_call(self) -> list[Part]:
        """Syntaxes without a closing marker end with the text; in all others the call was cut off."""
        whole = self._before_call + self._tool_open + self._buffer
        return [Text(whole) if self._tool_close else RawCall(self._buffer, whole)]

    def _unclosed_call(self) -> list[Part]:
        """The text after a call that was never closed, but for the rest of the call itself: brackets, further keys."""
        said = self._buffer.lstrip("} \t\r\n")
        if said.startswith(",") or self._tool_close.startswith(said):
            return []
        self._mode = "content"
        return self._stoppable(said)

    def _said(self, text: str) -> list[Part]:
        if self._mode == "header":
            self._header += text
            return []
        return _some(Reasoning(self._spaced(text))) if self._mode == "reasoning" else self._stoppable(text)

    def _without_header(self) -> list[Part]:
        """A message to nobody we know, or an answer that has no header after all; a header that is cut off is none."""
        header, self._header = self._header, ""
        _, message, body = header.rpartition("<|message|>")
        if not message and ("<|" in body or body.lstrip().startswith("to=")):
            return []
        self._mode = "content"
        return self._stoppable(body)

    def _stoppable(self, text: str) -> list[Part]:
        parts = self._content(self._stops.feed(text))
        if self.stopped:
            parts += _some(Text(self._space))
            self._space = ""
        return parts

    def _content(self, text: str) -> list[Part]:
        return _some(Text(self._spaced(text) if self._tool_open or self._at_seam else text))

    def _spaced(self, text: str) -> str:
        """`text` after a seam's white space, its own trailing white space kept for later."""
        if self._at_seam:
            text = text.lstrip()
            self._at_seam = not text
        whole = self._space + text
        kept = whole.rstrip()
        self._space = whole[len(kept) :]
        return kept


def _some(part: Text | Reasoning) -> list[Part]:
    return [part] if part.text else []
