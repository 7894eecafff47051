"""Checks on conversations of several turns: chains by previous_response_id, and histories sent whole.

Whether an earlier turn is in the prompt shows in the count of input tokens, so that no check depends on a model that
remembers well. Knows nothing of streams.
"""

from __future__ import annotations

import secrets

from openai.types.responses import CompactedResponse

from ..check import Level, Unsupported, check
from ..context import Context
from ..shapes import accepted, cooperation, dig, offered, refused, refuses, require
from ..talk_responses import (
    FEW,
    LOOK,
    QUESTION,
    RESPONSES,
    THINK,
    THOUGHTFUL,
    Answer,
    answer,
    body,
    budget,
    calling,
    forced,
    kept,
    message,
    post,
    tell,
    there,
)

NOBODY = "resp_conformance_no_such_response"
ASK = "What is the code word? Answer with the code word only."


def next_turn(ctx: Context, before: Answer, given: object, **fields: object) -> Answer:
    """The answer to a request that goes on from a kept one."""
    return kept(ctx, body(ctx, given, previous_response_id=before.id, **fields))


def chains(ctx: Context) -> None:
    """Unsupported where previous_response_id is refused as such, whatever the turn."""

    def probe() -> None:
        first = kept(ctx, body(ctx, "Hello!", max_output_tokens=FEW))
        request = body(ctx, "Hello!", previous_response_id=first.id, max_output_tokens=FEW)
        offered(post(ctx, request), "previous_response_id")

    ctx.once("responses-chains", probe)


@check("state.recall", Level.MUST, "OpenAPI: previous_response_id makes a conversation")
def recall(ctx: Context) -> None:
    """A turn that names the one before it has that turn's input and output in its prompt.

    Shown by a word that only the first turn holds. A model that does not recall it is asked again with the whole
    history in the input: then the two requests have to be the same length, and get the same answer.
    """
    chains(ctx)
    nonce = secrets.token_hex(4)
    opening = f"The code word is {nonce}. Remember it, and say OK."
    first = kept(ctx, body(ctx, opening, max_output_tokens=budget(ctx)))
    second = next_turn(ctx, first, ASK, max_output_tokens=budget(ctx))
    if nonce in second.text:
        return
    alone = tell(ctx, body(ctx, ASK, max_output_tokens=FEW))
    require(second.prompt > alone.prompt, f"more than {alone.prompt} input tokens with a turn before", second.prompt)
    history = [message("user", opening), *first.items, message("user", ASK)]
    whole = tell(ctx, body(ctx, history, max_output_tokens=budget(ctx)))
    cooperation((whole.prompt, whole.text) == (second.prompt, second.text), "the model does not recall the word")


@check("state.tool-chain", Level.MUST, "OpenAPI: function_call_output answers a call of the previous response")
def tool_chain(ctx: Context) -> None:
    """A chain of three: a call, its output alone, and a question; each turn has all before it in its prompt.

    The later turns need not be longer than one another, for many templates drop what was thought before a new
    question. The first question is a long one, so that either is longer than that, unless it was lost.
    """
    chains(ctx)
    calling(ctx, LOOK)  # unsupported or inconclusive where there is no call to go on from
    first = kept(ctx, forced(ctx, LOOK, f"{QUESTION} Never mind the rest: {'sun moon star ' * 40}"))
    cooperation(bool(first.calls), "no call this time")
    outputs = [
        {"type": "function_call_output", "call_id": dig(call, "call_id"), "output": '{"sky": "sunny"}'}
        for call in first.calls
    ]
    second = next_turn(ctx, first, outputs, tools=[LOOK])
    third = next_turn(ctx, second, "Thank you. Anything else?", tools=[LOOK])
    lengths = [first.prompt, second.prompt, third.prompt]
    require(lengths[0] < min(lengths[1:]), f"more than {lengths[0]} input tokens in the later turns", lengths)
    echoed = third.raw.get("previous_response_id")
    require(echoed == second.id, f"previous_response_id {second.id}", echoed)


@check("state.unknown-id", Level.MUST, "OpenAI practice: 400 or 404; ignored silently it loses the conversation")
def unknown_id(ctx: Context) -> None:
    """A previous_response_id that is not there is refused, not ignored."""
    request = body(ctx, "Go on.", previous_response_id=NOBODY, max_output_tokens=FEW)
    refused(post(ctx, request), (400, 404), "an unknown previous_response_id")


@check("state.unknown-code", Level.SHOULD, "OpenAI practice: error.code previous_response_not_found")
def unknown_code(ctx: Context) -> None:
    """The refusal has the code previous_response_not_found and names the parameter."""
    request = body(ctx, "Go on.", previous_response_id=NOBODY, max_output_tokens=FEW)
    error = dig(refused(post(ctx, request), (400, 404), "an unknown previous_response_id").json(), "error")
    require(dig(error, "code") == "previous_response_not_found", "code previous_response_not_found", error)
    require(dig(error, "param") == "previous_response_id", "param previous_response_id", error)


