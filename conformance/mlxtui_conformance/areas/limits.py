"""Checks on what ends an answer: stop strings, token limits, the context. Knows nothing of tools.

Stop strings are cut from what the model said before, so that any model that repeats itself at temperature 0
can be checked, however weak it is.
"""

from __future__ import annotations

from typing import Any

from ..check import Fail, Inconclusive, Level, Unsupported, check
from ..context import Context
from ..schema import lengthy, strict_format
from ..shapes import JsonObject, accepted, cooperation, dig, offered, refused, require
from ..talk import CHAT, ENDLESS, Said, baseline, body, budget, choices, chunks, joined, plain, tell
from ..wire import Streamed

GIANT = 300_000  # tokens: a larger context is not worth a body of megabytes


def _cut(text: str, length: int) -> str:
    """A piece from the middle with a letter or digit at both ends (edges may be trimmed)."""
    for start in range(len(text) // 3, len(text) - length):
        piece = text[start : start + length]
        if piece[0].isalnum() and piece[-1].isalnum() and text.find(piece) > 0:
            return piece
    raise Inconclusive("the model's text has no piece to stop at")


def _stopped(got: Said, text: str, stop: str) -> None:
    wanted = text[: text.find(stop)]
    require(stop not in got.content, f"no {stop!r} in the text", repr(got.content))
    same = got.content.rstrip() == wanted.rstrip()
    require(same, f"the text up to the stop: {wanted!r}", repr(got.content))
    require(got.finish == "stop", "finish_reason stop", got.finish)


def _limited(ctx: Context, **fields: Any) -> Said:
    return tell(ctx, body(ctx, max_completion_tokens=budget(ctx), **fields))


@check("limits.max-completion-tokens", Level.MUST, "OpenAPI: max_completion_tokens", asks_model=True)
def max_completion_tokens(ctx: Context) -> None:
    """max_completion_tokens=1 ends after one token with finish_reason length."""
    _one_token(ctx, tell(ctx, body(ctx, max_completion_tokens=1)))


@check("limits.max-tokens", Level.MUST, "OpenAPI: max_tokens (older clients send it)", asks_model=True)
def max_tokens(ctx: Context) -> None:
    """The legacy max_tokens=1 does the same."""
    _one_token(ctx, tell(ctx, body(ctx, max_completion_tokens=..., max_tokens=1)))


def _one_token(ctx: Context, got: Said) -> None:
    count = dig(got.raw, "usage", "completion_tokens")
    require(count <= 1, "completion_tokens ≤ 1", got.raw)
    words = len((got.content + got.reasoning).split())
    require(words <= 3, "the text of one token", got.raw)
    more = plain(ctx)
    longer = len(more.content + more.reasoning) > len(got.content + got.reasoning)
    cooperation(longer, "the model has no more to say than one token")
    require(got.finish == "length", "finish_reason length", got.finish)


@check("limits.stop-list", Level.MUST, "OpenAPI: the text will not contain the stop", asks_model=True)
def stop_list(ctx: Context) -> None:
    """A stop string in a list ends the text before it, with finish_reason stop."""
    text = baseline(ctx)
    stop = _cut(text, 2)
    _stopped(_limited(ctx, stop=[stop]), text, stop)


@check("limits.stop-string", Level.MUST, "OpenAPI: stop is a string or a list", asks_model=True)
def stop_string(ctx: Context) -> None:
    """A bare string as stop does the same as a list of one."""
    text = baseline(ctx)
    stop = _cut(text, 2)
    _stopped(_limited(ctx, stop=stop), text, stop)


STORY = "Tell me a short story about a boat."


def _story(ctx: Context) -> tuple[str, int]:
    """A text of words that came out the same whole and streamed, and its longest delta."""

    def take() -> tuple[str, int]:
        request = body(ctx, STORY, max_completion_tokens=budget(ctx))
        text = tell(ctx, request).content
        sample = ctx.stream(CHAT, request | {"stream": True})
        accepted(sample, "a streamed chat request")
        parts = chunks(sample)
        cooperation(joined(parts).content == text, "two greedy answers differ")
        longest = max(len(dig(piece, "delta").get("content") or "") for piece in choices(parts))
        cooperation(longest * 2 + 4 < len(text), "the story came in too few deltas")
        return text, longest

    return ctx.once("story", take)


@check("limits.stop-no-leak", Level.MUST, "OpenAPI: the text will not contain it", asks_model=True)
def stop_no_leak(ctx: Context) -> None:
    """A stop string that spans several chunks leaves no part of itself in the stream."""
    text, longest = _story(ctx)
    stop = _cut(text, longest + 2)
    _stopped(_streamed_story(ctx, stop), text, stop)


@check("limits.stop-inside-word", Level.MUST, "OpenAPI: stop is text, not tokens", asks_model=True)
def stop_inside_word(ctx: Context) -> None:
    """A stop string that begins and ends inside words is found, wherever the tokens lie."""
    text, longest = _story(ctx)
    for start in range(len(text) // 4, len(text) - longest - 4):
        stop = text[start : start + longest + 2]
        inside = text[start - 1 : start + 1].isalpha() and text[start + longest + 1 :][:2].isalpha()
        if inside and text.find(stop) == start:
            _stopped(_streamed_story(ctx, stop), text, stop)
            return
    raise Inconclusive("the model's story has no such piece")


def _streamed_story(ctx: Context, stop: str) -> Said:
    request = body(ctx, STORY, max_completion_tokens=budget(ctx), stop=[stop], stream=True)
    sample = ctx.stream(CHAT, request)
    accepted(sample, "a stop string")
    return joined(chunks(sample))


THOUGHTS = 256  # tokens, of which a thinking model spends some on thinking
THINK = "Think step by step: what is 17 + 25?"


@check("limits.stop-in-reasoning", Level.OPT, "practice: document it; never crash", asks_model=True)
def stop_in_reasoning(ctx: Context) -> None:
    """A stop string that occurs in the reasoning cuts it or is ignored there."""
    first = tell(ctx, body(ctx, THINK, max_completion_tokens=THOUGHTS))
    if len(first.reasoning) < 12:
        raise Unsupported("no separate reasoning seen")
    stop = _cut(first.reasoning, 4)
    got = tell(ctx, body(ctx, THINK, max_completion_tokens=THOUGHTS, stop=[stop]))
    require(stop not in got.content, f"no {stop!r} in the content", repr(got.content))
    require(got.finish in ("stop", "length"), "finish_reason stop or length", got.finish)
    ctx.note("reasoning is cut" if stop not in got.reasoning else "reasoning is not cut")


@check("limits.four-stops", Level.OPT, "OpenAPI: up to 4 sequences", asks_model=True)
def four_stops(ctx: Context) -> None:
    """The fourth stop string works, and a fifth works or is a 400."""
    text = baseline(ctx)
    stop = _cut(text, 2)
    _stopped(_limited(ctx, stop=["\x01a", "\x01b", "\x01c", stop]), text, stop)
    five = ctx.post(
        CHAT,
        body(
            ctx,
            max_completion_tokens=budget(ctx),
            stop=["\x01a", "\x01b", "\x01c", "\x01d", stop],
        ),
    )
    if five.status != 200:
        refused(five, (400,), "five stop strings")
        return
    content = dig(five.json(), "choices", 0, "message", "content") or ""
    require(stop not in content, "the fifth stop honoured or a 400", repr(content))


def _context(ctx: Context) -> int:
    known = ctx.target.context
    if known is None:
        raise Unsupported("the model list does not tell the context length")
    cooperation(known <= GIANT, f"a context of {known} tokens is too large to overrun here")
    return known


def _overrun(ctx: Context) -> str:
    """More words than the context has tokens, and no tokenizer makes less of a word than one."""
    return "hello " * (_context(ctx) + 64)


@check("limits.context", Level.MUST, "OpenAI practice: 400 context_length_exceeded; llama.cpp tests")
def context(ctx: Context) -> None:
    """A prompt longer than the context is a 400, streamed or not, and the server lives on."""
    prompt = _overrun(ctx)
    for stream in (False, True):
        reply = ctx.post(CHAT, body(ctx, prompt, stream=stream))
        refused(reply, (400,), f"a prompt over the context, stream={stream}")
    tell(ctx, body(ctx, max_completion_tokens=1))


@check("limits.context-code", Level.SHOULD, "Codex compacts on error.code context_length_exceeded")
def context_code(ctx: Context) -> None:
    """The error for an over-long prompt has the code context_length_exceeded."""
    reply = refused(ctx.post(CHAT, body(ctx, _overrun(ctx))), (400,), "a prompt over the context")
    code = dig(reply.json(), "error", "code")
    require(code == "context_length_exceeded", "the code context_length_exceeded", code)


@check("limits.bad-max", Level.SHOULD, "OpenAPI: minimum of max_completion_tokens; vLLM tests")
def bad_max(ctx: Context) -> None:
    """A token limit of 0 or below is a 400."""
    for name in ("max_completion_tokens", "max_tokens"):
        for value in (0, -1):
            request = body(ctx, max_completion_tokens=...) | {name: value}
            refused(ctx.post(CHAT, request), (400,), f"{name}={value}")


AMPLE = 600  # deltas: some servers stop at 512 tokens that nobody asked for
SKY = lengthy(AMPLE)


@check(
    "limits.default-max",
    Level.SHOULD,
    "OpenAPI: no default for max_completion_tokens; agents send none",
    asks_model=True,
)
def default_max(ctx: Context) -> None:
    """Without a limit of its own an answer goes on to the model's end or the context's, not to some default.

    A schema makes the answer a long one, where the server holds the model to it.
    """
    cooperation((ctx.target.context or 4 * AMPLE) > 3 * AMPLE, "the context is too short to tell")
    request = body(ctx, ENDLESS, max_completion_tokens=..., stream=True)
    got = _at_length(ctx, request | {"response_format": strict_format(SKY)})
    if got.status != 200 or b'"error"' in got.body:  # structured.schema tells about that
        got = _at_length(ctx, request)
    accepted(got, "a request without a limit")
    deltas = got.body.count(b"data:")
    if deltas > AMPLE:
        return
    cooperation(joined(chunks(got)).finish == "length", f"the model stopped by itself before {AMPLE} deltas")
    if ctx.target.context is None:
        more = _at_length(ctx, request | {"max_completion_tokens": 4 * AMPLE}, deltas)
        cooperation(more.body.count(b"data:") > deltas, "a larger limit changes nothing: the context may end there")
    raise Fail("an answer that is not cut off", f"finish_reason length after {deltas} deltas", got.exchange)


def _at_length(ctx: Context, request: JsonObject, enough: int = AMPLE) -> Streamed:
    """Somewhat more than so many deltas of a long answer, or all of a short one."""
    deadline = ctx.recorder.deadline
    raw = b""
    with ctx.raw.stream("POST", ctx.url(CHAT), json=request) as response:
        for part in response.iter_raw():
            raw += part
            deltas = raw.count(b"data:")
            if deltas > enough:
                break
            cooperation(deadline.left() > deadline.seconds / 2, f"{deltas} deltas took half of the check's time")
    return Streamed(response.status_code, response.headers, raw, response.request.extensions.get("exchange"))


@check("limits.max-beyond-context", Level.SHOULD, "practice: agents send one large number for all")
def max_beyond_context(ctx: Context) -> None:
    """A token limit that reaches beyond the context is accepted (and cut to it), or honestly refused.

    Only the begin of the answer is waited for: filling a context can take minutes.
    """
    request = body(ctx, max_completion_tokens=_context(ctx), stream=True)
    begun = ctx.stream(CHAT, request, until=b"data:")
    offered(begun, "max_completion_tokens beyond the context")
    require(b'"error"' not in begun.body, "an answer, not an error", begun.brief)


CHECKS = (
    max_completion_tokens,
    max_tokens,
    stop_list,
    stop_string,
    stop_no_leak,
    stop_inside_word,
    stop_in_reasoning,
    four_stops,
    context,
    context_code,
    bad_max,
    default_max,
    max_beyond_context,
)
