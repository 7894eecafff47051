r"""What is to be known of mlx-lm's parsers of tool calls, and calls read with them. Nothing here touches MLX.

A parser gets what stood between the model's tool markers and gives names and arguments. Those of mlx-lm 0.32.2 overlook
what they can't read: an argument that is broken is left out, and so is half a second call. So a body is only handed to
them if it is whole, from its first character to its last. They are given no schemas: where values have no types, they
hand them over as text, which `coerce` reads. Source: mlx_lm/tool_parsers/*.py.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlxtui.engine.interface import ParsedCall
from mlxtui.engine.worker.call_syntax import Grammar, json_tools, kimi_k2, kimi_k3, mistral
from mlxtui.engine.worker.coerce import coerced
from mlxtui.engine.worker.elements import GLM, LONGCAT, MINICPM, MINIMAX, QWEN_CODER
from mlxtui.engine.worker.gemma import gemma4
from mlxtui.engine.worker.pythonic import pythonic
from mlxtui.types import Tool

_DEPTH = 100  # of arguments: what is nested a few hundred levels deep can't be sent from the worker to the server


@dataclass(frozen=True, slots=True)
class Syntax:
    """One parser: `whole` tells whether it can read all of a body, `prepared` rewrites a body it would misread.

    `typed`: arguments are JSON and mean what they say; otherwise their types come from the tool's schema. `grammar`
    holds a model to the syntax; without one, no call can be required of it. `together`: several calls may stand between
    one pair of markers.
    """

    whole: Callable[[str], object] = bool
    prepared: Callable[[str], str] = str
    typed: bool = False
    grammar: Grammar | None = None
    together: bool = False


def syntax_of(tokenizer: Any) -> str:
    """The name of the parser that mlx-lm chose for a tokenizer that has one."""
    return str(tokenizer.tool_parser.__module__.rsplit(".", 1)[-1])


def read_calls(tokenizer: Any, body: str, tools: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
    """The calls in a body, each of one of the tools and with a JSON object of arguments; never none.

    Raises:
        Exception: it is no such body. The parsers raise whatever comes up.
    """
    syntax, body = SYNTAXES.get(syntax_of(tokenizer), Syntax()), body.strip()
    if not syntax.whole(body):
        raise ValueError("it is not whole")
    found = tokenizer.tool_parser(syntax.prepared(body), None)
    calls = [_checked(item, syntax, tools) for item in (found if isinstance(found, list) else [found])]
    if not calls:
        raise ValueError("there is none")
    return tuple(calls)


def _checked(item: Mapping[str, Any], syntax: Syntax, tools: tuple[Tool, ...]) -> ParsedCall:
    name, arguments = item["name"], item["arguments"]
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        raise ValueError(f"it names {name!r}, which is none of the tools")
    if not isinstance(arguments, dict):
        raise ValueError(f"the arguments of {name} are no object")
    if _deep(arguments):
        raise ValueError(f"the arguments of {name} are nested deeper than {_DEPTH} levels")
    arguments = arguments if syntax.typed else coerced(arguments, tool.parameters)
    return ParsedCall(tool.name, json.loads(json.dumps(arguments, allow_nan=False)))  # Python knows more than JSON


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list | tuple)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return bool(level)


def _pattern(text: str) -> Callable[[str], object]:
    """Whether all of a body is this; NAME is the name of a function or an argument."""
    return re.compile(text.replace("NAME", r"[^\s<>{}\"']+"), re.DOTALL).fullmatch


def _until(end: str, *without: str) -> str:
    """Text up to the first `end`, and the end; `without` whatever else the parser would stop at."""
    ends = "|".join(map(re.escape, (end, *without)))
    return f"(?:(?!{ends}).)*{re.escape(end)}"


def _elements(key: str, value: str) -> str:
    """GLM's and LongCat's pairs of elements after the name."""
    return rf"NAME\s*(?:<{key}>[^<>]+</{key}>(?:\\n|\s)*<{value}>{_until(f'</{value}>')}\s*)*"


def _quoted(start: str, end: str) -> Callable[[str], str]:
    """Values as JSON strings, which a parser that guesses types takes for text; stripped, as the parser would do."""
    value = re.compile(f"({start})(.*?)({end})", re.DOTALL)
    return lambda body: value.sub(lambda found: f"{found[1]}{json.dumps(found[2].strip())}{found[3]}", body)


def _glm(body: str) -> bool:
    """Elements, `NAME a=1 b="x"`, or JSON, with the name within or before it."""
    if _GLM(body):
        return True
    name, brace, rest = body.partition("{")
    try:
        return _GLM_JSON(name) is not None and isinstance(json.loads(brace + rest), dict)
    except ValueError:
        return False


def _longcat(body: str) -> str:
    """With a call without arguments as the parser finds its name: before a key."""
    if body.startswith("{"):
        return body
    return _quoted("<longcat_arg_value>", "</longcat_arg_value>")(body) + "<longcat_arg_key>"


def _mistral(body: str) -> str:
    """Without the ids that Mistral Small 3.2 puts between name and arguments, and which would be taken for the name."""
    return re.sub(r"\[CALL_ID\]\w+(?=\[ARGS\])", "", body)


def _gemma(body: str) -> bool:
    bare = re.sub(r'<\|"\|>.*?<\|"\|>', "", body, flags=re.DOTALL)
    return re.match(r"call:[\w-]+\{", body) is not None and bare.endswith("}") and bare.count("{") == bare.count("}")


def _python(body: str) -> bool:
    """A list of calls by keywords; or one call with text that needs quotes and has none, which the parser reads too."""
    return bool(_UNQUOTED(body)) or _python_calls(_python_escapes(body))


def _python_escapes(body: str) -> str:
    """Without the one escape of JSON that Python has not, which stays in the text there."""
    return re.sub(r"(\\.)", lambda found: "/" if found[1] == "\\/" else found[1], body, flags=re.DOTALL)


def _python_calls(body: str) -> bool:
    try:
        calls = ast.parse(body, mode="eval").body
    except (SyntaxError, ValueError):
        return False
    return isinstance(calls, ast.List) and all(map(_python_call, calls.elts))


def _python_call(call: ast.expr) -> bool:
    if not isinstance(call, ast.Call) or call.args:
        return False
    parts = [part for keyword in call.keywords for part in ast.walk(keyword.value)]
    return all(isinstance(part, _LITERALS) or getattr(part, "id", None) in ("true", "false", "null") for part in parts)


_LITERALS = (ast.Constant, ast.List, ast.Dict, ast.Tuple, ast.UnaryOp, ast.USub, ast.Load)
_BARE = r"[^,\"'()\[\]{}=]"
_UNQUOTED = _pattern(rf"\[[\w.]+\((?:\w+=(?:\"[^\"]*\"|'[^']*'|(?!\s){_BARE}+)(?:,\s*|(?=\))))*\)\]")
_GLM = _pattern(rf"{_elements('arg_key', 'arg_value')}|NAME(?:\s+[\w-]+=(?:\"[^\"]*\"|'[^']*'|[^\s\"'<]+))*")
_GLM_JSON = _pattern(r"(?:NAME\s+)?")
_ESCAPED = rf"<escape>{_until('<escape>', '}')}"
_K2 = r"NAME:\d+\s*<\|tool_call_argument_begin\|>"
_K3 = rf"<\|open\|>argument\s[^<>]*<\|sep\|>{_until('<|close|>argument<|sep|>')}"
_K3_JSON = rf"<\|open\|>json{_until('<|sep|>')}{_until('<|close|>json<|sep|>')}"
_CDATA = rf"<!\[CDATA\[{_until(']]>', '</param>', '</function>')}\s*</param>"
_PARAM = rf"<param\s+name\s*=[^<>]+>\s*(?:{_CDATA}|{_until('</param>', '<![CDATA[', '</function>')})"
_MINIMAX = rf"<parameter name=[^<>]+>{_until('</parameter>', '</invoke>')}"
_MUSE = rf'<atem:parameter\b[^>]*\bname="[^"]+"[^>]*>{_until("</atem:parameter>")}'

SYNTAXES: dict[str, Syntax] = {
    "function_gemma": Syntax(
        _pattern(rf"call:NAME\{{(?:[^:,{{}}<>]+:(?:{_ESCAPED}|[^,{{}}<>]*)(?:,|(?=\}})))*\}}"),
    ),
    "gemma4": Syntax(_gemma, grammar=gemma4, together=True),
    "glm47": Syntax(_glm, _quoted("<arg_value>", "</arg_value>"), grammar=GLM),
    "json_tools": Syntax(typed=True, grammar=json_tools),
    "kimi_k2": Syntax(
        _pattern(rf"(?:<\|tool_call_begin\|>\s*{_K2}{_until('<|tool_call_end|>')}\s*)+|{_K2}.*"),
        typed=True,
        grammar=kimi_k2,
        together=True,
    ),
    "kimi_k3": Syntax(
        _pattern(
            rf'(?:<\|open\|>call\s[^<]*\btool="[^"]+"{_until("<|sep|>")}'
            rf"\s*(?:(?:{_K3}\s*)*|{_K3_JSON}\s*)<\|close\|>call<\|sep\|>\s*)+"
        ),
        grammar=kimi_k3,
        together=True,
    ),
    "longcat": Syntax(
        _pattern(rf"{_elements('longcat_arg_key', 'longcat_arg_value')}|\{{.*\}}"), _longcat, grammar=LONGCAT
    ),
    "minicpm5": Syntax(_pattern(rf"(?:\"[^\"]+\"|'[^']+'|NAME)\s*>(?:\s*{_PARAM})*"), grammar=MINICPM),
    "minimax_m2": Syntax(
        _pattern(rf"(?:<invoke name=[^<>]+>(?:\s*{_MINIMAX})*\s*</invoke>\s*)+"), grammar=MINIMAX, together=True
    ),
    "mistral": Syntax(prepared=_mistral, typed=True, grammar=mistral),
    "muse_spark": Syntax(
        _pattern(rf'(?:<atem:invoke\b[^>]*\bname="[^"]+">(?:\s*{_MUSE})*\s*</atem:invoke>\s*)+'),
        _quoted(r"<atem:parameter\b[^>]*>", "</atem:parameter>"),
    ),
    "pythonic": Syntax(_python, _python_escapes, grammar=pythonic),
    "qwen3_coder": Syntax(
        _pattern(rf"<function=NAME>?(?:\s*<parameter=[^\s<>]+>?{_until('</parameter>')})*\s*</function>"),
        grammar=QWEN_CODER,
    ),
}
SYNTAXES["laguna"] = SYNTAXES["glm47"]
