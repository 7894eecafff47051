"""Checks on a streamed chat answer: bytes and framing first, then chunks. Knows nothing of tools.

Most of them read one shared sample, so the area costs a few requests.
"""

from __future__ import annotations

from openai import Stream
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from ..check import Fail, Level, Unsupported, check
from ..context import Context
from ..shapes import JsonObject, accepted, cooperation, dig, offered, refused, require
from ..talk import CHAT, body, budget, choices, chunks, events, joined, plain, streamed, tell
from ..wire import Streamed

DONE = "[DONE]"


@check("chat.stream.content-type", Level.MUST, "HTML standard §9.2: text/event-stream, UTF-8")
def content_type(ctx: Context) -> None:
    """A stream is text/event-stream and its bytes are UTF-8."""
    sample = streamed(ctx, usage=True)
    require(sample.media == "text/event-stream", "text/event-stream", sample.media)
    kind = sample.headers["content-type"].lower()
    require("charset" not in kind or "utf-8" in kind, "no charset but UTF-8", kind)
    events(sample)


@check("chat.stream.framing", Level.MUST, "OpenAI reference: data-only events; HTML standard §9.2.6")
def framing(ctx: Context) -> None:
    """Every event ends with a blank line and holds data lines only."""
    sample = streamed(ctx, usage=True)
    require(not sample.broken, "a transfer that ends in good order", sample.broken)
    for event in events(sample):
        require(event.closed, "a blank line after every event", str(event.fields))
        require(event.names <= {"data", ""}, "data lines and comments only", str(event.fields))
    chunks(sample)


@check("chat.stream.done", Level.MUST, "OpenAPI: the stream is terminated by data: [DONE]")
def done(ctx: Context) -> None:
    """Exactly one [DONE], and nothing after it, with and without the usage chunk."""
    for usage in (True, False):
        data = [event.data for event in events(streamed(ctx, usage=usage)) if event.data]
        require(data.count(DONE) == 1, "exactly one [DONE]", f"{data.count(DONE)}: {data[-3:]}")
        require(data[-1] == DONE, "nothing after [DONE]", f"{data[-2:]}")


@check("chat.stream.strict", Level.MUST, "SDK strict: ChatCompletionChunk; SDK accumulator")
def strict(ctx: Context) -> None:
    """Every chunk validates strictly, and the official accumulator makes a completion of them."""
    state = ChatCompletionStreamState()
    request = body(ctx, stream=True, stream_options={"include_usage": True})
    with ctx.client.post(
        CHAT,
        cast_to=ChatCompletionChunk,
        body=request,
        stream=True,
        stream_cls=Stream[ChatCompletionChunk],
    ) as stream:
        try:
            for chunk in stream:
                state.handle_chunk(chunk)
            completion = state.get_final_completion()
        except (TypeError, RuntimeError, AssertionError, ValueError) as error:
            raise Fail("chunks the official accumulator takes", repr(error)) from error
        except Exception as error:
            if type(error).__name__ != "LengthFinishReasonError":
                raise
            return  # the accumulator's way to say finish_reason length: all chunks were taken
    role = completion.choices[0].message.role
    require(role == "assistant", "the accumulated role assistant", role)


@check("chat.stream.same-id", Level.MUST, "OpenAPI: each chunk has the same ID and timestamp")
def same_id(ctx: Context) -> None:
    """All chunks share one id, one created and one model."""
    parts = chunks(streamed(ctx, usage=True))
    for name in ("id", "created", "model"):
        found = {str(dig(part, name)) for part in parts}
        require(len(found) == 1, f"one {name} over all chunks", sorted(found)[:4])


@check("chat.stream.role-once", Level.MUST, "SDK accumulator: a repeated role is concatenated")
def role_once(ctx: Context) -> None:
    """The role comes with the first chunk of a choice and never again."""
    roles = [dig(piece, "delta").get("role") for piece in choices(chunks(streamed(ctx, usage=True)))]
    require(roles[0] == "assistant", "the role assistant in the first chunk", roles[:3])
    again = sum(role is not None for role in roles[1:])
    require(again == 0, "no role after the first chunk", f"{again} of {len(roles) - 1} have one")


