"""Which marker leads from where to where in a model's text. Most models only mark thoughts and calls, see Dialect.

Two mark everything. Kimi K3 puts its content between markers too. Muse Spark writes messages like Harmony's, whose
headers say who is to read them: itself, the user, a tool. Source: mlx_lm 0.32.2, tokenizer_utils.py and
chat_templates/muse_spark.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mlxtui.types import Dialect

Mode = Literal["content", "reasoning", "call", "header"]
Turns = Mapping[Mode, Mapping[str, Mode]]

_KIMI_K3: Turns = {
    "content": {
        "<|open|>response<|sep|>": "content",
        "<|close|>response<|sep|>": "content",
        "<|close|>message<|sep|>": "content",
    }
}
_MUSE_SPARK: Turns = {
    "header": {
        "to=self<|message|>": "reasoning",
        "to=user<|message|>": "content",
        "to=commentary<|message|>": "content",
        "<|eom|>": "header",
    },
    "reasoning": {"<|eom|>": "header"},
    "content": {"<|eom|>": "header", "<|eot|>": "content"},
}
_MARKED: dict[str, Turns] = {"kimi_k3": _KIMI_K3, "muse_spark": _MUSE_SPARK}


def turns(dialect: Dialect, *, with_tools: bool) -> Turns:
    """The markers of each mode, with the mode that each leads to; an answer that has a "header" begins with one."""
    marked = _MARKED.get(dialect.tool_syntax or "", {})
    think_open, think_close = dialect.think or ("", "")
    tool_open = dialect.tool[0] if dialect.tool and with_tools else ""
    content: dict[str, Mode] = {think_open: "reasoning", tool_open: "call", **marked.get("content", {})}
    reasoning: dict[str, Mode] = {think_close: "content", **marked.get("reasoning", {})}
    found: dict[Mode, dict[str, Mode]] = {"content": content, "reasoning": reasoning}
    if "header" in marked:
        found["header"] = {tool_open: "call", **marked["header"]}
    return {mode: {marker: to for marker, to in ways.items() if marker} for mode, ways in found.items()}
