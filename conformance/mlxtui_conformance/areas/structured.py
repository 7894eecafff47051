"""Checks on answers whose form was asked for: JSON, and JSON that fits a schema. Knows nothing of tools.

The prompts ask for something else, so that only a server that holds the model to the form passes; the values are
picked from a few, so that the weakest model comes to an end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pydantic
from openai import LengthFinishReasonError

from ..check import Fail, Inconclusive, Level, check
from ..context import Context
from ..schema import closed, fits, one_of, strict_format
from ..shapes import JsonObject, accepted, cooperation, dig, offered, refused, refuses, require
from ..talk import CHAT, COUNT, Said, body, budget, chunks, joined, said

STORM = closed(
    kind=one_of("rain", "snow"),
    force=one_of(3, 5, 7),
    over={"type": "boolean"},
    place=closed(side=one_of("north", "south")),
)


def formatted(ctx: Context, form: object, prompt: str = COUNT) -> JsonObject:
    return body(ctx, prompt, max_completion_tokens=max(256, budget(ctx)), response_format=form)


def _spoken(got: Said) -> Said:
    """An answer in which the model came to speak, for thoughts may use up all tokens."""
    cooperation(bool(got.content) or got.finish != "length", "no room was left beside the reasoning")
    return got


def _storm(ctx: Context) -> Said:
    def take() -> Said:
        return _spoken(said(offered(ctx.post(CHAT, formatted(ctx, strict_format(STORM))), "json_schema").json()))

    return ctx.once("storm", take)


@check("structured.json-object", Level.MUST, "OpenAPI: ResponseFormatJsonObject", asks_model=True)
def json_object(ctx: Context) -> None:
    """json_object gives one JSON object, without prose or fences around it, whatever the model would rather say."""
    against = formatted(ctx, {"type": "json_object"}, "Say hello in plain words. Don't answer in JSON.")
    got = _spoken(said(offered(ctx.post(CHAT, against), "json_object").json()))
    require(got.content.lstrip().startswith("{"), "an object though the prompt is against it", repr(got.content))
    # A weak model takes the word for the wish; a prompt without it may be refused, as OpenAI does.
    unasked = ctx.post(CHAT, formatted(ctx, {"type": "json_object"}))
    if not refuses(unasked):
        got = _spoken(said(accepted(unasked, "json_object").json()))
        require(got.content.lstrip().startswith("{"), "an object though nothing asks for one", repr(got.content))
    request = formatted(ctx, {"type": "json_object"}, f"{COUNT} Answer in JSON.")
    got = _spoken(said(accepted(ctx.post(CHAT, request), "json_object").json()))
    require(got.content.lstrip().startswith("{"), "an object from the first character on", repr(got.content))
    cooperation(got.finish != "length", "the model found no end to its object")
    try:
        require(isinstance(json.loads(got.content), dict), "a JSON object", repr(got.content))
    except ValueError as error:
        raise Fail("JSON and nothing else", repr(got.content)) from error


@check("structured.schema", Level.MUST, "OpenAPI: ResponseFormatJsonSchema, strict")
def schema(ctx: Context) -> None:
    """A strict json_schema is kept to: every property, the right types, nothing more."""
    got = _storm(ctx)
    cooperation(got.finish != "length", "the answer was not finished in time")
    fits(got.content, STORM)


@check("structured.ends", Level.MUST, "practice: a grammar must let the model end")
def ends(ctx: Context) -> None:
    """An answer that fills its schema ends there, with finish_reason stop and nothing after it.

    A server that lets a model go on with blanks spends the whole budget on them.
    """
    got = _storm(ctx)
    cooperation(got.content.lstrip().startswith("{"), "the schema is not kept to, so there is no end to look at")
    require(got.finish == "stop", "finish_reason stop for a schema of a few short values", got.raw)
    blank = len(got.content) - len(got.content.rstrip())
    require(blank <= 2, "no run of blanks at the end", repr(got.content))


BAD_FORMS: dict[str, object] = {
    "a type that is none": {"type": "conformance"},
    "json_schema without a schema": {"type": "json_schema"},
    "a schema that is a string": strict_format("object"),
    "a schema of a type that is none": strict_format({"type": "conformance"}),
}


@check("structured.bad-schema", Level.MUST, "OpenAPI: ResponseFormat; llama.cpp tests: invalid schemas")
def bad_schema(ctx: Context) -> None:
    """A response_format that is none is a 400, never a crash and never passed over."""
    for what, form in BAD_FORMS.items():
        refused(ctx.post(CHAT, formatted(ctx, form)), (400,), what)


@check("structured.bad-schema-param", Level.SHOULD, "OpenAPI: Error.param names the field")
def bad_schema_param(ctx: Context) -> None:
    """That 400 names response_format in param."""
    reply = refused(ctx.post(CHAT, formatted(ctx, BAD_FORMS["a type that is none"])), (400,), "a bad form")
    param = dig(reply.json(), "error", "param")
    right = isinstance(param, str) and param.startswith("response_format")
    require(right, "param response_format", param)


@check("structured.stream", Level.MUST, "OpenAPI: ResponseFormatJsonSchema; delta.content adds up")
def stream(ctx: Context) -> None:
    """Streamed, the pieces add up to JSON that fits the schema just as well."""
    _storm(ctx)
    sample = ctx.stream(CHAT, formatted(ctx, strict_format(STORM)) | {"stream": True})
    accepted(sample, "a streamed json_schema")
    got = _spoken(joined(chunks(sample)))
    require(got.finish == "stop", "finish_reason stop", got.finish)
    fits(got.content, STORM)


class Storm(pydantic.BaseModel):
    """What the official client turns into a schema, and the answer into."""

    kind: Literal["rain", "snow"]
    force: Literal[3, 5, 7]
    over: bool


@check("structured.parse", Level.MUST, "SDK: chat.completions.parse(response_format=Model)")
def parse(ctx: Context) -> None:
    """The official client's parse() takes a pydantic model and gives an instance of it back."""
    _storm(ctx)
    try:
        answer = ctx.client.chat.completions.parse(
            model=ctx.target.model,
            messages=[{"role": "user", "content": COUNT}],
            temperature=0,
            max_completion_tokens=max(256, budget(ctx)),
            response_format=Storm,
        )
    except pydantic.ValidationError as error:
        raise Fail("content that parses as the model", str(error)) from error
    except LengthFinishReasonError as error:
        raise Inconclusive("the answer was not finished in time; structured.ends tells why") from error
    found = answer.choices[0].message.parsed
    require(isinstance(found, Storm), "an instance of the model", repr(found))


