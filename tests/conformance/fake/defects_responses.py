"""What can be wrong with a response, its tools, and what is kept between turns, each with the check that claims it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .brain import Json
from .hooks import (
    CRASH,
    Memory,
    body,
    dropping,
    edited,
    instead,
    on,
    on_error,
    path,
    refusing,
    setting,
)
from .server import Asked, Defect, Hook, Said, say


def made(asked: Asked) -> bool:
    """A request for a new response."""
    return asked.method == "POST" and asked.path.endswith("/responses")


def whole(change: Callable[[Json], Any]) -> Hook:
    """Alter every response that is not streamed."""
    return on(made, edited(change))


def items(type: str, change: Callable[[Json], Any]) -> Hook:
    """Alter every output item of one type."""

    def edit(response: Json) -> None:
        for item in response["output"]:
            if item["type"] == type:
                change(item)

    return whole(edit)


def text_part(change: Callable[[Json], Any]) -> Hook:
    return items("message", lambda item: change(item["content"][0]))


def given(request: Json) -> list[Json]:
    """The input as a list; a string counts for one item."""
    found = request.get("input")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else [{"string": found}]


def any_item(test: Callable[[Json], object]) -> Hook:
    """A 400 for input that holds such an item."""
    return refusing(lambda request: any(test(item) for item in given(request)))


def parts(item: Json) -> list[Json]:
    held = item.get("content") or item.get("output")
    return held if isinstance(held, list) else []


def nulls_stay(asked: Asked, response: Json) -> Json:
    """What was null in the request is null in the response."""
    return {**response, **{name: value for name, value in body(asked).items() if value is None}}


def forgiving(asked: Asked, request: Any) -> Any:
    """Bad input is taken for a greeting."""
    fine = isinstance(request, dict) and (isinstance(request.get("input"), str) or given(request)[:1] != [])
    return request if fine else setting(input="Hello!")(asked, request)


def as_completed(response: Json) -> None:
    response.update(status="completed", incomplete_details=None)


def one_more(response: Json) -> None:
    response["usage"]["input_tokens"] += 1
    response["usage"]["total_tokens"] += 1


def extra_key(part: Json) -> None:
    if part["text"].startswith("{"):
        part["text"] = json.dumps({**json.loads(part["text"]), "more": 1})


RESPONSES = (
    Defect("resp-object", "responses.basic", completion=whole(lambda r: r.update(object="chat.completion"))),
    Defect("resp-created", "responses.basic", completion=whole(lambda r: r.update(created_at=r["created_at"] + 0.5))),
    Defect("resp-usage-bare", "responses.basic", completion=whole(lambda r: r["usage"].pop("output_tokens_details"))),
    Defect("resp-status", "responses.basic", completion=whole(lambda r: r.update(status="done"))),
    Defect("resp-no-truncation", "responses.echo", completion=whole(lambda r: r.pop("truncation"))),
    Defect("resp-null-tools", "responses.echo", completion=whole(lambda r: r.update(service_tier=None))),
    Defect("resp-no-format", "responses.echo", completion=whole(lambda r: r.update(text={}))),
    Defect("resp-null-refused", "responses.null-fields", request=refusing(lambda r: None in r.values())),
    Defect("resp-null-stays", "responses.null-fields", completion=on(made, nulls_stay)),
    Defect("resp-metadata", "responses.echo-values", request=dropping("metadata")),
    Defect("resp-top-p", "responses.echo-values", completion=whole(lambda r: r.update(top_p=1))),
    Defect("resp-tool-loose", "responses.echo-values", completion=whole(lambda r: r["tools"][0].pop("strict"))),
    Defect("resp-other-model", "responses.echo-values", completion=whole(lambda r: r.update(model="other"))),
    Defect("resp-one-id", "responses.ids", completion=whole(lambda r: r.update(id="resp_0"))),
    Defect("resp-chat-id", "responses.ids", completion=whole(lambda r: r.update(id=f"chatcmpl-{r['id']}"))),
    Defect("resp-one-message", "responses.ids", completion=items("message", lambda i: i.update(id="msg_0"))),
    Defect("resp-call-id", "responses.ids", completion=items("function_call", lambda i: i.update(call_id=i["id"]))),
    Defect("resp-text-type", "responses.output-text", completion=text_part(lambda p: p.update(type="text"))),
    Defect("resp-text-twice", "responses.output-text", completion=whole(lambda r: r.update(output_text="no"))),
    Defect("resp-typed-only", "responses.input-items", request=any_item(lambda i: "role" in i and "type" not in i)),
    Defect("resp-no-developer", "responses.input-items", request=any_item(lambda i: i.get("role") == "developer")),
    Defect("resp-no-parts", "responses.input-items", request=any_item(parts)),
    Defect("resp-no-thought", "responses.reasoning-items", request=any_item(lambda i: i.get("type") == "reasoning")),
    Defect("resp-bad-crash", "responses.bad-input", reply=on(made, lambda a, s: CRASH if s.status == 400 else s)),
    Defect("resp-bad-answered", "responses.bad-input", request=forgiving),
    Defect("resp-limitless", "responses.max-output-tokens", request=dropping("max_output_tokens")),
    Defect("resp-cut-complete", "responses.max-output-tokens", completion=whole(as_completed)),
    Defect(
        "resp-cut-why",
        "responses.max-output-tokens",
        completion=whole(lambda r: r.update(incomplete_details={"reason": "content_filter"})),
    ),
    Defect("resp-formless", "responses.json-schema", request=dropping("text")),
    Defect("resp-form-more", "responses.json-schema", completion=text_part(extra_key)),
    Defect("resp-total", "responses.usage", completion=whole(lambda r: r["usage"].update(total_tokens=1))),
    Defect("resp-no-cached", "responses.usage", completion=whole(lambda r: r["usage"].pop("input_tokens_details"))),
    Defect(
        "resp-thought-more",
        "responses.usage",
        completion=whole(lambda r: r["usage"].update(output_tokens_details={"reasoning_tokens": 9999})),
    ),
    Defect("resp-counts", "responses.usage-agrees", completion=whole(one_more)),
    Defect(
        "resp-count-off",
        "responses.input-tokens",
        completion=on(path("input_tokens"), edited(lambda r: r.update(input_tokens=1))),
    ),
    Defect(
        "resp-count-bare",
        "responses.input-tokens",
        completion=on(path("input_tokens"), edited(lambda r: r.pop("object"))),
    ),
)


def unless(choice: str) -> Hook:
    """tool_choice is not looked at when it says this."""
    return on(
        lambda asked: True, lambda asked, r: dropping("tool_choice")(asked, r) if r.get("tool_choice") == choice else r
    )


def offering(type: str) -> Hook:
    """A 400 for requests with a tool of this type."""
    return refusing(lambda r: any(tool["type"] == type for tool in r.get("tools") or []))


TOOLS = (
    Defect("resp-unforced", "responses.function-call", request=dropping("tool_choice")),
    Defect(
        "resp-call-blank", "responses.function-call", completion=items("function_call", lambda i: i.update(call_id=""))
    ),
    Defect(
        "resp-call-name", "responses.function-call", completion=items("function_call", lambda i: i.update(name="x"))
    ),
    Defect("resp-call-open", "responses.function-call", completion=items("function_call", lambda i: i.pop("status"))),
    Defect(
        "resp-call-parsed",
        "responses.function-call",
        completion=items("function_call", lambda i: i.update(arguments=json.loads(i["arguments"]))),
    ),
    Defect("resp-none", "responses.tool-choice", request=unless("none")),
    Defect("resp-required", "responses.tool-choice", request=unless("required")),
    Defect(
        "resp-output-string", "responses.function-output", request=any_item(lambda i: isinstance(i.get("output"), str))
    ),
    Defect(
        "resp-output-parts", "responses.function-output", request=any_item(lambda i: isinstance(i.get("output"), list))
    ),
    Defect("resp-no-search", "responses.hosted-tools", request=offering("web_search")),
    Defect("resp-no-namespace", "responses.hosted-tools", request=offering("namespace")),
    Defect(
        "resp-hosted-crash", "responses.hosted-tools", reply=on(lambda a: "local_shell" in str(a.body), instead(CRASH))
    ),
    Defect(
        "resp-custom-function",
        "responses.custom-tool",
        completion=items("custom_tool_call", lambda i: i.update(type="function_call", arguments=i.pop("input"))),
    ),
    Defect(
        "resp-custom-output",
        "responses.custom-tool",
        request=any_item(lambda i: i.get("type") == "custom_tool_call_output"),
    ),
    Defect("resp-no-include", "responses.codex", request=refusing(lambda r: r.get("include"))),
    Defect("resp-known-only", "responses.codex", request=refusing(lambda r: "client_metadata" in r)),
    Defect("resp-no-status", "responses.codex", request=any_item(lambda i: i.get("status"))),
    Defect(
        "resp-undone",
        "responses.codex",
        chunks=lambda asked, events: [event for event in events if event["type"] != "response.output_item.done"],
    ),
)

CHAIN = "previous_response_id"


def inheriting(past: Json, asked: Asked, request: Any) -> Any:
    """Instructions last until others come."""
    past["instructions"] = request.get("instructions") or past.get("instructions", "")
    return {**request, "instructions": past["instructions"]} if CHAIN in request else request


def one_line() -> Defect:
    """A turn goes on from whatever came last, not from what it names."""
    last: dict[str, str] = {}

    def swapped(asked: Asked, request: Any) -> Any:
        return {**request, CHAIN: last["id"]} if request.get(CHAIN) else request

    def noted(asked: Asked, response: Json) -> Json:
        last["id"] = response["id"]
        return response

    return Defect("chain-one-line", "state.branch", request=swapped, completion=on(made, noted))


def kept(asked: Asked) -> bool:
    return "/responses/" in asked.path and asked.method == "GET"


def listing(change: Callable[[Json], Any]) -> Hook:
    return on(path("input_items"), edited(change))


def undead(past: Json, asked: Asked, said: Said) -> Said:
    """What was deleted is still given."""
    if kept(asked) and said.status == 200:
        past[asked.path] = said
    return past.get(asked.path, say(200, {})) if kept(asked) and said.status == 404 else said


STATE = (
    Defect("chain-ignored", "state.recall", request=dropping(CHAIN)),
    Defect("chain-lost-call", "state.tool-chain", request=dropping(CHAIN)),
    Defect(
        "chain-short",
        "state.tool-chain",
        completion=on(lambda a: body(a).get(CHAIN), edited(lambda r: r["usage"].update(input_tokens=9))),
    ),
    Defect("chain-unnamed", "state.tool-chain", completion=whole(lambda r: r.update(previous_response_id=None))),
    Defect("chain-anything", "state.unknown-id", request=dropping(CHAIN)),
    Defect("chain-crash", "state.unknown-id", reply=on(lambda a: body(a).get(CHAIN), instead(CRASH))),
    Defect("chain-code", "state.unknown-code", reply=on_error(lambda e: e.update(code=None))),
    Defect("chain-param", "state.unknown-code", reply=on_error(lambda e: e.update(param=None))),
    Defect("instructions-ignored", "state.instructions", request=dropping("instructions")),
    Defect("instructions-inherited", "state.instructions", request=Memory(inheriting)),
    one_line(),
    Defect("replay-ids", "state.replay", request=any_item(lambda i: i.get("role") == "assistant" and "id" not in i)),
    Defect("replay-no-ids", "state.replay", request=any_item(lambda i: i.get("role") == "assistant" and "id" in i)),
    Defect(
        "replay-last",
        "state.replay",
        request=lambda asked, r: {**r, "input": given(r)[-1:]} if len(given(r)) > 1 else r,
    ),
    Defect("kept-changed", "state.get", completion=on(kept, edited(lambda r: r.update(metadata={"x": "y"})))),
    Defect("kept-crash", "state.get", reply=on(kept, instead(CRASH))),
    Defect("kept-always", "state.store-false", request=dropping("store")),
    Defect("kept-undead", "state.delete", reply=Memory(undead)),
    Defect("kept-no-ids", "state.input-items", completion=listing(lambda r: r["data"][0].pop("id"))),
    Defect("kept-no-input", "state.input-items", completion=listing(lambda r: r.update(data=[]))),
    Defect("kept-bare-list", "state.input-items", completion=listing(lambda r: r.pop("object"))),
)

RESPONDING = RESPONSES + TOOLS + STATE
