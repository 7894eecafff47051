"""Checks on one chat request and its one whole answer. Knows nothing of streams, tools or limits."""

from __future__ import annotations

import time
from typing import Any

from ..check import Level, check
from ..context import Context
from ..shapes import JsonObject, accepted, cooperation, dig, offered, require, whole
from ..talk import CHAT, COUNT, ask, body, budget, plain, tell, user
from .discovery import NOBODY

DAY = 86_400
TINY = {"max_completion_tokens": 4}


@check("chat.basic", Level.MUST, "OpenAPI: CreateChatCompletionResponse; SDK strict", asks_model=True)
def basic(ctx: Context) -> None:
    """A plain request gives one strictly valid completion that says something."""
    answer = ask(ctx, body(ctx, max_completion_tokens=budget(ctx)))
    require(len(answer.choices) == 1, "one choice", answer.to_dict())
    message = answer.choices[0].message
    count = answer.usage.completion_tokens if answer.usage else 0
    # An answer of nothing but the end token is the model's silence, not the server's loss.
    cooperation(bool(message.content) or count > 2, "the model ended its answer at once")
    cooperation(
        bool(message.content) or answer.choices[0].finish_reason != "length",
        "the whole budget went into reasoning",
    )
    require(bool(message.content), f"content, for {count} tokens were used", answer.to_dict())


@check("chat.id-created", Level.MUST, "OpenAPI: id unique, created in Unix seconds")
def identity(ctx: Context) -> None:
    """Two answers have two ids of one format, and created is now, in seconds."""
    first, second = (tell(ctx, body(ctx, **TINY)).raw for _ in range(2))
    ids = [dig(answer, "id") for answer in (first, second)]
    require(all(isinstance(id, str) and id for id in ids), "a string id", ids)
    require(ids[0] != ids[1], "two different ids", ids)
    prefixes = {id.partition("-")[0] for id in ids}
    require(len(prefixes) == 1 or "-" not in ids[0], "one format of ids", ids)
    created = dig(first, "created")
    require(whole(created), "an integer created", created)
    require(abs(created - time.time()) < DAY, "created to be now, in seconds", created)


@check("chat.roles", Level.MUST, "OpenAPI: system and developer messages")
def roles(ctx: Context) -> None:
    """The system and the developer role are both accepted."""
    for role in ("system", "developer"):
        messages = [{"role": role, "content": "Be brief."}, user("Hello")]
        accepted(ctx.post(CHAT, body(ctx, messages=messages, **TINY)), f"a {role} message")


@check("chat.late-system", Level.SHOULD, "real clients add instructions on the way; templates that raise break them")
def late_system(ctx: Context) -> None:
    """A system message after the first turns is accepted."""
    messages = [user("Hello."), {"role": "assistant", "content": "Hello!"}, {"role": "system", "content": "Be brief."}]
    accepted(ctx.post(CHAT, body(ctx, messages=[*messages, user("Go on.")], **TINY)), "a late system message")


def parts(text: str) -> list[JsonObject]:
    return [{"type": "text", "text": text}, {"type": "text", "text": " Thank you."}]


@check("chat.content-parts", Level.MUST, "OpenAPI: content as text parts; agents send lists always")
def content_parts(ctx: Context) -> None:
    """Content may be a list of text parts for system, user and assistant messages."""
    messages = [
        {"role": "system", "content": parts("Be brief.")},
        {"role": "user", "content": parts("Hello.")},
        {"role": "assistant", "content": parts("Hello!")},
        {"role": "user", "content": parts("How are you?")},
    ]
    for upto in (2, 4):
        request = body(ctx, messages=messages[:upto], **TINY)
        accepted(ctx.post(CHAT, request), "content as a list of text parts")


@check("chat.greedy-repeats", Level.SHOULD, "practice: temperature 0 is how people pin an answer")
def greedy(ctx: Context) -> None:
    """Temperature 0 is accepted, and two such runs give the same text."""
    first, second = (tell(ctx, body(ctx)) for _ in range(2))
    same = (first.content, first.reasoning) == (second.content, second.reasoning)
    require(same, f"the first text again: {first.content!r}", repr(second.content))


