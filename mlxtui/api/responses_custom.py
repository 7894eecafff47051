"""The input of a custom tool, read out of the JSON arguments `{"input": "..."}` while the model writes them.

Incremental and pure: any chunking gives the same text. Arguments of another form are kept to their end and then taken
for the input as far as they make sense: the tool's own parser is a better judge than we are.
"""

from __future__ import annotations

import json
import re

_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_HEAD_SO_FAR = re.compile(r'\s*(\{\s*("(i(n(p(u(t("\s*(:\s*)?)?)?)?)?)?)?)?)?')
_WHOLE = re.compile(
    r'(?:[^"\\]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u(?![dD][89abAB])[0-9a-fA-F]{4}|\\[^u])*'
)
_LONE = re.compile("[\ud800-\udfff]")


class CustomInput:
    def __init__(self) -> None:
        self._buffer = ""  # what is not yet told
        self._arguments: list[str] = []
        self._inside: bool | None = None  # in the string; None: not known yet
        self._closed = False

    def feed(self, text: str) -> str:
        """The input that `text` adds."""
        self._arguments.append(text)
        if self._closed or self._inside is False:
            return ""
        self._buffer += text
        if self._inside is None:
            self._enter()
        return self._read() if self._inside else ""

    def finish(self) -> str:
        """What is still to tell when the arguments end."""
        if self._inside:
            return ""
        return _made_out("".join(self._arguments))

    def _enter(self) -> None:
        if head := _HEAD.match(self._buffer):
            self._inside, self._buffer = True, self._buffer[head.end() :]
        elif not _HEAD_SO_FAR.fullmatch(self._buffer):
            self._inside = False

    def _read(self) -> str:
        whole = _WHOLE.match(self._buffer)
        assert whole is not None  # it matches nothing, too
        self._buffer = self._buffer[whole.end() :]
        self._closed = self._buffer.startswith('"')
        return _unescaped(whole[0])


def _unescaped(text: str) -> str:
    """The words of a JSON string; half a surrogate pair, which UTF-8 can't carry, becomes U+FFFD."""
    try:
        said: str = json.loads(f'"{text}"', strict=False)
    except ValueError:  # an escape that JSON has not
        said = text
    return _LONE.sub("\ufffd", said)


def _made_out(arguments: str) -> str:
    try:
        said = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    if isinstance(said, dict) and isinstance(said.get("input"), str):
        said = said["input"]
    elif isinstance(said, dict) and len(said) == 1:
        said = next(iter(said.values()))
    return _LONE.sub("\ufffd", said) if isinstance(said, str) else arguments
