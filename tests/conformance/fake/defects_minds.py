"""What can be wrong with reasoning and with how tokens are drawn, each with the check that claims it."""

from __future__ import annotations

import itertools
from typing import Any

from .brain import Json
from .hooks import body, deltas, dropping, each, edited, finishes, first_choice, on, refusing, setting, text_of
from .server import Asked, Defect

TICK = itertools.count()


def tagged(choice: Json) -> None:
    message = choice["message"]
    if thoughts := message.pop("reasoning_content", ""):
        message["content"] = f"<think>{thoughts}</think>{message['content']}"


def spoken(choice: Json) -> None:
    """The thoughts, without their tags, before the answer."""
    message = choice["message"]
    message["content"] = message.get("reasoning_content", "") + message["content"]


def closing_tag(parts: list[Json]) -> None:
    for part in parts:
        for choice in part["choices"]:
            if choice["delta"].get("content"):
                choice["delta"]["content"] = "</think>" + choice["delta"]["content"]
                return


def aloud(at: int, delta: Json) -> None:
    if "reasoning_content" in delta:
        delta["content"] = delta.pop("reasoning_content")


def afterthought(asked: Asked, parts: list[Json]) -> list[Json]:
    late = [{"index": 0, "delta": {"reasoning_content": "Hm."}, "finish_reason": None}]
    return [*parts[:-2], {**parts[0], "choices": late}, *parts[-2:]]


def counting(count: int) -> Any:
    details = {"reasoning_tokens": count}
    return edited(lambda a: a["usage"].update(completion_tokens_details=details))


def past_with(name: str) -> Any:
    return refusing(lambda r: any(name in message for message in r["messages"]))


def thoughtful(asked: Asked, request: Any) -> Any:
    """Thinks whatever the effort."""
    return {**request, "reasoning_effort": "high"} if isinstance(request, dict) else request


THINKING = on(lambda a: "Think" in text_of(body(a)), first_choice(spoken))

REASONING = (
    Defect("tags-in-content", "reasoning.no-tags", completion=first_choice(tagged)),
    Defect("tag-in-stream", "reasoning.no-tags", chunks=edited(closing_tag)),
    Defect("thoughts-tagged", "reasoning.separate", completion=first_choice(tagged)),
    Defect("thoughts-aloud", "reasoning.separate", chunks=deltas(aloud)),
    Defect("afterthought", "reasoning.separate", chunks=afterthought),
    Defect("thoughts-free", "reasoning.tokens", completion=counting(0)),
    Defect("thoughts-beyond", "reasoning.tokens", completion=counting(9999)),
    Defect("cut-thoughts-spoken", "reasoning.budget", completion=THINKING),
    Defect("cut-thoughts-stop", "reasoning.budget", chunks=finishes("stop")),
    Defect("budget-for-content-only", "reasoning.budget", request=dropping("max_completion_tokens")),
    Defect("no-past-thoughts", "reasoning.history", request=past_with("reasoning")),
    Defect("no-past-thinking", "reasoning.history", request=past_with("reasoning_content")),
    Defect("effort-unheard", "reasoning.effort", request=thoughtful),
)


def entries(change: Any) -> Any:
    """Alter every entry of logprobs in a whole answer."""

    def edit(choice: Json) -> None:
        for entry in (choice["logprobs"] or {}).get("content", []):
            change(entry)

    return first_choice(edit)


def late_entries(change: Any) -> Any:
    """The same in a stream."""

    def edit(part: Json) -> None:
        for choice in part["choices"]:
            for entry in (choice.get("logprobs") or {}).get("content", []):
                change(entry)

    return each(edit)


def unseeded(asked: Asked, request: Any) -> Any:
    """Another seed each time."""
    return {**request, "seed": next(TICK)} if isinstance(request, dict) and "seed" in request else request


def tokens_lost(choice: Json) -> None:
    if choice["logprobs"]:
        choice["logprobs"]["content"] = choice["logprobs"]["content"][1:]


def unlogged(part: Json) -> None:
    for choice in part["choices"]:
        choice["logprobs"] = None


def twice_spent(asked: Asked, answer: Json) -> Any:
    return edited(lambda a: a["usage"].update(completion_tokens=2 * a["usage"]["completion_tokens"]))(asked, answer)


SAMPLING = (
    Defect("seed-unheard", "sampling.seed", request=unseeded),
    Defect("top-p-unheard", "sampling.top-p", request=dropping("top_p")),
    Defect("logprobs-unheard", "sampling.logprobs", request=dropping("logprobs")),
    Defect("logprobs-as-probabilities", "sampling.logprobs", completion=entries(lambda e: e.update(logprob=0.8))),
    Defect("logprobs-byteless", "sampling.logprobs", completion=entries(lambda e: e.pop("bytes"))),
    Defect("logprobs-topless", "sampling.logprobs", completion=entries(lambda e: e.update(top_logprobs=[]))),
    Defect("logprobs-unsorted", "sampling.logprobs", completion=entries(lambda e: e["top_logprobs"].reverse())),
    Defect("logprobs-short", "sampling.logprobs", completion=first_choice(tokens_lost)),
    Defect("logprobs-uncounted", "sampling.logprobs-count", completion=twice_spent),
    Defect("logprobs-always", "sampling.logprobs-unasked", request=setting(logprobs=True, top_logprobs=0)),
    Defect("logprobs-whole-only", "sampling.logprobs-stream", chunks=each(unlogged)),
    Defect("logprobs-other", "sampling.logprobs-stream", chunks=late_entries(lambda e: e.update(logprob=-9.0))),
    Defect("bias-unheard", "sampling.logit-bias", request=dropping("logit_bias")),
)

MINDS = REASONING + SAMPLING
