"""The input of a custom tool, read out of the JSON arguments `{"input": "..."}` while the model writes them.

Incremental and pure: any chunking gives the same text. Arguments of another form are kept to their end and then taken
for the input as far as they make sense: the tool's own parser is a better judge than we are.
"""

from __future__ import annotations

import json
import re

_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_BROKEN = r"[0-9a-fA-F]{0,3}[^0-9a-fA-F]"
_WHOLE = re.compile(
    r'(?:[^"\\]'
    rf"|{_HIGH}{_LOW}"
    rf"|{_HIGH}(?=[^\\]|\\[^u]|\\u(?:[^dD]|[dD][^c-fC-F]|{_BROKEN}))"  # nothing that could still make it a pair
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4}"
    rf"|\\u(?={_BROKEN})"
    r"|\\[^u])*",
    re.DOTALL,
)
"""As much as can't be read otherwise, whatever comes next."""
_ESCAPES = re.compile(rf"{_HIGH}{_LOW}|\\u[0-9a-fA-F]{{4}}|\\[^u]", re.DOTALL)
_LONE = re.compile("[\ud800-\udfff]")


class CustomInput:
    def __init__(self) -> None:
        self._buffer = ""  # not yet read
        self._inside = False  # the string, or past it
        self._closed = False

    def feed(self, text: str) -> str:
        """The input that `text` adds."""
        if self._closed:
            return ""
        self._buffer += text
        if not self._inside and (head := _HEAD.match(self._buffer)):
            self._inside, self._buffer = True, self._buffer[head.end() :]
        return self._read() if self._inside else ""

    def finish(self) -> str:
        """What is still to tell when the arguments end."""
        return "" if self._inside else _made_out(self._buffer)

    def _read(self) -> str:
        whole = _WHOLE.match(self._buffer)
        said = whole[0] if whole else ""
        self._buffer = self._buffer[len(said) :]
        self._closed = self._buffer.startswith('"')
        return _ESCAPES.sub(_unescaped, said)


def _unescaped(escape: re.Match[str]) -> str:
    """What JSON means by it; what it has no meaning for stays as it is."""
    try:
        said: str = json.loads(f'"{escape[0]}"')
    except ValueError:
        return escape[0]
    return _sendable(said)


def _sendable(text: str) -> str:
    """Half a surrogate pair, which UTF-8 can't carry, becomes U+FFFD."""
    return _LONE.sub("\ufffd", text)


def _made_out(arguments: str) -> str:
    try:
        said = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    if isinstance(said, dict) and len(said) > 1:
        said = said.get("input")
    elif isinstance(said, dict):
        said = next(iter(said.values()), None)
    return _sendable(said) if isinstance(said, str) else arguments
