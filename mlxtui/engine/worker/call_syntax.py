"""Grammars of tool calls in JSON, one function per syntax: what stands between the opening and the closing marker.

The names are those of mlx-lm's parsers. Harmony, whose calls are messages and have no markers, is in `grammar`; calls
in elements are in `elements`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlxtui.engine.worker.lark import Lark, literal
from mlxtui.engine.worker.schema import ANY_OBJECT, Schema, Unsupported, ready
from mlxtui.types import Tool


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that may be called and the schema its arguments are held to; None: any object."""

    name: str
    schema: Schema | None


Grammar = Callable[[Lark, Sequence[Offer], str], str]
"""From the tools and the closing marker to one call, as it stands before that."""


def offered(tools: Sequence[Tool], *, strict: bool) -> list[Offer]:
    """The tools; with `strict` all are held to their schemas, not only those that ask for it."""
    return [Offer(t.name, {**ANY_OBJECT, **t.parameters} if strict or t.strict else None) for t in tools]


def whose(tool: Offer) -> str:
    return f"the schema of tool {tool.name!r}"


def arguments(lark: Lark, tool: Offer) -> str:
    """The arguments as a JSON object."""
    if tool.schema and tool.schema.get("type") != "object":
        raise Unsupported(f"{whose(tool)} can't be enforced: arguments are always an object", "tools")
    return lark.json(ready(tool.schema or ANY_OBJECT, whose(tool), "tools"))


def listed(lark: Lark, members: Sequence[tuple[str, bool]], comma: str) -> str:
    """The members in their order, with commas between those that come; the required ones do."""
    first, later = "", ""  # what may come from here on: as the first member, and after another one
    for member, required in reversed(members):
        begun = lark.rule(f"{member} {later}")
        if required:
            first, later = begun, lark.rule(f"{literal(comma)} {begun}")
        else:
            first = lark.choice([begun, first]) if first else f"{begun}?"
            later = lark.rule(f"({literal(comma)} {member})? {later}")
    return first


def json_tools(lark: Lark, tools: Sequence[Offer], close: str) -> str:
    r"""Qwen, Hermes: `\n{"name": "f", "arguments": {...}}\n</tool_call>`."""
    bodies = [f"{literal(_head(tool))} {arguments(lark, tool)}" for tool in tools]
    return f"{lark.choice(bodies)} {literal('}' + chr(10))}"


def _head(tool: Offer, before: str = "\n") -> str:
    return f'{before}{{"name": {json.dumps(tool.name, ensure_ascii=False)}, "arguments": '


def mistral(lark: Lark, tools: Sequence[Offer], close: str) -> str:
    """`f[ARGS]{...}` in vocabularies that have that token, else a list of one `[{"name": "f", "arguments": {...}}]`."""
    if "[ARGS]" in lark.special:
        return lark.choice([f"{literal(t.name)} {lark.marker('[ARGS]')} {arguments(lark, t)}" for t in tools])
    return f"{lark.choice([literal(_head(t, '[')) + ' ' + arguments(lark, t) for t in tools])} {literal('}]')}"


def kimi_k2(lark: Lark, tools: Sequence[Offer], close: str) -> str:
    """`<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{...}<|tool_call_end|>`."""
    begin, between, end = map(lark.marker, ("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"))
    bodies = [
        f"{begin} {literal(f'functions.{t.name}:')} /[0-9]{{1,3}}/ {between} {arguments(lark, t)} {end}" for t in tools
    ]
    return lark.choice(bodies)


def kimi_k3(lark: Lark, tools: Sequence[Offer], close: str) -> str:
    """`<|open|>call tool="f" index="1"<|sep|><|open|>json type="object"<|sep|>{...}` and all that closes it again."""
    bodies = [f"{lark.marker(_K3_HEAD.format(t.name))} {arguments(lark, t)} {lark.marker(_K3_TAIL)}" for t in tools]
    return lark.choice(bodies)


_K3_HEAD = '<|open|>call tool="{}" index="1"<|sep|><|open|>json type="object"<|sep|>'
_K3_TAIL = "<|close|>json<|sep|><|close|>call<|sep|>"
