"""`/v1/responses/compact`: a conversation becomes one sealed item: what its user said, and the model's summary of it.

OpenAI puts the user's messages beside the item; openai-python's own type for the answer has no place for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from mlxtui.api.responses import Asked
from mlxtui.api.responses_answer import usage_json
from mlxtui.api.responses_items import Item, compaction, text_of
from mlxtui.api.sealed import SealKey
from mlxtui.errors import EngineFailed
from mlxtui.server.exchange import Exchange

QUESTION = (
    "Sum up this conversation for somebody who has to go on with it and can't see it: what is wanted, what was done "
    "and found, every name, number, path and decision that still matters, and what is left to do. Write nothing else."
)


def question(asked: Asked) -> Asked:
    """What the model is asked instead, after the conversation; what is too long for it loses its oldest turns."""
    text = {"type": "input_text", "text": QUESTION}
    item = {"type": "message", "id": f"msg_{uuid4().hex}", "role": "user", "content": [text]}
    return replace(asked, items=(item,), truncation="auto")


async def answer(exchange: Exchange, items: Sequence[Item], key: SealKey) -> dict[str, Any]:
    """The `response.compaction` object, once the summary is written.

    Raises:
        ApiError: the exchange's own.
        EngineFailed: the model had nothing to say.
    """
    async for _ in exchange.follow():
        pass
    summary = exchange.output()["content"].strip()
    if not summary:
        raise EngineFailed("the model wrote no summary; ask again, or send the conversation as it is")
    said = [text_of(item["content"]) for item in items if item["type"] == "message" and item["role"] == "user"]
    whole = "\n".join([*(f"The user said: {words}" for words in said), "", summary])
    return {
        "id": f"resp_{exchange.id}",
        "object": "response.compaction",
        "created_at": exchange.created,
        "output": [compaction(whole, key)],
        "usage": usage_json(exchange.usage),
    }
