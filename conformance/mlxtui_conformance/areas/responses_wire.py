"""Checks on how a streamed response travels: framing, writes, the official client, what GET says after it, failures."""

from __future__ import annotations

from typing import get_args

from openai import APIError
from openai.types.responses import ResponseStreamEvent
from pydantic import ValidationError

from ..check import Fail, Level, Unsupported, check
from ..context import Context
from ..response_protocol import Rule
from ..shapes import JsonObject, accepted, dig, offered, refused, require, show
from ..talk import events
from ..talk_responses import (
    CALLED,
    FEW,
    LOOK,
    RESPONSES,
    SPOKEN,
    THOUGHT,
    body,
    budget,
    hold,
    judged,
    message,
    read,
    streamed,
    tell,
    text_stream,
    there,
)

DONE = "[DONE]"
FULL = 16_384  # bytes: a read this long may have been cut by a buffer on the way


@check("responses.stream.framing", Level.MUST, "HTML standard §9.2; SDK: an event without data is parsed")
def framing(ctx: Context) -> None:
    """The stream is text/event-stream; every event has a name and data, nothing else, and a blank line after it."""
    sample = text_stream(ctx)
    require(sample.media == "text/event-stream", "text/event-stream", sample.media)
    require(not sample.broken, "a transfer that ends in good order", sample.broken)
    for event in events(sample):
        require(event.closed, "a blank line after every event", str(event.fields))
        fits = event.names <= {"event", "data", ""} and ("event" not in event.names or event.data is not None)
        require(fits, "event and data lines, comments, nothing else", str(event.fields))
    read(sample)


@check("responses.stream.done", Level.SHOULD, "Open Responses: the terminal event is the literal [DONE]")
def done(ctx: Context) -> None:
    """After the last event comes data: [DONE], once, and nothing more."""
    data = [event.data for event in events(text_stream(ctx)) if event.data is not None]
    require(data.count(DONE) == 1, "exactly one [DONE]", f"{data.count(DONE)}")
    require(data[-1] == DONE, "nothing after [DONE]", data[-1])


@check("responses.stream.writes", Level.SHOULD, "Open Responses runner: parses each read by itself")
def writes(ctx: Context) -> None:
    """Every event leaves the server as one write: no read ends in the middle of one.

    A read may hold several events. A busy machine may tear one apart, so one sound stream of three is enough.
    """
    there(ctx)
    torn: list[str] = []
    for _ in range(3):
        sample = ctx.stream(RESPONSES, body(ctx, stream=True))
        accepted(sample, "a streamed response")
        pieces = [part for _, part in sample.reads if len(part) < FULL]
        torn = [part[-80:].decode("utf-8", "replace") for part in pieces if not part.endswith((b"\n\n", b"\r\n\r\n"))]
        if not torn:
            ctx.note(f"{len(sample.reads)} reads for {len(read(sample))} events")
            return
    require(False, "reads that end with an event", f"{len(torn)} that end like {torn[0]!r}")


@check("responses.stream.strict", Level.MUST, "SDK strict: ResponseStreamEvent, one type for each kind of event")
def strict(ctx: Context) -> None:
    """Every event, of texts, calls and thoughts, validates strictly as the official client's type for it."""
    union, _ = get_args(ResponseStreamEvent)
    types = {get_args(type.model_fields["type"].annotation)[0]: type for type in get_args(union)}
    for name in SPOKEN + CALLED + THOUGHT:
        sample = streamed(ctx, name)
        for _, event in read(sample) if sample is not None else ():
            require(event.get("type") in types, "an event type the official client knows", event)
            try:
                types[event["type"]].model_validate(event)
            except ValidationError as error:
                raise Fail("an event that validates strictly", _complaint(error)) from error


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    trail = ".".join(str(part) for part in first["loc"])
    return f"{error.title}.{trail}: {first['msg']}, in {show(first['input'])}"