@check("state.instructions", Level.SHOULD, "OpenAPI: instructions of a previous response are not carried over")
def instructions(ctx: Context) -> None:
    """Instructions are in the prompt of their own turn, and not in that of the next."""
    chains(ctx)
    rules = "Be brief. " * 80
    bare = tell(ctx, body(ctx, "Hello!", max_output_tokens=FEW))
    told = kept(ctx, body(ctx, "Hello!", max_output_tokens=FEW, instructions=rules))
    more = told.prompt - bare.prompt
    require(more >= 80, "at least 80 input tokens more with 160 words of instructions", more)
    after = next_turn(ctx, told, "Hello again!", max_output_tokens=FEW)
    require(after.prompt < told.prompt, f"fewer than {told.prompt} input tokens without them", after.prompt)
    require(after.raw.get("instructions") is None, "instructions null", after.raw.get("instructions"))


@check("state.branch", Level.SHOULD, "OpenAPI: any kept response can be continued, any number of times")
def branch(ctx: Context) -> None:
    """Two turns that go on from the same response know nothing of each other."""
    chains(ctx)
    first = kept(ctx, body(ctx, "Hello!", max_output_tokens=FEW))
    pair = [next_turn(ctx, first, "Count from 1 to 20.") for _ in range(2)]
    require(pair[0].id != pair[1].id, "two responses", pair[0].id)
    lengths = [got.prompt for got in pair]
    require(lengths[0] == lengths[1], "the same input tokens for both", lengths)


@check("state.replay", Level.MUST, "vLLM tests: a client may send the whole history and keep it to itself")
def replay(ctx: Context) -> None:
    """The whole history as input works without kept responses: output items as they came, and without their ids."""
    first = tell(ctx, body(ctx, "Hello!"))
    bare = [{name: value for name, value in item.items() if name not in ("id", "status")} for item in first.items]
    spoken = [item for item in bare if item.get("type") != "reasoning"]  # a reasoning item is known by its id
    for what, items in (("output items as they came", first.items), ("output items without ids", spoken)):
        history = [message("user", "Hello!"), *items, message("user", "Go on.")]
        got = tell(ctx, body(ctx, history, max_output_tokens=FEW), what)
        alone = tell(ctx, body(ctx, "Go on.", max_output_tokens=FEW))
        require(got.prompt > alone.prompt, f"more than {alone.prompt} input tokens with a history", got.prompt)


@check("state.item-reference", Level.OPT, "OpenAPI: ItemReferenceParam")
def item_reference(ctx: Context) -> None:
    """An item of a kept response may be named by its id in place of being sent."""
    first = kept(ctx, body(ctx, max_output_tokens=FEW))
    named = [{"type": "item_reference", "id": dig(item, "id")} for item in first.items]
    request = body(ctx, [message("user", "Hello!"), *named, message("user", "Go on.")], max_output_tokens=FEW)
    got = answer(offered(post(ctx, request), "item_reference"))
    bare = tell(ctx, body(ctx, [message("user", "Hello!"), message("user", "Go on.")], max_output_tokens=FEW))
    cooperation(bool(first.text), "the model said nothing to refer to")
    require(got.prompt > bare.prompt, f"more than {bare.prompt} input tokens with an item named", got.prompt)


@check(
    "state.encrypted-reasoning",
    Level.OPT,
    "OpenAPI: include reasoning.encrypted_content; Codex asks always",
    asks_model=True,
)
def encrypted_reasoning(ctx: Context) -> None:
    """Reasoning that nobody keeps comes sealed when asked for, and is taken back so."""
    first = tell(ctx, body(ctx, THINK, max_output_tokens=THOUGHTFUL, include=["reasoning.encrypted_content"]))
    thoughts = first.of("reasoning")
    cooperation(bool(thoughts), "the model does not reason")
    if not all(isinstance(item.get("encrypted_content"), str) for item in thoughts):
        raise Unsupported("no encrypted_content in the reasoning item")
    sealed = [
        {"type": "reasoning", "id": item.get("id"), "summary": [], "encrypted_content": item["encrypted_content"]}
        for item in thoughts
    ]
    rest = [item for item in first.items if item not in thoughts]
    history = [message("user", THINK), *sealed, *rest, message("user", "Go on.")]
    tell(ctx, body(ctx, history, max_output_tokens=FEW), "sealed reasoning in the input")


@check("state.compact", Level.OPT, "OpenAPI: POST /responses/compact; SDK strict: CompactedResponse")
def compact(ctx: Context) -> None:
    """A history is made into other items, and a next turn can go on from those."""
    there(ctx)
    history = [message("user", "Hello! " * 100), message("assistant", "Hello. " * 100), message("user", "Go on.")]
    request = {"model": ctx.target.model, "input": history}
    reply = ctx.post(f"{RESPONSES}/compact", request)
    if reply.status in (405, 501) or refuses(reply):
        raise Unsupported(f"POST {RESPONSES}/compact: {reply.brief}")
    accepted(reply, "compacting a history")
    short = ctx.client.post(f"{RESPONSES}/compact", cast_to=CompactedResponse, body=request)
    require(bool(short.output), "items in the output", reply.brief)
    items = [item.to_dict(mode="json", exclude_unset=True) for item in short.output]
    tell(ctx, body(ctx, [*items, message("user", "Hello!")], max_output_tokens=FEW), "compacted items in the input")


CHECKS = (
    recall,
    tool_chain,
    unknown_id,
    unknown_code,
    instructions,
    branch,
    replay,
    item_reference,
    encrypted_reasoning,
    compact,
)
