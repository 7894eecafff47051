"""Checks on the events of a streamed response, by the rules of response_events.py.

Most of them ask that reader about the same few samples. Knows nothing of framing, or of what other requests say.
"""

from __future__ import annotations

from ..check import Level, Unsupported, check
from ..context import Context
from ..response_protocol import Rule
from ..shapes import cooperation, dig, require
from ..talk_responses import (
    CALLED,
    FEW,
    SPOKEN,
    THOUGHT,
    Answer,
    body,
    budget,
    hold,
    judged,
    plain,
    read,
    streamed,
    tell,
    text_stream,
)


def _hold_all(ctx: Context, rule: Rule, names: tuple[str, ...] = SPOKEN + CALLED) -> None:
    for name in names:
        sample = streamed(ctx, name)
        if sample is not None:
            hold(rule, name, sample)


@check(
    "responses.stream.lifecycle", Level.MUST, "Open Responses: created, in_progress, …, one terminal event; vLLM tests"
)
def lifecycle(ctx: Context) -> None:
    """First response.created, then response.in_progress, last one terminal event that fits the status."""
    _hold_all(ctx, Rule.LIFECYCLE)


@check("responses.stream.sequence", Level.MUST, "OpenAPI: sequence_number; vLLM tests")
def sequence(ctx: Context) -> None:
    """sequence_number counts every event from 0, without gaps."""
    _hold_all(ctx, Rule.SEQUENCE)


@check("responses.stream.names", Level.MUST, "Open Responses: the event field matches the type")
def names(ctx: Context) -> None:
    """The event line of every event names its type."""
    _hold_all(ctx, Rule.NAMES)


@check("responses.stream.nesting", Level.MUST, "Open Responses: items and parts are added, filled and done; vLLM tests")
def nesting(ctx: Context) -> None:
    """Items and parts open and close in pairs, one after another, and texts come inside them only."""
    _hold_all(ctx, Rule.NESTING)


@check("responses.stream.identity", Level.MUST, "OpenAPI: item_id, output_index, content_index; vLLM tests")
def identity(ctx: Context) -> None:
    """item_id, output_index and content_index stay what they were when the item or part was added."""
    _hold_all(ctx, Rule.IDENTITY)


@check("responses.stream.text", Level.MUST, "OpenAPI: delta, done, part, item and response hold one text; vLLM tests")
def text(ctx: Context) -> None:
    """The deltas, the done event, the part, the item and the final response hold the same text."""
    _hold_all(ctx, Rule.TEXT)


@check("responses.stream.status", Level.MUST, "Open Responses: item states; added is in_progress and empty")
def status(ctx: Context) -> None:
    """An item is added empty and in_progress, and done completed, or incomplete where the response is."""
    _hold_all(ctx, Rule.STATUS)


@check("responses.stream.arguments", Level.MUST, "OpenAPI: function_call_arguments.delta and .done")
def arguments(ctx: Context) -> None:
    """The arguments of a call are the same as deltas, when done, in the item and in the final response."""
    calls = _found(ctx, CALLED[:1], "function_call", "a forced function in a stream")
    cooperation(calls, "no call in the stream")
    _hold_all(ctx, Rule.ARGUMENTS, CALLED)


@check(
    "responses.stream.reasoning", Level.MUST, "OpenAPI: reasoning_summary_text, reasoning_text; Codex", asks_model=True
)
def reasoning(ctx: Context) -> None:
    """Reasoning is an item before the answer, in events that clients know, whole like any text."""
    cooperation(_found(ctx, THOUGHT, "reasoning", "reasoning"), "the model does not reason")
    for rule in Rule:
        _hold_all(ctx, rule, THOUGHT)


def _found(ctx: Context, samples: tuple[str, ...], type: str, what: str) -> bool:
    """Whether an item of this type came in one of the samples."""
    taken = [sample for name in samples if (sample := streamed(ctx, name)) is not None]
    if not taken:
        raise Unsupported(what)
    return any(item.type == type for sample in taken for item in judged(sample).items)


@check("responses.stream.incomplete", Level.MUST, "OpenAPI: ResponseIncompleteEvent; vLLM tests", asks_model=True)
def incomplete(ctx: Context) -> None:
    """A stream cut at max_output_tokens ends with response.incomplete, and says why."""
    sample = streamed(ctx, "cut")
    assert sample is not None
    kind, final = read(sample)[-1][1].get("type"), judged(sample).final
    cut = kind == "response.incomplete" or Answer(final).spent >= FEW
    cooperation(cut, f"the model stopped before {FEW} tokens")
    require(kind == "response.incomplete", "response.incomplete last", kind)
    reason = dig(final, "incomplete_details", "reason")
    require(reason == "max_output_tokens", "incomplete_details.reason max_output_tokens", reason)


@check("responses.stream.same-text", Level.MUST, "vLLM tests; practice: one engine, one text", asks_model=True)
def same_text(ctx: Context) -> None:
    """At temperature 0 the stream ends with the text of the answer without streaming."""
    whole, final = plain(ctx), Answer(judged(text_stream(ctx)).final)
    if final.text != whole.text:
        again = tell(ctx, body(ctx, max_output_tokens=budget(ctx)))
        cooperation(again.text == whole.text, "two greedy answers differ without streaming too")
    require(final.text == whole.text, f"{whole.text!r}", repr(final.text))


CHECKS = (
    lifecycle,
    sequence,
    names,
    nesting,
    identity,
    text,
    status,
    arguments,
    reasoning,
    incomplete,
    same_text,
)
