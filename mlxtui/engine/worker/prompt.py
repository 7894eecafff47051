"""From a Job to a Prompt: chat template, tokenizer and grammar, on a thread of their own, never on the one that steps.

Also answers what the server asks beside its jobs: tokens of text, text of tokens, tool calls read with the model's own
parser. Touches no MLX array.
"""

from __future__ import annotations

import logging
from typing import Any

from mlxtui.engine.interface import ChatPrompt, Failure, Job, ParsedCall, Rendered, Spelling
from mlxtui.engine.wire import Declined, Detokenize, ParseCalls, Parsed, Question, Spell, Spelled, Tokenized
from mlxtui.engine.worker.cache.entry import origin_of
from mlxtui.engine.worker.dialects import read_calls
from mlxtui.engine.worker.marks import marks
from mlxtui.engine.worker.masks import Grammar
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.render import Refused, field_of, known, render, text_of
from mlxtui.engine.worker.sampling import Choice, choice
from mlxtui.engine.worker.schema import Unsupported
from mlxtui.engine.worker.slot import Prompt
from mlxtui.engine.worker.thinking import Budget
from mlxtui.types import Channel, TextPrompt

_log = logging.getLogger("mlxtui.engine")


def prepare(model: Model, job: Job) -> tuple[Rendered, Prompt] | Failure:
    """Render and tokenise; a Failure says why the job can't run."""
    try:
        return _prepared(model, job)
    except Refused as refused:
        return Failure(job.id, refused.code, str(refused), refused.param)
    except Exception as error:  # a defect of ours or of a tokenizer: the thread must outlive it
        _log.exception("job %s can't be prepared", job.id)
        return Failure(job.id, "engine_error", f"the prompt can't be prepared: {type(error).__name__}: {error}")


def _prepared(model: Model, job: Job) -> tuple[Rendered, Prompt]:
    def can_fit(text: str) -> None:
        _check_length(len(text) // model.longest_token, model.info.context_length, job.prompt, "at least ")

    text, tokens = render(model.tokenizer, model.vocab, job.prompt, can_fit)
    _check_length(len(tokens), model.info.context_length, job.prompt)
    room = model.info.context_length - len(tokens)
    think = model.info.dialect.think
    chat = isinstance(job.prompt, ChatPrompt)
    thinking = chat and think is not None and text.rstrip().endswith(think[0].rstrip())
    opens_in: Channel = "reasoning" if thinking else "content"
    prompt = Prompt(
        job.id,
        tokens,
        _choice(model, job),
        max_new=room if job.max_tokens is None else max(1, min(room, job.max_tokens)),
        top_logprobs=job.top_logprobs,
        grammar=_grammar(model, job, text, opens_in) if job.constraint else None,
        budget=_budget(model, job, opens_in) if job.reasoning_budget is not None and chat else None,
        marks=() if model.cuttable else marks(model.tokenizer, model.vocab, job.prompt, tokens),
        origin=origin_of(job.id, job.prompt, job.cache_key),
        priority=job.priority,
    )
    return Rendered(job.id, len(tokens), opens_in), prompt


def _choice(model: Model, job: Job) -> Choice:
    known(tuple(token for token, _ in job.sampling.logit_bias or ()), model.vocab, "logit_bias")
    if not job.sampling.xtc_probability:
        return choice(job.sampling, model.vocab)
    newline = model.tokenizer.encode("\n", add_special_tokens=False)  # as mlx-lm's server has it
    return choice(job.sampling, model.vocab, [*model.tokenizer.eos_token_ids, *newline])


def _grammar(model: Model, job: Job, text: str, opens_in: Channel) -> Grammar:
    assert job.constraint is not None
    think, chat = model.info.dialect.think, job.prompt if isinstance(job.prompt, ChatPrompt) else None
    may_think = (
        think is not None
        and chat is not None
        and chat.template.get("enable_thinking") is not False
        and job.reasoning_budget != 0
        and not (think[1] and text.rstrip().endswith(think[1].strip()))  # the template closed an empty block
    )
    try:
        return model.compiler.compile(job.constraint, opens_in=opens_in, may_think=may_think)
    except Unsupported as unsupported:
        raise Refused("invalid_constraint", str(unsupported), unsupported.param) from unsupported


def _budget(model: Model, job: Job, opens_in: Channel) -> Budget | None:
    """None: this model does not reason."""
    dialect, bytes_of = model.info.dialect, model.detokenizers.bytes_of
    required = job.constraint is not None and job.constraint.calls == "required"
    formed = required or (job.constraint is not None and job.constraint.schema is not None)
    if dialect.tool_syntax == "harmony":
        formed = False  # its reasoning may come in several messages
        onward = "commentary to=functions." if required else "final<|message|>"
        start, end = "<|channel|>analysis<|message|>", "<|end|>"
        closing = f"{end}<|start|>assistant<|channel|>{onward}"
    elif dialect.think and dialect.think[1]:
        start, end = (marker.strip() for marker in dialect.think)
        closing = f"\n{end}\n\n"  # as models are taught to write it: after a bare marker weak ones think on
    else:
        return None
    tokens = tuple(model.tokenizer.encode(closing, add_special_tokens=False))
    opened = opens_in == "reasoning"
    return Budget(job.reasoning_budget or 0, start.encode(), end.encode(), tokens, opened, bytes_of, formed)


def _check_length(length: int, context: int, prompt: ChatPrompt | TextPrompt, least: str = "") -> None:
    if length >= context:
        what, verb = ("messages", "have") if isinstance(prompt, ChatPrompt) else ("prompt", "has")
        raise Refused(
            "context_length_exceeded",
            f"This model's maximum context length is {context} tokens, but the {what} {verb} {least}{length} tokens, "
            f"which leaves no room for an answer. Shorten the {what}.",
            field_of(prompt),
        )


def answer(model: Model, question: Question) -> Parsed | Tokenized | Spelled | Declined:
    """What the server asked beside its jobs; never raises."""
    if isinstance(question, ParseCalls):
        return Parsed(question.ticket, parse_calls(model.tokenizer, question))
    try:
        if isinstance(question, Detokenize):
            tokens = known(question.tokens, model.vocab, "tokens")
            return Tokenized(question.ticket, text_of(model.tokenizer, tokens), question.tokens)
        if isinstance(question, Spell):
            return Spelled(question.ticket, spelt(model, known(question.tokens, model.vocab, "tokens")))
        text, tokens = render(model.tokenizer, model.vocab, question.prompt)
        return Tokenized(question.ticket, text or text_of(model.tokenizer, tokens), tuple(tokens))
    except Refused as refused:
        return Declined(question.ticket, Failure("", refused.code, str(refused), refused.param))
    except Exception as error:
        _log.exception("a prompt can't be tokenised")
        return Declined(question.ticket, Failure("", "engine_error", f"{type(error).__name__}: {error}"))


def spelt(model: Model, tokens: list[int]) -> tuple[Spelling, ...]:
    """Each token by itself; those that were added to the vocabulary are special."""
    added, bytes_of = model.tokenizer.added_tokens_decoder, model.detokenizers.bytes_of
    return tuple(Spelling(bytes_of(token), token in added) for token in tokens)


def parse_calls(tokenizer: Any, wanted: ParseCalls) -> tuple[ParsedCall, ...]:
    """What the model's own parser reads between the tool markers; empty unless all of it is calls of the tools."""
    try:
        return read_calls(tokenizer, wanted.text, wanted.tools)
    except Exception as error:  # mlx-lm's parsers raise anything on text that is no call
        _log.warning("a tool call can't be parsed: %s: %s", type(error).__name__, error)
        return ()
