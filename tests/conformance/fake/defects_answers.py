"""What can be wrong with models, paths, whole answers, limits and counts, each with the check that claims it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from .brain import CONTEXT, Json, tokens
from .chat import MODEL
from .hooks import (
    CRASH,
    HTML,
    Memory,
    body,
    dropping,
    edited,
    first_choice,
    instead,
    on,
    on_body,
    on_error,
    path,
    refusing,
    roles,
    setting,
    text_of,
)
from .server import Asked, Defect, Said, say

TICK = itertools.count()
ESCAPED = path(MODEL.replace("/", "%2F"))
MODELS = path("/models")
UNKNOWN = path("no-such-model")


def each_model(change: Any) -> Any:
    return on(MODELS, on_body(lambda value: [change(model) for model in value.get("data", [])]))


def cors(names: str) -> Any:
    def edit(asked: Asked, said: Said) -> Said:
        return replace(said, headers={**said.headers, "access-control-allow-headers": names})

    return edit


DISCOVERY = (
    Defect("no-models", "models.list", reply=on(MODELS, on_body(lambda v: v.update(data=[])))),
    Defect("list-nameless", "models.list", reply=on(MODELS, on_body(lambda v: v.pop("object")))),
    Defect("list-empty-body", "models.list", reply=on(MODELS, instead(Said(200)))),
    Defect("model-unowned", "models.fields", reply=each_model(lambda m: m.pop("owned_by"))),
    Defect("model-ageless", "models.fields", reply=each_model(lambda m: m.update(created="now"))),
    Defect("slash-unescaped", "models.retrieve", reply=on(ESCAPED, instead(HTML))),
    Defect("retrieve-other", "models.retrieve", reply=on(ESCAPED, on_body(lambda v: v.update(id="x")))),
    Defect("bogus-model-there", "models.unknown", reply=on(UNKNOWN, instead(say(200, {})))),
    Defect("bogus-model-html", "models.unknown", reply=on(UNKNOWN, instead(HTML))),
    Defect("bogus-uncoded", "models.unknown-code", reply=on_error(lambda e: e.update(code=None))),
    Defect("sick", "discovery.health", reply=on(path("/health"), instead(CRASH))),
    Defect("html-404", "discovery.unknown-path", reply=on(path("-path"), instead(HTML))),
    Defect("all-200", "discovery.unknown-path", reply=on(path("-path"), instead(say(200, {})))),
    Defect(
        "post-nowhere-crashes",
        "discovery.unknown-path",
        reply=on(lambda a: a.method == "POST" and path("-path")(a), instead(CRASH)),
    ),
    Defect(
        "wrong-method-served",
        "discovery.wrong-method",
        reply=on(lambda a: a.method == "POST" and MODELS(a), instead(say(200, {}))),
    ),
    Defect("slash-strict", "discovery.trailing-slash", reply=on(path("/models/"), instead(HTML))),
    Defect("preflight-keyless", "discovery.cors", reply=cors("content-type")),
    Defect("preflight-star", "discovery.cors", reply=cors("*")),
)


def silent(choice: Json) -> None:
    choice["message"]["content"] = ""


def moody(past: Json, asked: Asked, answer: Json) -> Any:
    """Another text each time."""
    return edited(lambda a: a["choices"][0]["message"].update(content=f"mood {next(TICK)}"))(asked, answer)


CHAT = (
    Defect("no-choices", "chat.basic", completion=edited(lambda a: a.update(choices=[]))),
    Defect("mute", "chat.basic", completion=first_choice(silent)),
    Defect("no-index", "chat.basic", completion=first_choice(lambda c: c.pop("index"))),
    Defect("finish-invented", "chat.basic", completion=first_choice(lambda c: c.update(finish_reason="eos"))),
    Defect("one-id-for-all", "chat.id-created", completion=edited(lambda a: a.update(id="chatcmpl-0"))),
    Defect("created-in-ms", "chat.id-created", completion=edited(lambda a: a.update(created=a["created"] * 1000))),
    Defect("no-developer", "chat.roles", request=refusing(lambda r: "developer" in roles(r))),
    Defect("no-late-system", "chat.late-system", request=refusing(lambda r: "system" in roles(r)[1:])),
    Defect(
        "no-parts",
        "chat.content-parts",
        request=refusing(lambda r: any(isinstance(m["content"], list) for m in r["messages"])),
    ),
    Defect("moody", "chat.greedy-repeats", completion=Memory(moody)),
    Defect("picky", "chat.unknown-fields", request=refusing(lambda r: "conformance_unknown_field" in r)),
    Defect("no-nulls", "chat.null-fields", request=refusing(lambda r: r.get("seed", 0) is None)),
    Defect("n-ignored", "chat.n", request=dropping("n")),
    Defect("model-renamed", "chat.model-echo", completion=edited(lambda a: a.update(model="other"))),
    Defect("any-model", "chat.wrong-model", request=setting(model=MODEL)),
    Defect(
        "prefill-crash",
        "chat.prefill",
        reply=on(lambda a: roles(body(a))[-1:] == ["assistant"], instead(CRASH)),
    ),
    Defect("no-refusal-key", "chat.message-keys", completion=first_choice(lambda c: c["message"].pop("refusal"))),
)


def too_many(request: Json) -> list[str]:
    stop = request.get("stop")
    return stop if isinstance(stop, list) else []


def stops(upto: int) -> Any:
    """Only the first `upto` of a list of stop strings are heard."""

    def cut(asked: Asked, request: Json) -> Json:
        return {**request, "stop": too_many(request)[:upto]} if too_many(request) else request

    return cut


def keep_stop(asked: Asked, answer: Json) -> Any:
    stop = (too_many(body(asked)) or [""])[0]
    return edited(lambda a: a["choices"][0]["message"].update(content=a["choices"][0]["message"]["content"] + stop))(
        asked, answer
    )


def whole_words(asked: Asked, request: Any) -> Any:
    """What a server does that turns a stop string into tokens and looks for those."""
    kept = [stop for stop in too_many(request) if stop in tokens(stop)] if isinstance(request, dict) else []
    return {**request, "stop": kept} if isinstance(request, dict) and too_many(request) else request


def leak(asked: Asked, parts: list[Json]) -> list[Json]:
    """What a server does that looks for the stop string only in whole deltas."""
    stop = (too_many(body(asked)) or [""])[0]
    return [*parts[:-1], {**parts[-2], "choices": [{"index": 0, "delta": {"content": stop[:3]}}]}, parts[-1]]


def shorten(asked: Asked, request: Any) -> Any:
    """Silently cut an over-long prompt."""
    if isinstance(request, dict) and isinstance(request.get("messages"), list):
        cut = [{**m, "content": m["content"][:200]} for m in request["messages"]]
        return {**request, "messages": cut}
    return request


def unlimited(asked: Asked, request: Json) -> Json:
    limits = {"max_tokens", "max_completion_tokens"}
    return {name: v for name, v in request.items() if name not in limits or (v or 1) > 0}


LIMITS = (
    Defect("max-completion-ignored", "limits.max-completion-tokens", request=dropping("max_completion_tokens")),
    Defect(
        "length-as-stop",
        "limits.max-completion-tokens",
        completion=first_choice(lambda c: c.update(finish_reason="stop")),
    ),
    Defect("max-tokens-ignored", "limits.max-tokens", request=dropping("max_tokens")),
    Defect("stop-ignored", "limits.stop-list", request=dropping("stop")),
    Defect("stop-kept", "limits.stop-list", completion=keep_stop),
    Defect(
        "stop-as-length",
        "limits.stop-list",
        completion=first_choice(lambda c: c.update(finish_reason="length")),
    ),
    Defect(
        "stop-lists-only",
        "limits.stop-string",
        request=on(lambda a: True, lambda a, r: {**r, "stop": too_many(r)} if isinstance(r, dict) else r),
    ),
    Defect("stop-leaks", "limits.stop-no-leak", chunks=on(lambda a: body(a).get("stop"), leak)),
    Defect("stop-by-tokens", "limits.stop-inside-word", request=whole_words),
    Defect(
        "stop-in-thought-crashes",
        "limits.stop-in-reasoning",
        reply=on(lambda a: "Think" in str(body(a)) and body(a).get("stop"), instead(CRASH)),
    ),
    Defect("three-stops", "limits.four-stops", request=stops(3)),
    Defect("fifth-stop-ignored", "limits.four-stops", request=stops(4)),
    Defect("prompt-cut", "limits.context", request=shorten),
    Defect("context-crash", "limits.context", reply=on(lambda a: len(str(a.body)) > 9000, instead(CRASH))),
    Defect("context-uncoded", "limits.context-code", reply=on_error(lambda e: e.update(code=None))),
    Defect("zero-tokens", "limits.bad-max", request=unlimited),
    Defect("default-512", "limits.default-max", request=lambda a, r: {"max_tokens": 512, **r}),
    Defect(
        "beyond-context",
        "limits.max-beyond-context",
        reply=on(lambda a: body(a).get("max_completion_tokens") == CONTEXT, instead(CRASH)),
    ),
)


def sloppy(past: Json, asked: Asked, answer: Json) -> Any:
    """The prompt counts one more token each time."""
    return edited(lambda a: a["usage"].update(prompt_tokens=next(TICK), total_tokens=-1))(asked, answer)


def cached(count: int) -> Any:
    details = {"cached_tokens": count}
    return edited(lambda a: a["usage"].update(prompt_tokens_details=details))


def stale(past: Json, asked: Asked, answer: Json) -> Any:
    """A prompt seen before is answered from a broken cache."""
    text = "warm" if past.get(text_of(body(asked))) else "cold"
    past[text_of(body(asked))] = True
    return edited(lambda a: a["choices"][0]["message"].update(content=text))(asked, answer)


def miscount(asked: Asked, parts: list[Json]) -> list[Json]:
    """The stream's usage counts an empty prompt."""
    if not parts[-1].get("usage"):
        return parts
    return [*parts[:-1], {**parts[-1], "usage": {**parts[-1]["usage"], "prompt_tokens": 1}}]


USAGE = (
    Defect("total-off", "usage.total", completion=edited(lambda a: a["usage"].update(total_tokens=1))),
    Defect("prompt-wobbles", "usage.total", completion=Memory(sloppy)),
    Defect(
        "nothing-counted", "usage.completion-count", completion=edited(lambda a: a["usage"].update(completion_tokens=0))
    ),
    Defect("limit-unheard", "usage.completion-count", request=dropping("max_completion_tokens")),
    Defect("prompt-uncounted", "usage.stream-agrees", chunks=miscount),
    Defect("cached-beyond", "usage.cached", completion=cached(99_999)),
    Defect(
        "cached-unseen",
        "usage.cached",
        completion=edited(
            lambda a: a["usage"].update(prompt_tokens_details={"cached_tokens": a["usage"]["prompt_tokens"]})
        ),
    ),
    Defect("never-cached", "usage.cache-reused", completion=cached(0)),
    Defect("grown-uncached", "usage.cache-reused", completion=on(lambda a: len(body(a)["messages"]) > 1, cached(0))),
    Defect("stale", "usage.warm-equals-cold", completion=Memory(stale)),
)

ANSWERS = DISCOVERY + CHAT + LIMITS + USAGE
