"""Where in a prompt a later one is likely to part from it. For models whose caches can't be cut: only a copy that was
kept right there serves the later prompt. A prompt and its tokens in, lengths out; touches no MLX array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlxtui.engine.interface import ChatPrompt
from mlxtui.engine.worker.render import Refused, render
from mlxtui.types import TextPrompt


def marks(tokenizer: Any, vocab: int, prompt: ChatPrompt | TextPrompt, tokens: list[int]) -> tuple[int, ...]:
    """The ends of the system messages (another conversation), of all before the last message of the user (another
    question) and of the last message (the next turn: templates open answers otherwise than they write history).
    """
    if isinstance(prompt, TextPrompt):
        return ()
    found = {_common(tokens, history) for history in _histories(tokenizer, vocab, prompt)}
    return tuple(sorted(mark for mark in found if 0 < mark < len(tokens) - 1))


def _histories(tokenizer: Any, vocab: int, prompt: ChatPrompt) -> Iterator[list[int]]:
    roles = [message.role for message in prompt.messages]
    system = next((i for i, role in enumerate(roles) if role != "system"), len(roles))
    asked = max((i for i, role in enumerate(roles) if role == "user"), default=0)
    for end in sorted({system, asked, len(roles)} - {0}):
        beginning = replace(prompt, messages=prompt.messages[:end])
        try:
            yield render(tokenizer, vocab, beginning, opening=False)[1]
        except Refused:  # by a template that wants a user's message, say
            continue


def _common(one: list[int], other: list[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
