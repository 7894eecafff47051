"""A budget of reasoning: watches the tokens of one answer and says when the end of its reasoning must be forced.

Markers are looked for in the text, as the server's parser does: a model may spell one in several tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_LONGEST = 4  # bytes of a character in UTF-8


@dataclass(frozen=True, slots=True)
class Budget:
    """`tokens` of reasoning between the markers `start` and `end`; `closing` are the tokens that end it.

    `opened`: the prompt has opened the reasoning already. `bytes_of` spells a token. `leads`: reasoning comes before an
    answer that is held to a form, never within: in its strings the markers are letters.
    """

    tokens: int
    start: bytes
    end: bytes
    closing: tuple[int, ...]
    opened: bool
    bytes_of: Callable[[int], bytes]
    leads: bool = False

    def watch(self, said: Iterable[int] = ()) -> Thinking:
        """An answer's reasoning under this budget, of which the tokens `said` have come."""
        thinking = Thinking(self)
        for token in said:
            thinking.take(token)
        return thinking


class Thinking:
    """One answer's reasoning, fed all of the answer's tokens in order."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._inside = budget.opened
        self._used = 0
        self._tail = b""
        self._forced: deque[int] = deque()
        self._begun = False  # anything but white space has come
        self._answering = False  # no reasoning can follow

    @property
    def urgent(self) -> bool:
        """The next token may have to be forced, depending on the last one: its value must be waited for."""
        if self._forced:
            return True
        if self._inside:
            return self._used + 1 >= self._budget.tokens
        return not self._budget.tokens and not self._begun

    def take(self, token: int) -> None:
        said = self._budget.bytes_of(token)
        self._tail = (self._tail + said)[-(len(said) + 64) :]
        self._begun = self._begun or bool(said.strip())
        self._used += self._inside
        if self._answering:
            return
        if (self._budget.end if self._inside else self._budget.start) in self._tail:
            self._inside, self._tail = not self._inside, b""
        elif self._budget.leads and not self._inside:
            answer = self._tail.lstrip()
            self._answering = bool(answer) and not self._budget.start.startswith(answer)

    def force(self) -> int | None:
        """The token that must come next; call once for each that is drawn while `urgent`.

        A character that has begun is let end first: a grammar over text allows no marker in the middle of it.
        """
        over = self._used - self._budget.tokens
        if not self._forced and self._inside and over >= 0 and (over >= _LONGEST - 1 or not _broken_off(self._tail)):
            self._forced.extend(self._budget.closing)
        return self._forced.popleft() if self._forced else None


def _broken_off(text: bytes) -> bool:
    """Whether the last character lacks bytes."""
    for back, byte in enumerate(reversed(text[1 - _LONGEST :]), 1):
        if byte < 0x80:
            return False
        if byte >= 0xC0:
            return back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4)
    return False
