"""An answer against the target of its conversation: right or wrong, thought well or not. Pure text in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tools.tiny.talk import Conversation, Json

THOUGHT = re.compile(r"\A<think>\n(?P<thought>[^<]*)\n</think>\n\n(?P<rest>.*)\Z", re.DOTALL)
CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Score:
    right: bool
    formed: bool
    """No think block, or a well-formed one where one is allowed."""
    thought: bool


def score(talk: Conversation, answer: str) -> Score:
    match = THOUGHT.match(answer)
    rest = match["rest"] if match else answer
    stray = "<think>" in rest or "</think>" in rest
    formed = not stray and not (match and talk.mode == "off")
    return Score(_right(talk, rest), formed, bool(match))


def _right(talk: Conversation, answer: str) -> bool:
    target = talk.messages[-1]
    if talk.check == "calls":
        wanted = [{"name": c.name, "arguments": c.arguments} for c in target.calls]
        return parsed_calls(answer) == wanted
    if talk.check == "json":
        return _loads(answer) == _loads(target.content)
    if talk.check == "exact":
        return answer.strip() == target.content.strip()
    return (talk.key or target.content) in answer


def parsed_calls(answer: str) -> list[Json]:
    """The calls of an answer; anything that does not parse becomes None."""
    return [_loads(body) for body in CALL.findall(answer)]


def _loads(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        return None
    return value