@check("responses.stream.sdk", Level.MUST, "SDK strict: ResponseStreamEvent; SDK accumulator")
def sdk(ctx: Context) -> None:
    """The official client reads the stream to its end, and its accumulator comes to the text of the response."""
    there(ctx)
    asked = body(ctx, max_output_tokens=budget(ctx))
    with ctx.client.responses.stream(**asked) as stream:
        try:
            found = list(stream)
        except (TypeError, RuntimeError, AssertionError, ValueError, LookupError, AttributeError) as error:
            raise Fail("events the official accumulator takes", repr(error)) from error
        except APIError as error:
            if type(error) is not APIError:
                raise
            raise Fail("a stream without an error", error.message) from error
    require(bool(found), "events", "none")
    last = found[-1]
    if last.type != "response.completed" and last.type != "response.incomplete":
        raise Fail("a final response", last.type)
    texts = {(e.output_index, e.content_index): e.snapshot for e in found if e.type == "response.output_text.delta"}
    require("".join(texts.values()) == last.response.output_text, last.response.output_text, list(texts.values()))


@check("responses.stream.stored", Level.SHOULD, "OpenAPI: GET /responses/{id}; the final event holds that response")
def stored(ctx: Context) -> None:
    """The response in the last event is the one that GET gives afterwards."""
    there(ctx)
    sample = ctx.stream(RESPONSES, body(ctx, "Hello!", stream=True, store=True))
    accepted(sample, "a streamed response")
    final = judged(sample).final
    kept = offered(ctx.get(f"{RESPONSES}/{dig(final, 'id')}"), "GET a stored response").json()
    differing = sorted(name for name in {*final, *kept} if final.get(name) != kept.get(name))
    shown = {name: [final.get(name), kept.get(name)] for name in differing}
    require(not differing, "the response of the last event", shown)


@check("responses.stream.early-error", Level.MUST, "SDK: errors are raised by status; llama.cpp tests")
def early_error(ctx: Context) -> None:
    """An error before the first byte is an HTTP status, not a 200 with an error inside."""
    there(ctx)
    refused(ctx.post(RESPONSES, body(ctx, 123, stream=True)), (400, 422), "a bad request that asks for a stream")


def _provocations(ctx: Context) -> dict[str, JsonObject]:
    """Requests that are wrong where few servers look before they begin to answer."""
    call = {"type": "function_call", "call_id": "call_conformance1", "name": LOOK["name"], "arguments": '{"location":'}
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    texts: dict[str, JsonObject] = {
        "a schema that nothing fits": {"type": "string", "minLength": 9, "maxLength": 2},
        "a schema that spells markup": {"type": "string", "enum": ["a </think></tool_call> b"]},
        "a pattern with a look-behind": {"type": "string", "pattern": "(?<!a)b"},
    }
    return {
        "past arguments that are no JSON": {"input": [message("user", "How is Paris?"), call, output]},
        "roles in no order": {"input": [message("assistant", "a"), message("system", "b")]},
        **{what: {"text": {"format": strict_format(text)}} for what, text in texts.items()},
    }


def strict_format(text: JsonObject) -> JsonObject:
    schema = {"type": "object", "properties": {"a": text}, "required": ["a"], "additionalProperties": False}
    return {"type": "json_schema", "name": "conformance", "schema": schema, "strict": True}


@check("responses.stream.failure", Level.MUST, "Open Responses: response.failed; SDK: an error event is raised")
def failure(ctx: Context) -> None:
    """A stream that fails on the way says so and ends with response.failed; it never just stops.

    Requests with faults that servers find late are tried. One refused with a status proves nothing here; where
    none gets into the stream, there was nothing to see.
    """
    there(ctx)
    seen = []
    for what, fields in _provocations(ctx).items():
        sample = ctx.stream(RESPONSES, body(ctx, "Hello!", stream=True) | fields)
        if sample.status == 200:
            require(not sample.broken, "response.failed before the end of the stream", sample.broken)
            hold(Rule.LIFECYCLE, "", sample)
            if read(sample)[-1][1].get("type") == "response.failed":
                seen.append(what)
    tell(ctx, body(ctx, max_output_tokens=FEW), "a request after these")
    if not seen:
        raise Unsupported("no fault could be brought about after the first byte")
    ctx.note(f"told in the stream: {', '.join(seen)}")


CHECKS = (
    framing,
    done,
    writes,
    strict,
    sdk,
    stored,
    early_error,
    failure,
)
