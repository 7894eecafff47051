"""What came before a request of the Responses API: earlier turns and items out of the store, cut to what fits.

Requests go in; the model's Request comes out, with what was dropped. Knows the store and the engine, no HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlxtui.api import responses as api
from mlxtui.api.responses import Asked
from mlxtui.api.responses_items import Item
from mlxtui.api.sealed import SealKey
from mlxtui.errors import InvalidRequest, NotFound
from mlxtui.pipeline import Pipeline
from mlxtui.store import conversations, responses
from mlxtui.store.database import Store
from mlxtui.types import Request

PER_MESSAGE = 64
"""Bytes that a chat template is allowed to put around a message, generously."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is asked; `dropped` items of the oldest `turns` did not fit."""

    request: Request
    turns: int = 0
    dropped: int = 0


async def referred(store: Store, asked: Asked) -> Asked:
    """`asked` with items in the place of references.

    Raises:
        InvalidRequest: an item is not kept here.
    """
    wanted = {item["id"]: i for i, item in enumerate(asked.items) if item["type"] == "item_reference"}
    if not wanted:
        return asked
    found = await store.run(responses.find_items, wanted)
    for id, i in wanted.items():
        if id not in found:
            message = f"the item {id[:80]!r} is not kept here; send the item itself"
            raise InvalidRequest(message, param=f"input[{i}].id", code="item_not_found")
    items = tuple(found[item["id"]] if item["type"] == "item_reference" else item for item in asked.items)
    return replace(asked, items=items)


async def history(store: Store, asked: Asked) -> Sequence[Item]:
    """The items of the turns that `asked` goes on from, oldest first.

    Raises:
        InvalidRequest: the previous response is unknown, or did not end with an answer.
        NotFound: the conversation is unknown.
    """
    if asked.conversation:
        items = await store.run(conversations.items, asked.conversation)
        if items is None:
            raise no_conversation(asked.conversation, param="conversation")
        return items
    return await _chain(store, asked.previous_response_id) if asked.previous_response_id else ()


async def _chain(store: Store, previous: str) -> Sequence[Item]:
    found = await store.run(responses.history, previous)
    if found is None:
        raise _no_previous(f"the previous response {previous[:80]!r} is not kept here (any more)")
    if found.missing:
        raise _no_previous(f"{found.missing!r}, an earlier turn of {previous!r}, has been deleted")
    if found.status == "failed":
        raise _no_previous(f"the previous response {previous!r} has failed")
    if found.status in responses.PENDING:
        message = f"the previous response {previous!r} is still {found.status}; wait for its end, or cancel it"
        raise InvalidRequest(message, param="previous_response_id")
    return found.items


def _no_previous(why: str) -> InvalidRequest:
    message = f"{why}: send the whole conversation as 'input' instead"
    return InvalidRequest(message, param="previous_response_id", code="previous_response_not_found")


def no_conversation(id: str, param: str = "conversation_id") -> NotFound:
    return NotFound(f"no conversation {id[:80]!r} is kept here (any more)", param=param, code="conversation_not_found")


async def fitted(pipeline: Pipeline, asked: Asked, before: Sequence[Item], key: SealKey) -> Prompt:
    """The whole conversation; with truncation "auto" without as many of its oldest turns as it takes to fit.

    What can't be cut (system messages that open it, the newest turn) stays: the engine says if that is too long.

    Raises:
        InvalidRequest: the items make no conversation.
    """
    whole = Prompt(api.request(asked, before, key))
    if asked.truncation != "auto" or await _fits(pipeline, whole.request):
        return whole
    items = (*before, *asked.items)
    cuts = _turns(items)

    def without(turns: int) -> Prompt:
        left = (*items[: cuts[0]], *items[cuts[turns] :])
        return Prompt(api.request(replace(asked, items=()), left, key), turns, cuts[turns] - cuts[0])

    fewest, most = 1, len(cuts) - 1
    if most < fewest:
        return whole
    while fewest < most:
        turns = (fewest + most) // 2
        if await _fits(pipeline, without(turns).request):
            most = turns
        else:
            fewest = turns + 1
    return without(fewest)


def _turns(items: Sequence[Item]) -> list[int]:
    """Where each turn begins: what a user says after somebody else has spoken."""
    speakers = [item.get("role") == "user" for item in items]
    return [i for i, user in enumerate(speakers) if user and not (i and speakers[i - 1])]


async def _fits(pipeline: Pipeline, request: Request) -> bool:
    """With room for an answer: what was asked for, an eighth of the context by default, half of it at most."""
    model = pipeline.engine.model
    if model is None:
        return True  # the engine refuses the request anyway
    context = model.context_length
    limit = context - min(request.max_tokens or context // 8, context // 2)
    if _most_tokens(request) <= limit:
        return True
    _, tokens = await pipeline.tokenize(request)
    return len(tokens) <= limit


def _most_tokens(request: Request) -> int:
    """No token is shorter than a byte: what is short enough by its bytes need not be tokenised."""
    said = [
        (message.content, message.reasoning or "", *(call.name + call.arguments for call in message.tool_calls))
        for message in request.messages
    ]
    tools = sum(len(tool.name + tool.description + json.dumps(tool.parameters)) + PER_MESSAGE for tool in request.tools)
    return sum(len(text.encode()) for texts in said for text in texts) + PER_MESSAGE * (len(said) + 1) + tools
