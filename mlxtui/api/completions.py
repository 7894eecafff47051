"""`/v1/completions`: text is gone on with as it is, without a chat template. Wire JSON ⇄ Request and Deltas; pure.

Source: OpenAI's API reference, "Create completion" (legacy). A completion has no channels and no calls: whatever the
model writes is text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring as quoted
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag

from mlxtui.api.body import validate
from mlxtui.api.chat_wire import SamplingWire
from mlxtui.api.parameters import COMPLETIONS, refuse
from mlxtui.api.stream import Frame, error_event, usage_json
from mlxtui.errors import ApiError, InvalidRequest
from mlxtui.types import Delta, Finish, Logprob, Request, Started, Text, TextPrompt, Usage

MAX_PROMPTS = 64
Token = Annotated[int, Field(ge=0, lt=1 << 31)]


def _as_list(prompt: Any) -> Any:
    """One prompt is a list of one; a list of numbers is one prompt in tokens."""
    if isinstance(prompt, str) or (isinstance(prompt, list) and prompt and isinstance(prompt[0], int)):
        return [prompt]
    return prompt


def _text_or_tokens(prompt: Any) -> Any:
    if not prompt or not isinstance(prompt, str | list):
        raise ValueError("a prompt is a string or a list of token ids, and not empty")
    return prompt


Prompt = Annotated[
    Annotated[str, Tag("Text")] | Annotated[list[Token], Tag("Tokens")],  # no field is named like these
    Discriminator(lambda prompt: "Text" if isinstance(prompt, str) else "Tokens"),
    BeforeValidator(_text_or_tokens),
]


class WireCompletion(SamplingWire):
    # The fields that are honoured; `parameters.COMPLETIONS` says what happens to all others.

    model: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    prompt: Annotated[
        list[Prompt],
        BeforeValidator(_as_list, json_schema_input_type=Prompt | list[Prompt]),
        Field(min_length=1, max_length=MAX_PROMPTS),
    ]
    max_tokens: Annotated[int, Field(ge=1, lt=1 << 31)] = 16
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool = False
    suffix: Annotated[str, StringConstraints(min_length=1)] | None = None


def parse_completion(body: dict[str, Any]) -> WireCompletion:
    """The body, checked field by field.

    Raises:
        InvalidRequest: with `param` set to the field at fault.
    """
    refuse(COMPLETIONS, body)
    wire = validate(WireCompletion, body)
    wire.check_stream_options()
    if wire.echo and wire.logprobs is not None:
        raise InvalidRequest("'echo' can't be had together with 'logprobs'", param="echo")
    if wire.suffix is not None and any(isinstance(prompt, list) for prompt in wire.prompt):
        raise InvalidRequest("'suffix' needs prompts in text, not in tokens", param="suffix")
    return wire


def to_request(wire: WireCompletion) -> Request:
    texts = (prompt if isinstance(prompt, str) else tuple(prompt) for prompt in wire.prompt)
    return Request(
        model=wire.model,
        texts=tuple(TextPrompt(text, wire.suffix) for text in texts),
        sampling=wire.sampling(),
        max_tokens=wire.max_tokens,
        stop=tuple(wire.stop or ()),
        n=wire.n,
        top_logprobs=wire.logprobs,
    )


class CompletionAnswer:
    """Collects the deltas of one answer. `echoes` are the prompts' texts, put before each choice; empty: no echo."""

    def __init__(self, choices: int, echoes: Sequence[str] = ()) -> None:
        self._texts = [_echo(i, choices, echoes) for i in range(choices)]
        self._logprobs: list[list[Logprob]] = [[] for _ in range(choices)]
        self._reasons = ["stop"] * choices
        self._usage = Usage()

    def feed(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            match delta:
                case Text(text=text, choice=choice, logprobs=logprobs):
                    self._texts[choice] += text
                    self._logprobs[choice].extend(logprobs)
                case Finish(reason=reason, choice=choice):
                    self._reasons[choice] = reason
                    self._usage = delta.usage

    def to_json(self, id: str, created: int, model: str) -> dict[str, Any]:
        choices = [
            {"text": text, "index": i, "logprobs": _logprobs_json(self._logprobs[i]), "finish_reason": self._reasons[i]}
            for i, text in enumerate(self._texts)
        ]
        frame = {"id": id, "object": "text_completion", "created": created, "model": model}
        return frame | {"choices": choices, "usage": usage_json(self._usage)}


class CompletionStream:
    """Encodes the deltas of one answer as server-sent `text_completion` events."""

    def __init__(
        self, id: str, created: int, model: str, *, include_usage: bool, choices: int, echoes: Sequence[str] = ()
    ) -> None:
        self._frame = Frame("text_completion", id, created, model, include_usage=include_usage, choices=choices)
        self._choices = choices
        self._echoes = echoes
        self._offsets = [0] * choices

    def encode(self, deltas: Iterable[Delta]) -> bytes:
        """The bytes of all events for `deltas`; the Finish of the last choice closes the stream with `[DONE]`."""
        return "".join(self._event(delta) for delta in deltas).encode()

    def error(self, error: ApiError) -> bytes:
        return error_event(error)

    def _event(self, delta: Delta) -> str:
        match delta:
            case Started():
                echoes = ((i, _echo(i, self._choices, self._echoes)) for i in range(self._choices))
                return "".join(self._chunk(i, text) for i, text in echoes if text)
            case Text(text=text, choice=choice, logprobs=logprobs):
                figures = _logprobs_json(logprobs, self._offsets[choice])
                self._offsets[choice] += sum(len(p.drawn.token) for p in logprobs)
                return self._chunk(choice, text, json.dumps(figures, ensure_ascii=False))
            case Finish(reason=reason, usage=usage, choice=choice):
                return self._frame.last(choice, '"text": ""', reason, usage)
            case _:
                raise AssertionError(f"a completion has no {type(delta).__name__}")

    def _chunk(self, choice: int, text: str, logprobs: str = "null") -> str:
        return self._frame.chunk(choice, f'"text": {quoted(text)}', logprobs)


def _echo(choice: int, choices: int, echoes: Sequence[str]) -> str:
    return echoes[choice // (choices // len(echoes))] if echoes else ""


def _logprobs_json(logprobs: Sequence[Logprob], offset: int = 0) -> dict[str, Any] | None:
    """Four parallel lists; `text_offset` counts characters from the beginning of the completion."""
    if not logprobs:
        return None
    tokens = [p.drawn.token for p in logprobs]
    return {
        "tokens": tokens,
        "token_logprobs": [p.drawn.logprob for p in logprobs],
        "top_logprobs": [{t.token: t.logprob for t in p.top} for p in logprobs] if logprobs[0].top else None,
        "text_offset": [offset + sum(map(len, tokens[:i])) for i in range(len(tokens))],
    }