@dataclass(frozen=True, slots=True)
class Keyword:
    """A schema for one value, and what its keyword demands of that value."""

    schema: JsonObject
    holds: Callable[[Any], bool]


KEYWORDS = {
    "const": Keyword({"const": "zq7"}, lambda v: v == "zq7"),
    "pattern": Keyword({"type": "string", "pattern": "^zq[0-9]$"}, lambda v: re.search("^zq[0-9]$", v) is not None),
    "minimum": Keyword({"type": "integer", "minimum": 7001, "maximum": 7003}, lambda v: 7001 <= v <= 7003),
    "maxLength": Keyword({"type": "string", "minLength": 3, "maxLength": 3}, lambda v: len(v) == 3),
    "minItems": Keyword(
        {"type": "array", "items": one_of("rain", "snow"), "minItems": 3, "maxItems": 3}, lambda v: len(v) == 3
    ),
    "not": Keyword(one_of("rain", "snow") | {"not": {"enum": ["rain"]}}, lambda v: v == "snow"),
    "other not": Keyword(one_of("rain", "snow") | {"not": {"enum": ["snow"]}}, lambda v: v == "rain"),
    "multipleOf": Keyword(one_of(7, 8, 9) | {"multipleOf": 4}, lambda v: v == 8),
}


@check("structured.keywords", Level.SHOULD, "OpenAI practice: 400 for a keyword that is not enforced")
def keywords(ctx: Context) -> None:
    """A keyword of a schema is kept to or refused with a 400, never passed over.

    Each keyword demands a value that the prompt does not suggest.
    """
    _storm(ctx)
    kept, cut = [], 0
    for name, keyword in KEYWORDS.items():
        reply = ctx.post(CHAT, formatted(ctx, strict_format(closed(value=keyword.schema))))
        if refuses(reply):
            continue
        got = said(accepted(reply, f"a schema with {name}").json())
        if got.finish == "length":
            cut += 1
            continue
        _obeyed(name, keyword, got.content)
        kept.append(name)
    cooperation(cut == 0, f"{cut} answers were not finished in time")
    ctx.note(f"kept: {', '.join(kept) or 'none'}; the others are refused")


def _obeyed(name: str, keyword: Keyword, content: str) -> None:
    try:
        holds = keyword.holds(json.loads(content)["value"])
    except (ValueError, KeyError, TypeError) as error:
        raise Fail(f"JSON that fits a schema with {name}", repr(content)) from error
    require(holds, f"a value that keeps to {json.dumps(keyword.schema)}", repr(content))


CHECKS = (
    json_object,
    schema,
    ends,
    bad_schema,
    bad_schema_param,
    stream,
    parse,
    keywords,
)
