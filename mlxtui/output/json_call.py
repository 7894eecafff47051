"""One tool call in JSON, `{"name": ..., "arguments": {...}}`, read while it is being written.

The text after the opening marker goes in; the name goes out as soon as it is known, the text of the arguments as it
comes. Markup inside JSON strings is data: a closing marker there does not close. Knows nothing of other syntaxes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)')
_NEXT = re.compile(r'[{}\[\]"]')
_IN_STRING = re.compile(r'["\\]')


@dataclass(frozen=True, slots=True)
class CallHead:
    """A call of `name` begins; its arguments follow as CallBody, its end as CallEnd."""

    name: str


@dataclass(frozen=True, slots=True)
class CallBody:
    """A further piece of the JSON text of the arguments."""

    text: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    """The arguments are complete JSON as far as brackets and quotes tell."""


CallPart = CallHead | CallBody | CallEnd


class JsonCall:
    """`readable` is None until the head tells whether this is a call of an offered tool in the usual order of keys.

    Only when it is true do parts come out; otherwise the whole is for the model's own parser, once it is complete.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.readable: bool | None = None
        self.complete = False
        self._names = names
        self._text = ""
        self._at = 0  # up to here the arguments have been scanned
        self._depth = 0
        self._state: Literal["plain", "string"] = "plain"

    def feed(self, text: str) -> list[CallPart]:
        self._text += text
        parts: list[CallPart] = []
        if self.readable is None:
            parts += self._head()
        if self.readable and not self.complete:
            parts += self._arguments()
        return parts

    def _head(self) -> list[CallPart]:
        head = _HEAD.match(self._text)
        if head is None:
            return []
        name = _decoded(head[1])
        self.readable = name in self._names
        self._text = self._text[head.end() :]
        return [CallHead(name)] if self.readable else []

    def take_rest(self) -> str:
        """What stands behind the complete arguments."""
        rest, self._text = self._text, ""
        return rest

    def _arguments(self) -> list[CallPart]:
        end = self._scan()
        piece, self._text, self._at = self._text[:end], self._text[end:], 0
        parts: list[CallPart] = [CallBody(piece)] if piece else []
        return [*parts, CallEnd()] if self.complete else parts

    def _scan(self) -> int:
        """Where the arguments end in the text, or how much of it surely belongs to them."""
        while True:
            found = (_NEXT if self._state == "plain" else _IN_STRING).search(self._text, self._at)
            if found is None:
                return len(self._text)
            self._at = found.end()
            if found[0] == "\\":
                if self._at == len(self._text):
                    self._at -= 1
                    return self._at
                self._at += 1
            elif found[0] == '"':
                self._state = "plain" if self._state == "string" else "string"
            else:
                self._depth += 1 if found[0] in "{[" else -1
                if self._depth == 0:
                    self.complete = True
                    return self._at


def _decoded(literal: str) -> str:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return ""
