"""What can be wrong with a response and its tools, each with the check that claims it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .brain import Json
from .hooks import (
    CRASH,
    body,
    dropping,
    edited,
    instead,
    on,
    path,
    refusing,
    setting,
)
from .server import Asked, Defect, Hook


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
    Defect("resp-no-include", "agents.codex", request=refusing(lambda r: r.get("include"))),
    Defect("resp-known-only", "agents.codex", request=refusing(lambda r: "client_metadata" in r)),
    Defect("resp-no-status", "agents.codex", request=any_item(lambda i: i.get("status"))),
    Defect(
        "resp-undone",
        "agents.codex",
        chunks=lambda asked, events: [event for event in events if event["type"] != "response.output_item.done"],
    ),
)

RESPONDING = RESPONSES + TOOLS
