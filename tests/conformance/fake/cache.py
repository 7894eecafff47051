"""What the small server remembers of prompts: how much of a new one it has read before. Knows no HTTP."""

from __future__ import annotations

from .brain import Json, prompt_length

Past = list[list[Json]]


def cached(past: Past, request: Json) -> int:
    """Tokens of the leading messages that an earlier request began with; the request is kept for later ones."""
    messages = request["messages"]
    shared = max((_shared(messages, before) for before in past), default=0)
    past.append(messages)
    return prompt_length({"messages": messages[:shared]})


def _shared(messages: list[Json], before: list[Json]) -> int:
    pairs = zip(messages, before, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(messages), len(before)))