@check("chat.stream.one-finish", Level.MUST, "OpenAPI: finish_reason; vLLM and SGLang tests")
def one_finish(ctx: Context) -> None:
    """Each choice gets exactly one finish_reason, in its last chunk."""
    for usage in (True, False):
        ends = [piece.get("finish_reason") for piece in choices(chunks(streamed(ctx, usage=usage)))]
        given = [end for end in ends if end is not None]
        require(len(given) == 1, "exactly one finish_reason", given)
        require(ends[-1] is not None, "finish_reason in the choice's last chunk", ends[-3:])


@check("chat.stream.finish-empty", Level.SHOULD, "OpenAI practice: the last delta is {}")
def finish_empty(ctx: Context) -> None:
    """The chunk with the finish_reason carries no text of its own."""
    for piece in choices(chunks(streamed(ctx, usage=True))):
        if piece.get("finish_reason"):
            delta = dig(piece, "delta")
            filled = {name: value for name, value in delta.items() if value and name != "role"}
            require(not filled, "an empty delta beside finish_reason", delta)


@check(
    "chat.stream.same-text",
    Level.MUST,
    "vLLM tests; practice: one engine, one text",
    asks_model=True,
)
def same_text(ctx: Context) -> None:
    """At temperature 0 the deltas add up to the text of the answer without streaming."""
    whole, parts = plain(ctx), joined(chunks(streamed(ctx, usage=True)))
    if (parts.content, parts.reasoning) == (whole.content, whole.reasoning):
        return
    again = tell(ctx, body(ctx, max_completion_tokens=budget(ctx)))
    cooperation(again.content == whole.content, "two greedy answers differ without streaming too")
    require(parts.content == whole.content, f"content {whole.content!r}", repr(parts.content))
    require(False, f"reasoning {whole.reasoning!r}", repr(parts.reasoning))


@check("chat.stream.usage-chunk", Level.MUST, "OpenAPI: stream_options.include_usage")
def usage_chunk(ctx: Context) -> None:
    """Asked for, usage comes in one last chunk of its own with choices []."""
    parts = chunks(streamed(ctx, usage=True))
    require(dig(parts[-1], "choices") == [], "choices [] in the last chunk", parts[-1])
    require(isinstance(parts[-1].get("usage"), dict), "usage in the last chunk", parts[-1])
    early = [part for part in parts[:-1] if part.get("usage") is not None]
    require(not early, "usage in the last chunk only", f"{len(early)} chunks before it have it")


@check("chat.stream.usage-null", Level.SHOULD, "OpenAPI: all other chunks include usage: null")
def usage_null(ctx: Context) -> None:
    """When usage is asked for, the chunks before the last one say usage: null."""
    parts = chunks(streamed(ctx, usage=True))[:-1]
    lacking = sum("usage" not in part for part in parts)
    require(lacking == 0, "usage: null in every other chunk", f"{lacking} of {len(parts)} lack it")


@check("chat.stream.usage-unasked", Level.MUST, "OpenAPI: usage is only present when asked for")
def usage_unasked(ctx: Context) -> None:
    """Not asked for, there is no usage and no chunk without choices."""
    for part in chunks(streamed(ctx, usage=False)):
        require(part.get("usage") is None, "no usage", part)
        require(len(dig(part, "choices")) > 0, "no chunk without choices", part)


@check("chat.stream.usage-equal", Level.SHOULD, "practice: bills must not depend on streaming")
def usage_equal(ctx: Context) -> None:
    """The stream counts the same tokens as the answer without streaming."""
    whole, parts = plain(ctx), joined(chunks(streamed(ctx, usage=True)))
    if parts.usage is None:
        raise Unsupported("no usage in the stream")
    cooperation(parts.content == whole.content, "the two texts differ")
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    both = [{name: dig(usage, name) for name in names} for usage in (whole.usage, parts.usage)]
    require(both[0] == both[1], f"{both[0]}", both[1])


