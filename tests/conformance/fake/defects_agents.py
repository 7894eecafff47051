"""What can be wrong with the answers to agents and their sessions, each with the check that claims it."""

from __future__ import annotations

from .brain import Json
from .hooks import call_deltas, calls, dropping, each, edited, on, refusing
from .server import Asked, Defect


def nameless(at: int, call: Json) -> None:
    call["function"].pop("name", None)


def half(call: Json) -> None:
    call["function"]["arguments"] = call["function"]["arguments"][:-2]


def half_streamed(at: int, call: Json) -> None:
    call["function"]["arguments"] = call["function"]["arguments"].removesuffix("}")


def on_responses(asked: Asked) -> bool:
    return asked.path.endswith("/responses")


AGENTS = (
    Defect("agent-many-tools", "agents.opencode", request=refusing(lambda r: len(r.get("tools") or ()) > 8)),
    Defect("agent-unbilled", "agents.opencode", request=dropping("stream_options")),
    Defect(
        "agent-error-inside",
        "agents.opencode",
        chunks=lambda asked, parts: [*parts[:2], {"error": {"message": "boom"}}],
    ),
    Defect("agent-titles", "agents.sdk-chat", request=refusing(lambda r: "'title'" in str(r.get("tools")))),
    Defect("agent-half-call", "agents.sdk-chat", completion=calls(half)),
    Defect("agent-half-stream", "agents.sdk-chat", chunks=call_deltas(half_streamed)),
    Defect("agent-nameless", "agents.sdk-chat", chunks=call_deltas(nameless)),
    Defect("agent-two-ends", "agents.sdk-chat", chunks=lambda asked, parts: [*parts[:-1], parts[-2], parts[-1]]),
    Defect("agent-chainless", "agents.sdk-responses", request=refusing(lambda r: r.get("previous_response_id"))),
    Defect(
        "agent-response-bare",
        "agents.sdk-responses",
        completion=on(on_responses, edited(lambda response: response.pop("tools"))),
    ),
    Defect("agent-keyless", "agents.zed", request=refusing(lambda r: "prompt_cache_key" in r)),
    Defect("agent-indexless", "agents.zed", chunks=each(lambda p: [c.pop("index") for c in p["choices"]])),
)
