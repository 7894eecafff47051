"""Grammar of calls in Python, as LFM2 writes them: `[f(city="Oslo", days=3, tags=["a", "b"], metric=true)]`.

Values are JSON, which Python reads alike; mlx-lm's parser knows true, false and null too. One call a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from keyword import iskeyword

from mlxtui.engine.worker.call_syntax import Offer, listed, whose
from mlxtui.engine.worker.elements import unmet
from mlxtui.engine.worker.lark import Lark, literal
from mlxtui.engine.worker.schema import ready


def pythonic(lark: Lark, tools: Sequence[Offer], close: str) -> str:
    return lark.choice([f'{literal(f"[{t.name}(")} {_keywords(lark, t)} ")]"' for t in tools])


def _keywords(lark: Lark, tool: Offer) -> str:
    schema = tool.schema or {}
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", tool.name, re.ASCII):
        raise unmet(tool, "its name is none that Python knows")
    if not set(schema) - {"type", "description", "title"}:
        member = f'/[A-Za-z_][A-Za-z0-9_]*/ "=" {lark.json(ready({}, whose(tool), "tools"))}'
        return lark.rule(f'({member} (", " {member})*)?')
    plain = isinstance(properties, Mapping) and all(_is_keyword(name) for name in properties)
    if not plain or any(name not in properties for name in required):
        raise unmet(tool, "list all properties, with names that Python knows")
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    members = [
        (f"{literal(f'{name}=')} {lark.json(_value(part, shared, whose(tool)))}", name in required)
        for name, part in properties.items()
    ]
    return listed(lark, members, ", ")


def _value(schema: object, shared: Mapping[str, object], whose: str) -> str:
    within = dict(schema) if isinstance(schema, Mapping) else {} if schema is True else {"not": {}}
    return ready({**shared, **within}, whose, "tools")


def _is_keyword(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not iskeyword(name)