UNKNOWN: JsonObject = {
    "metadata": {"suite": "conformance"},
    "user": "conformance",
    "store": False,
    "prompt_cache_key": "conformance",
    "safety_identifier": "conformance",
    "service_tier": "auto",
    "top_k": 20,
    "conformance_unknown_field": {"nested": [1, 2, 3]},
}


@check("chat.unknown-fields", Level.MUST, "real clients send them; LiteLLM, Cline, Zed break on 400")
def unknown_fields(ctx: Context) -> None:
    """Fields that change nothing, known or not, do not make a request fail."""
    _each_accepted(ctx, UNKNOWN)


NULLED = [
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "logprobs",
    "top_logprobs",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "stream",
    "stream_options",
    "reasoning_effort",
    "max_tokens",
    "user",
    "metadata",
    "service_tier",
    "store",
]


@check("chat.null-fields", Level.MUST, "OpenAPI: optional fields are nullable; typed clients send null")
def null_fields(ctx: Context) -> None:
    """Null in any optional field means its default."""
    _each_accepted(ctx, dict.fromkeys(NULLED))


def _each_accepted(ctx: Context, extra: dict[str, Any]) -> None:
    """All fields in one request; only when that fails, one by one, to name the culprits."""
    together = ctx.post(CHAT, body(ctx, **(TINY | extra)))
    if together.status == 200:
        return
    bad = [name for name, value in extra.items() if ctx.post(CHAT, body(ctx, **(TINY | {name: value}))).status != 200]
    accepted(together, f"the fields {', '.join(bad or extra)}")


@check("chat.n", Level.SHOULD, "OpenAPI: n choices; ignored silently it loses answers")
def several(ctx: Context) -> None:
    """n=2 gives two choices, indices 0 and 1, or an honest 400."""
    answer = offered(ctx.post(CHAT, body(ctx, n=2, temperature=1, **TINY)), "n=2").json()
    indices = [dig(choice, "index") for choice in dig(answer, "choices")]
    require(sorted(indices) == [0, 1], "choices with the indices 0 and 1", indices)


@check("chat.model-echo", Level.SHOULD, "OpenAPI: model; clients route and bill by it")
def model_echo(ctx: Context) -> None:
    """The answer names the model that was asked for."""
    named = dig(plain(ctx).raw, "model")
    require(named == ctx.target.model, f"the model {ctx.target.model}", named)


@check("chat.wrong-model", Level.SHOULD, "OpenAI practice: 404 model_not_found, never another model")
def wrong_model(ctx: Context) -> None:
    """A model that is not there is a 404 or 400, not an answer from some other model."""
    reply = ctx.post(CHAT, body(ctx, model=NOBODY, **TINY))
    require(reply.status in (400, 404), "404 or 400 for an unknown model", reply.brief)


@check("chat.prefill", Level.OPT, "llama.cpp tests: a last assistant message is continued")
def prefill(ctx: Context) -> None:
    """A conversation that ends with the assistant is answered or refused, never a crash."""
    messages = [user(COUNT), {"role": "assistant", "content": "1, 2, 3,"}]
    reply = ctx.post(CHAT, body(ctx, messages=messages, max_completion_tokens=8))
    text = dig(offered(reply, "a last message of the assistant").json(), "choices", 0, "message")
    ctx.note(f"after '1, 2, 3,' it said {text.get('content')!r}")


@check("chat.message-keys", Level.SHOULD, "OpenAPI: message requires role, content and refusal")
def message_keys(ctx: Context) -> None:
    """The message has its role and the keys content and refusal, null where there is nothing."""
    message = dig(plain(ctx).raw, "choices", 0, "message")
    require(dig(message, "role") == "assistant", "the role assistant", message)
    require("content" in message and "refusal" in message, "the keys content, refusal", message)


CHECKS = (
    basic,
    identity,
    roles,
    late_system,
    content_parts,
    greedy,
    unknown_fields,
    null_fields,
    several,
    model_echo,
    wrong_model,
    prefill,
    message_keys,
)
