"""Input items of a response become chat messages, its tools chat tools; a call comes back as an item."""

from __future__ import annotations

from typing import Any

from .brain import Json
from .chat import ROLES, Refusal

NEEDED = {
    "function_call": ("call_id", "name", "arguments"),
    "custom_tool_call": ("call_id", "name", "input"),
    "function_call_output": ("call_id", "output"),
    "custom_tool_call_output": ("call_id", "output"),
    "reasoning": ("summary",),
    "message": ("role", "content"),
    "item_reference": ("id",),
    "compaction": ("encrypted_content",),
}


def normal(given: Any) -> list[Json]:
    """Input as a list of items, each with its type; Refusal for what is none."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise Refusal(400, "input must be a string or a list of items", "input")
    return [_item(item) for item in given]


def _item(item: Any) -> Json:
    if not isinstance(item, dict):
        raise Refusal(400, "an item must be an object", "input")
    full = {"type": "message", **item}
    for name in NEEDED.get(full["type"], ("no such type",)):
        if name not in full:
            raise Refusal(400, f"an item of type {full['type']} without {name}", "input")
    if full["type"] == "message" and full["role"] not in ROLES:
        raise Refusal(400, f"no such role: {full['role']}", "input")
    return full


def messages(items: list[Json]) -> list[Json]:
    known = {item["call_id"] for item in items if item["type"] in ("function_call", "custom_tool_call")}
    for item in items:
        if item["type"].endswith("_output") and item["call_id"] not in known:
            raise Refusal(400, f"no call {item['call_id']} for this output", "input")
    return [message for item in items for message in _message(item)]


def _message(item: Json) -> list[Json]:
    match item["type"]:
        case "message":
            return [{"role": item["role"], "content": _text(item["content"])}]
        case "function_call" | "custom_tool_call":
            said = item.get("arguments") or item.get("input")
            return [{"role": "assistant", "content": f"{item['name']} {said}"}]
        case "compaction":
            return [{"role": "system", "content": bytes.fromhex(item["encrypted_content"]).decode()}]
        case "reasoning":
            return []  # templates drop the thoughts of earlier turns
    return [{"role": "tool", "content": _text(item["output"])}]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise Refusal(400, "content must be a string or a list of parts", "input")
    found = [part.get("text") or part.get("refusal") or "" for part in content]
    if not all(isinstance(text, str) for text in found):
        raise Refusal(400, "text must be a string", "input")
    return "".join(found)


def offers(request: Json) -> tuple[list[Json], Any]:
    """Tools and tool_choice in their chat shapes; hosted kinds are not there for the model."""
    tools = [_offer(tool) for tool in request.get("tools") or [] if tool["type"] in ("function", "custom")]
    choice = request.get("tool_choice")
    if isinstance(choice, dict):
        choice = {"type": "function", "function": {"name": choice["name"]}}
    return tools, choice


def _offer(tool: Json) -> Json:
    code = {"properties": {"code": {"type": "string"}}}
    return {"type": "function", "function": {"name": tool["name"], "parameters": tool.get("parameters") or code}}


def compacted(items: list[Json], number: int) -> Json:
    """All there is so far as one item that only this server can read."""
    said = " ".join(_text(message["content"]) for message in messages(items))
    return {"id": f"cmp_{number}", "type": "compaction", "encrypted_content": said[:40].encode().hex()}


def called(request: Json, name: str, arguments: str, number: str) -> Json:
    """The item for a call of a function or of a custom tool."""
    kinds = {tool.get("name"): tool["type"] for tool in request["tools"]}
    both = {"call_id": f"call_{number}", "name": name}
    if kinds[name] == "custom":
        return {"id": f"ctc_{number}", "type": "custom_tool_call", **both, "input": arguments}
    return {"id": f"fc_{number}", "type": "function_call", **both, "arguments": arguments}
