"""One choice of an answer, as it is generated: engine pieces go in, deltas and token counts come out.

It reads with the parser of the model's dialect, numbers the calls and says when the choice is over. It does not know
the engine, but for the one question it may ask: what the model's own parser makes of a call.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, groupby
from typing import Any, cast
from uuid import uuid4

from mlxtui.engine.interface import ParsedCall, Piece
from mlxtui.output.harmony import HarmonyParser
from mlxtui.output.json_call import CallBody, CallEnd, CallHead
from mlxtui.output.parser import OutputParser, Part, RawCall
from mlxtui.types import (
    CallArguments,
    CallStart,
    Channel,
    Delta,
    Dialect,
    FinishReason,
    Logprob,
    Reasoning,
    Request,
    Text,
    Tool,
)

ParseCalls = Callable[[str, tuple[Tool, ...]], Awaitable[tuple[ParsedCall, ...]]]


class Choice:
    """`finish` is None until the choice is over; what is fed after that is ignored."""

    def __init__(
        self, index: int, request: Request, dialect: Dialect, opens_in: Channel, parse_calls: ParseCalls
    ) -> None:
        self.finish: FinishReason | None = None
        self.tokens = 0
        self.reasoning_tokens = 0
        self._index = index
        self._request = request
        self._offered = [tool.name for tool in request.tools]
        self._parse_calls = parse_calls
        self._parser = _parser(dialect, opens_in, self._offered, request)
        self._begun_calls = 0
        self._complete_calls = 0

    async def read(self, piece: Piece) -> list[Delta]:
        """What `piece` adds; the choice is over when the piece, a stop string or the only allowed call ends it."""
        if self.finish:
            return []
        before = self._parser.channel
        parts = self._parser.feed(piece.text)
        places = {before, self._parser.channel}
        self.tokens += len(piece.tokens)
        self.reasoning_tokens += len(piece.tokens) if "reasoning" in places else 0
        deltas = await self._deltas(parts)
        if self._parser.stopped:
            self.finish = "stop"
        elif piece.logprobs and places == {"content"}:
            deltas = _with_logprobs(deltas, piece.logprobs, self._index)
        if piece.finish and not self.finish:
            deltas += await self._deltas(self._parser.finish())
            self.finish = self.finish or self._reason(piece)
        return deltas

    def _reason(self, piece: Piece) -> FinishReason:
        if self._parser.stopped:  # by what was held back to the end
            return "stop"
        if piece.finish == "length":
            return "length"
        return "tool_calls" if self._complete_calls else "stop"

    async def _deltas(self, parts: list[Part]) -> list[Delta]:
        deltas: list[Delta] = []
        for part in parts:
            if self.finish:
                break
            match part:
                case Text() | Reasoning():
                    deltas.append(replace(part, choice=self._index) if self._index else part)
                case CallHead(name=name):
                    deltas.append(self._begin_call(name))
                case CallBody(text=text):
                    deltas.append(self._arguments(text))
                case CallEnd():
                    self._end_call()
                case RawCall():
                    deltas += await self._calls_in(part)
        return deltas

    async def _calls_in(self, raw: RawCall) -> list[Delta]:
        """The calls in a block of tool markup; markup that holds none of the offered tools is text."""
        parsed = await self._parse_calls(raw.body, self._request.tools)
        if not parsed or any(call.name not in self._offered for call in parsed):
            return [Text(raw.whole, self._index)]
        deltas: list[Delta] = []
        for call in parsed:
            if self.finish:
                break
            deltas.append(self._begin_call(call.name))
            deltas.append(self._arguments(_json(call.arguments)))
            self._end_call()
        return deltas

    def _begin_call(self, name: str) -> CallStart:
        self._begun_calls += 1
        return CallStart(self._begun_calls - 1, f"call_{uuid4().hex[:24]}", name, self._index)

    def _arguments(self, text: str) -> CallArguments:
        return CallArguments(self._begun_calls - 1, text, self._index)

    def _end_call(self) -> None:
        self._complete_calls += 1
        if not self._request.parallel_tool_calls:
            self.finish = "tool_calls"


def _parser(dialect: Dialect, opens_in: Channel, offered: list[str], request: Request) -> OutputParser | HarmonyParser:
    if dialect.tool_syntax == "harmony":
        return HarmonyParser(offered, request.stop)
    formed = request.constraint is not None and request.constraint.schema is not None
    return OutputParser(dialect, opens_in=opens_in, tools=offered, stop=request.stop, formed=formed)


def _json(arguments: Mapping[str, Any]) -> str:
    """JSON text that UTF-8 can carry: half a surrogate pair stays the escape that the model wrote."""
    return json.dumps(arguments, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _with_logprobs(deltas: list[Delta], logprobs: tuple[Logprob, ...], index: int) -> list[Delta]:
    """`deltas` with the logprobs on their first text, or on an empty one: text may be held back, figures need not."""
    for i, delta in enumerate(deltas):
        if isinstance(delta, Text):
            return [*deltas[:i], replace(delta, logprobs=logprobs), *deltas[i + 1 :]]
    return [*deltas, Text("", index, logprobs)]


def joined(deltas: Sequence[Delta]) -> Iterator[Delta]:
    """Neighbouring text of one channel or call as one delta: one write to the client."""
    if len(deltas) == 1:  # nearly all tokens
        yield deltas[0]
        return
    for (kind, *_), run in groupby(deltas, _line):
        first, *more = parts = [*run]
        if not more or not issubclass(kind, Text | Reasoning | CallArguments):
            yield from parts
            continue
        text = "".join([part.text for part in cast(list[Text | Reasoning | CallArguments], parts)])
        if isinstance(first, Text):
            yield Text(
                text, first.choice, tuple(chain.from_iterable(part.logprobs for part in cast(list[Text], parts)))
            )
        else:
            yield replace(cast(Reasoning | CallArguments, first), text=text)


def _line(delta: Delta) -> tuple[type, int, int]:
    """What a delta goes on with: kind, choice and call."""
    return type(delta), getattr(delta, "choice", 0), getattr(delta, "index", 0)
