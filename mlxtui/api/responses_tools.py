"""The tools of a Responses request: what the client lists, and what the model is offered in their place.

Functions go as they are; the functions of a namespace under their own names, with the namespace in front where two are
alike. A custom tool becomes a function with one string, `input`. Hosted tools are listed as unavailable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlxtui.api.chat_wire import MAX_TOOLS
from mlxtui.api.responses_wire import AnyTool, Mode, WireChosen, WireCustomTool, WireNamespace, WireToolFunction
from mlxtui.errors import InvalidRequest

MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool the model may call by `model_name`; the client knows it by `name`, in `namespace` if it is in one."""

    model_name: str
    name: str
    namespace: str | None
    wire: WireToolFunction | WireCustomTool

    @property
    def custom(self) -> bool:
        return isinstance(self.wire, WireCustomTool)

    def to_chat(self) -> dict[str, Any]:
        """As a tool of the chat API."""
        if isinstance(self.wire, WireCustomTool):
            function = _custom(self.wire)
        else:
            function = self.wire.model_dump(include={"description", "parameters", "strict"})
        return {"type": "function", "function": {**function, "name": self.model_name}}


class Toolbox:
    """The tools of one request.

    Raises:
        InvalidRequest: two of the same name, more than a model should be shown, or a choice that none of them is.
    """

    def __init__(self, tools: Iterable[AnyTool], choice: Mode | WireChosen) -> None:
        self._listed = tuple(tools)
        found = [*_flat(self._listed)]
        if len(found) > MAX_TOOLS:
            raise InvalidRequest(f"more than {MAX_TOOLS} tools, those in namespaces included", param="tools")
        count = Counter(tool.name for _, _, tool in found)
        self.offered: dict[str, Offered] = {}
        for path, namespace, tool in found:
            alike = namespace is not None and count[tool.name] > 1
            model_name = f"{namespace}__{tool.name}"[-MAX_NAME:] if alike else tool.name
            if model_name in self.offered:
                raise InvalidRequest(f"two tools are named {model_name!r}", param=f"{path}.name")
            self.offered[model_name] = Offered(model_name, tool.name, namespace, tool)
        self._called = {(tool.namespace, tool.name): tool.model_name for tool in self.offered.values()}
        self.choice = self._chosen(choice)

    def model_name(self, call: Mapping[str, Any]) -> str:
        """What the model knows the tool of a call item by; a tool that is no longer listed goes by its own name."""
        name: str = call["name"]
        return self._called.get((call.get("namespace"), name), name)

    def to_json(self) -> list[dict[str, Any]]:
        """The tools as the response lists them."""
        return [_echo(tool) for tool in self._listed]

    def _chosen(self, choice: Mode | WireChosen) -> Mode | dict[str, Any]:
        """`tool_choice` in the chat API's words."""
        if isinstance(choice, str):
            if choice == "required" and not self.offered:
                message = "'tool_choice' = 'required' needs a function or custom tool in 'tools'"
                raise InvalidRequest(message, param="tool_choice")
            return choice
        if choice.type != "allowed_tools":
            return self._named(choice)
        chosen = [tool for tool in choice.tools or () if tool.type in ("function", "custom")]
        if not chosen and choice.mode == "required":
            raise InvalidRequest("'tool_choice' allows none of the tools that there are here", param="tool_choice")
        if not chosen:
            return "none"
        allowed = {"mode": choice.mode, "tools": [self._named(tool) for tool in chosen]}
        return {"type": "allowed_tools", "allowed_tools": allowed}

    def _named(self, choice: WireChosen) -> dict[str, Any]:
        if choice.type not in ("function", "custom"):
            message = f"'tool_choice' asks for the hosted tool {choice.type[:40]!r}, which this server has not"
            raise InvalidRequest(message, param="tool_choice", code="unsupported_parameter")
        named = self._called.get((choice.namespace, choice.name or "")) or self._anywhere(choice.name or "")
        if named is None:
            message = f"'tool_choice' names {choice.name!r}, which is none of the tools"
            raise InvalidRequest(message, param="tool_choice")
        return {"type": "function", "function": {"name": named}}

    def _anywhere(self, name: str) -> str | None:
        """A tool in a namespace may be named without it where there is only one such."""
        found = [tool.model_name for tool in self.offered.values() if tool.name == name]
        return found[0] if len(found) == 1 else None


def _flat(tools: Iterable[AnyTool]) -> Iterator[tuple[str, str | None, WireToolFunction | WireCustomTool]]:
    """What the model can be offered, with its path in the request and its namespace."""
    for i, tool in enumerate(tools):
        if isinstance(tool, WireNamespace):
            yield from ((f"tools[{i}].{path}", tool.name, inner) for path, _, inner in _flat(tool.tools))
        elif isinstance(tool, WireToolFunction | WireCustomTool):
            yield f"tools[{i}]", None, tool


def _custom(tool: WireCustomTool) -> dict[str, Any]:
    """A regex is held token by token. No JSON schema can say what Lark says: its grammar is shown to the model only."""
    description, schema, strict = tool.description or "", {"type": "string"}, False
    format = tool.format
    if format and format.syntax == "regex":
        schema, strict = schema | {"pattern": f"^(?:{format.definition})$"}, True
    elif format and format.syntax == "lark":
        description += f"\n\nThe input must follow this Lark grammar:\n{format.definition}"
    parameters = {
        "type": "object",
        "properties": {"input": schema},
        "required": ["input"],
        "additionalProperties": False,
    }
    return {"description": description, "parameters": parameters, "strict": strict}


def _echo(tool: AnyTool) -> dict[str, Any]:
    listed = tool.model_dump(exclude_unset=True)
    if isinstance(tool, WireToolFunction):
        return {**listed, "description": tool.description, "parameters": tool.parameters, "strict": bool(tool.strict)}
    if isinstance(tool, WireCustomTool):
        return listed
    if isinstance(tool, WireNamespace):
        return {**listed, "description": tool.description or "", "tools": [_echo(one) for one in tool.tools]}
    return {**listed, "available": False}
