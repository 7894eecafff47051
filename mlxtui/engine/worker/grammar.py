"""From a Constraint and the model's Dialect to a grammar in llguidance's Lark: reasoning, then JSON, calls or text.

Pure text: knows the ids of special tokens, nothing else of the tokenizer. What the grammar can't express is refused
here; whether llguidance accepts the schemas in it shows when `masks` compiles it.
"""

from __future__ import annotations

from mlxtui.engine.worker.call_syntax import Offer, arguments, offered
from mlxtui.engine.worker.dialects import SYNTAXES
from mlxtui.engine.worker.lark import Lark, literal
from mlxtui.engine.worker.schema import Unsupported, ready
from mlxtui.types import Channel, Constraint, Dialect

ANSWER = "the JSON schema"  # how errors call the schema of the answer itself


def grammar(
    constraint: Constraint, dialect: Dialect, special: dict[str, int], *, opens_in: Channel, may_think: bool
) -> str:
    """The grammar of everything that is generated; complete (may end) only where the constraint is met.

    `opens_in` "reasoning": the prompt opened the block; it is closed before anything else. "content": with `may_think`
    a block may come first. Harmony has its own channels and takes no notice of either.

    Raises:
        Unsupported: there is no grammar for this; says which field is to blame.
    """
    lark = Lark(special)
    if constraint.calls == "required" and not constraint.tools:
        raise Unsupported("a tool call is required, but there is no tool that may be called", "tool_choice")
    if dialect.tool_syntax == "harmony":
        return lark.text(_harmony(lark, constraint))
    body = _body(lark, constraint, dialect)
    open_, close = dialect.think or ("", "")
    if not close:
        return lark.text(body)
    thought = f"{lark.until(close)} {lark.space()}"
    if opens_in == "reasoning":
        return lark.text(f"{thought} {body}")
    block = lark.rule(f"{lark.marker(open_)} {thought}")
    return lark.text(f"{block}? {body}" if may_think and open_ else body)


def _body(lark: Lark, constraint: Constraint, dialect: Dialect) -> str:
    schema = lark.json(ready(constraint.schema, ANSWER, "response_format")) if constraint.schema is not None else None
    if not constraint.tools or (dialect.tool is None and constraint.calls == "auto"):
        return schema or lark.free()  # a model that has no calls can only do the other thing
    open_, close = dialect.tool or ("", "")
    syntax = SYNTAXES.get(dialect.tool_syntax or "")
    if syntax is None or syntax.grammar is None or not open_:
        named = f"the model's tool-call syntax {dialect.tool_syntax!r}" if dialect.tool_syntax else "a tool call"
        raise Unsupported(f"{named} can't be enforced{'' if open_ else ': the model has none'}", "tool_choice")
    call = syntax.grammar(lark, offered(constraint.tools, strict=constraint.calls == "required"), close)
    call = f"{lark.rule(call)}{'+' if syntax.together and constraint.parallel else ''} {lark.marker(close)}"
    if schema is None and constraint.calls == "auto":
        return _text_with_calls(lark, call, (open_, close), parallel=constraint.parallel)
    calls = _calls(lark, call, (open_, close), parallel=constraint.parallel)
    return lark.choice([schema, calls]) if schema else calls


def _calls(lark: Lark, call: str, markers: tuple[str, str], *, parallel: bool) -> str:
    """Nothing but calls. Without an end marker all that follows is read as part of the last one: no space either."""
    one = f"{lark.marker(markers[0])} {call}"
    space = lark.space() if markers[1] else ""
    return lark.rule(f"{one} ({space} {one})* {space}" if parallel else f"{one} {space}")


def _text_with_calls(lark: Lark, call: str, markers: tuple[str, str], *, parallel: bool) -> str:
    one, text = f"{lark.until(markers[0])} {call}", lark.free(markers[0])
    if markers[1]:
        return lark.rule(f"({one}){'*' if parallel else '?'} {text}")
    further = f"({lark.marker(markers[0])} {call})*" if parallel else ""
    return lark.choice([text, f"{one} {further}"])


def _harmony(lark: Lark, constraint: Constraint) -> str:
    """gpt-oss: messages in channels. A call ends the answer, so there is never more than one.

    The tokens that end the answer, `<|return|>` and `<|call|>`, are end-of-sequence tokens and need no rule.
    """
    channel, message, begin = (lark.marker(f"<|{name}|>") for name in ("channel", "message", "start"))
    body = lark.until("<|end|>", "<|start|>", "<|call|>", "<|return|>", "<|message|>")
    required, schema = constraint.calls == "required", constraint.schema
    aside = '"analysis"' if required or schema is not None else '("analysis" | "commentary")'
    start = lark.rule(f'({channel} {aside} {message} {body} {begin} "assistant")*')
    answers = [_harmony_call(lark, tool) for tool in offered(constraint.tools, strict=required)]
    if not required:
        free = lark.free("<|end|>", "<|start|>", "<|call|>", "<|return|>", "<|message|>")
        final = lark.json(ready(schema, ANSWER, "response_format")) if schema is not None else free
        answers.append(f'"final" {message} {final}')
    return f"{start} {channel} {lark.choice(answers)}"


def _harmony_call(lark: Lark, tool: Offer) -> str:
    head = literal(f"commentary to=functions.{tool.name} ")
    return f'{head} {lark.marker("<|constrain|>")} "json" {lark.marker("<|message|>")} {arguments(lark, tool)}'
