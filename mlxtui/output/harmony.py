"""gpt-oss's output in the Harmony format, in pieces: channels and recipients in; content, reasoning and calls out.

    <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json
    <|message|>{...}<|call|>

Read from text, not from token ids, so it works with any tokenizer. Source: OpenAI's "Harmony response format". The
tokens that end a turn (`<|call|>`, `<|return|>`) are end-of-sequence tokens and usually never show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Literal

from mlxtui.output.json_call import CallBody, CallEnd, CallHead
from mlxtui.output.markers import cut
from mlxtui.output.parser import Part
from mlxtui.output.stops import StopFilter
from mlxtui.types import Channel, Reasoning, Text

_HEADER_END = ("<|message|>", "<|start|>", "<|end|>")
_BODY_END = ("<|end|>", "<|call|>", "<|return|>", "<|start|>")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=(?:functions\.)?([\w.-]+)")
_Kind = Literal["content", "reasoning", "call"]


class HarmonyParser:
    """Like `parser.OutputParser`, for the Harmony format; the prompt ends with `<|start|>assistant`.

    Calls may stand in any channel. A recipient that was not offered makes its message content, and so does an answer
    without any channel.
    """

    def __init__(self, tools: Collection[str] = (), stop: tuple[str, ...] = ()) -> None:
        self._tools = tools
        self._stops = StopFilter(stop)
        self._kind: _Kind | None = None  # None: in a header
        self._header = ""
        self._begun = False  # the header by `<|start|>`: it names a role, however short it is cut
        self._arguments = ""
        self._buffer = ""

    @property
    def stopped(self) -> bool:
        return self._stops.stopped

    @property
    def channel(self) -> Channel:
        return "reasoning" if self._kind == "reasoning" else "content"

    def feed(self, text: str) -> list[Part]:
        self._buffer += text
        return self._read(final=False)

    def finish(self) -> list[Part]:
        """What was held back; a call whose arguments are complete needs no end marker: that token ended the answer."""
        if self.stopped:
            return []
        parts = self._read(final=True)
        if self._kind is None and self._header.strip() and not self._begun and "<|" not in self._header:
            self._kind = "content"
            parts += self._body(self._header)
        parts += self._end_of_body()
        return parts

    def _read(self, *, final: bool) -> list[Part]:
        parts: list[Part] = []
        while not self.stopped:
            markers = _HEADER_END if self._kind is None else _BODY_END
            before, marker, self._buffer = cut(self._buffer, markers, final=final)
            if self._kind is None:
                self._header += before
                parts += self._open_body() if marker == "<|message|>" else []
            else:
                parts += self._body(before)
                parts += self._end_of_body() if marker else []
            if marker is None:
                break
            if marker != "<|message|>":
                self._header, self._begun = "", marker == "<|start|>"
        return parts

    def _open_body(self) -> list[Part]:
        channel, recipient = _CHANNEL.search(self._header), _RECIPIENT.search(self._header)
        self._header = ""
        if recipient and recipient[1] in self._tools:
            self._kind, self._arguments = "call", ""
            return [CallHead(recipient[1])]
        self._kind = "reasoning" if channel and channel[1] == "analysis" else "content"
        return []

    def _body(self, text: str) -> list[Part]:
        if self._kind == "content":
            text = self._stops.feed(text)
        if not text:
            return []
        if self._kind == "reasoning":
            return [Reasoning(text)]
        if self._kind == "call":
            self._arguments += text
            return [CallBody(text)]
        return [Text(text)]

    def _end_of_body(self) -> list[Part]:
        kind, self._kind = self._kind, None
        if kind == "call":
            return [CallEnd()] if _is_json(self._arguments) else []
        held = self._stops.flush() if kind == "content" else ""
        return [Text(held)] if held else []


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
