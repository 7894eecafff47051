"""Where a tool call ends: the text after the opening marker goes in, the place of its closing marker comes out.

Markup inside a value is data: a closing marker there does not close. How values are delimited depends on the syntax,
see the files of the same names in mlx-lm's `tool_parsers`; how they are read is the engine's business.
"""

from __future__ import annotations

from mlxtui.output.markers import cut

_QUOTES = ('"', "'")
VALUES: dict[str, tuple[tuple[str, str], ...]] = {
    "function_gemma": (("<escape>", "<escape>"),),
    "gemma4": (('<|"|>', '<|"|>'),),
    "glm47": (("<arg_value>", "</arg_value>"),),
    "json_tools": (('"', '"'),),
    "kimi_k2": (("<|tool_call_argument_begin|>", "<|tool_call_end|>"),),
    "kimi_k3": (("<|open|>call", "<|close|>call<|sep|>"),),
    "laguna": (("<arg_value>", "</arg_value>"),),
    "longcat": (("<longcat_arg_value>", "</longcat_arg_value>"),),
    "minicpm5": (("<param name=", "</param>"),),
    "minimax_m2": (("<parameter name=", "</parameter>"),),
    "mistral": (),  # no closing marker: a call ends with the text
    "muse_spark": (("<atem:parameter", "</atem:parameter>"),),
    "pythonic": (('"', '"'), ("'", "'")),
    "qwen3_coder": (("<parameter=", "</parameter>"),),
}


class Closing:
    """One call's search for `close`; values are delimited as in `syntax`, in an unknown one by nothing."""

    def __init__(self, close: str, syntax: str | None) -> None:
        self._close = close
        self._ends = dict(VALUES.get(syntax or "", ()))
        self._until: str | None = None  # within a value: what ends it
        self._at = 0  # up to here the text has been searched

    def find(self, text: str) -> int | None:
        """Where the closing marker begins in the call's text so far; ask again with more text at its end."""
        while self._close:
            _, marker, rest = cut(text[self._at :], self._wanted())
            if marker == "\\" and not rest:
                return None  # what it escapes is yet to come
            self._at = len(text) - len(rest)
            if marker is None:
                return None
            if marker == self._close and self._until is None:
                return self._at - len(marker)
            if marker == "\\":
                self._at += 1
            else:
                self._until = self._ends[marker] if self._until is None else None
        return None

    def _wanted(self) -> list[str]:
        if self._until is None:
            return [*self._ends, self._close]
        return [self._until, "\\"] if self._until in _QUOTES else [self._until]