@check("chat.stream.incremental", Level.SHOULD, "practice: streaming is for showing text early")
def incremental(ctx: Context) -> None:
    """Text arrives while it is generated, not in one piece at the end.

    Only reads that are told apart count, so no speed is assumed; three tries allow for a busy
    machine that lets reads run together.
    """
    for _ in range(3):
        sample = ctx.stream(CHAT, body(ctx, stream=True))
        accepted(sample, "a streamed chat request")
        deltas = len(choices(chunks(sample)))
        cooperation(deltas > 8, f"only {deltas} deltas, too few to tell")
        if sum(b"data:" in part for _, part in sample.reads) > 2:
            ctx.note(_pace(sample))
            return
    require(False, "several reads with text in them", f"{len(sample.reads)} for {deltas} deltas")


def _pace(sample: Streamed) -> str:
    spread = sample.reads[-1][0] - sample.reads[0][0]
    return f"{len(sample.reads)} reads over {spread:.2f} s"


@check("chat.stream.keepalive", Level.OPT, "HTML standard §9.2.6; SDK: an empty event is parsed")
def keepalive(ctx: Context) -> None:
    """While a long prompt is read, the stream holds comment lines or nothing."""
    words = min(200, (ctx.target.context or 8192) // 16)
    prompt = "Here are many words. " + "sun moon star " * words + "Now say hello."
    request = body(ctx, prompt, stream=True, max_completion_tokens=4)
    sample = ctx.stream(CHAT, request)
    accepted(sample, "a long prompt")
    found = events(sample)
    for event in found:
        require(event.names <= {"data", ""}, "only comments between data", str(event.fields))
    comments = sum("" in event.names for event in found)
    ctx.note(f"{comments} comment lines")


@check("chat.stream.options-alone", Level.OPT, "vLLM tests: stream_options without stream")
def options_alone(ctx: Context) -> None:
    """stream_options without stream is a 400 or ignored, never a stream or a crash."""
    request = body(ctx, stream_options={"include_usage": True}, max_completion_tokens=4)
    reply = ctx.post(CHAT, request)
    if reply.status != 200:
        refused(reply, (400,), "stream_options without stream")
        return
    require(reply.media == "application/json", "one JSON answer", reply.brief)


@check("chat.stream.n", Level.SHOULD, "OpenAPI: choices are told apart by index; vLLM tests")
def several(ctx: Context) -> None:
    """Streamed, n=2 gives two choices by their index, each with one role and one finish_reason, or an honest 400."""
    sample = ctx.stream(CHAT, body(ctx, n=2, temperature=1, max_completion_tokens=4, stream=True))
    offered(sample, "n=2 in a stream")
    parts = chunks(sample)
    found = {dig(choice, "index") for part in parts for choice in dig(part, "choices")}
    require(found == {0, 1}, "choices with the indices 0 and 1", sorted(found))
    for index in (0, 1):
        pieces = choices(parts, index)
        begun = [dig(piece, "delta").get("role") for piece in pieces if dig(piece, "delta").get("role")]
        ended = [piece["finish_reason"] for piece in pieces if piece.get("finish_reason")]
        require(len(begun) == 1, f"one role for choice {index}", begun)
        require(len(ended) == 1, f"one finish_reason for choice {index}", ended)


BAD_STREAM: JsonObject = {"messages": "not a list", "stream": True}


@check("chat.stream.early-error", Level.MUST, "SDK: errors are raised by status; llama.cpp tests")
def early_error(ctx: Context) -> None:
    """An error before the first byte is an HTTP status, not a 200 with an error inside."""
    reply = ctx.post(CHAT, {"model": ctx.target.model} | BAD_STREAM)
    refused(reply, (400,), "a bad request that asks for a stream")


CHECKS = (
    content_type,
    framing,
    done,
    strict,
    same_id,
    role_once,
    one_finish,
    finish_empty,
    same_text,
    usage_chunk,
    usage_null,
    usage_unasked,
    usage_equal,
    incremental,
    keepalive,
    options_alone,
    several,
    early_error,
)
