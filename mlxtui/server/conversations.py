"""The routes of `/v1/conversations`: made, read, changed and deleted, and so are their items."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from quart import Blueprint, Response, request

from mlxtui.api.body import parse_object, validate
from mlxtui.api.conversations import WireMetadata, WireNewConversation, WireNewItems
from mlxtui.api.responses_items import normalised
from mlxtui.api.responses_items_wire import AnyItem
from mlxtui.errors import InvalidRequest, NotFound
from mlxtui.server.answers import json_response
from mlxtui.server.guard import read_json
from mlxtui.server.paging import list_json, paged
from mlxtui.server.responses_history import no_conversation
from mlxtui.settings import Settings
from mlxtui.store import conversations
from mlxtui.store.conversations import Conversation
from mlxtui.store.database import Store
from mlxtui.store.items import CONVERSATION, Page


def routes(store: Store, settings: Settings) -> Blueprint:
    blueprint = Blueprint("conversations", __name__, url_prefix="/v1/conversations")

    @blueprint.post("")
    async def create() -> Response:
        wire = validate(WireNewConversation, await _body(settings))
        conversation = Conversation(f"conv_{uuid4().hex}", int(time.time()), wire.metadata or {})
        await store.run(conversations.create, conversation, _items(wire.items or []))
        return json_response(_json(conversation))

    @blueprint.get("/<id>")
    async def retrieve(id: str) -> Response:
        return json_response(_json(await _found(store, id)))

    @blueprint.post("/<id>")
    async def update(id: str) -> Response:
        said = await _body(settings)
        if "metadata" not in said:
            raise InvalidRequest("'metadata' is all that can be changed", param="metadata")
        changed = await store.run(conversations.update, id, validate(WireMetadata, said).metadata or {})
        if changed is None:
            raise no_conversation(id)
        return json_response(_json(changed))

    @blueprint.delete("/<id>")
    async def delete(id: str) -> Response:
        if not await store.run(conversations.delete, id):
            raise no_conversation(id)
        return json_response({"id": id, "object": "conversation.deleted", "deleted": True})

    return blueprint


def item_routes(store: Store, settings: Settings) -> Blueprint:
    blueprint = Blueprint("conversation_items", __name__, url_prefix="/v1/conversations/<id>/items")

    @blueprint.post("")
    async def add(id: str) -> Response:
        items = _items(validate(WireNewItems, await _body(settings)).items)
        kept = await store.run(conversations.added, id, items)
        if kept is None:
            raise no_conversation(id)
        return json_response(list_json(Page(kept, more=False)))

    @blueprint.get("")
    async def listed(id: str) -> Response:
        await _found(store, id)
        return json_response(list_json(await paged(store, CONVERSATION, id, request.args)))

    @blueprint.get("/<item>")
    async def item(id: str, item: str) -> Response:
        await _found(store, id)
        kept = await store.run(conversations.item, id, item)
        if kept is None:
            raise _no_item(item)
        return json_response(kept)

    @blueprint.delete("/<item>")
    async def delete_item(id: str, item: str) -> Response:
        conversation = await _found(store, id)
        if not await store.run(conversations.delete_item, id, item):
            raise _no_item(item)
        return json_response(_json(conversation))

    return blueprint


async def _body(settings: Settings) -> dict[str, Any]:
    return parse_object(await read_json(request, settings))


async def _found(store: Store, id: str) -> Conversation:
    conversation = await store.run(conversations.get, id)
    if conversation is None:
        raise no_conversation(id)
    return conversation


def _items(wires: list[AnyItem]) -> tuple[dict[str, Any], ...]:
    items = tuple(dict(normalised(item)) for item in wires)
    for i, item in enumerate(items):
        if item["type"] == "item_reference":
            message = "a conversation takes items, not references to them"
            raise InvalidRequest(message, param=f"items[{i}]", code="unsupported_content")
        if any(item["id"] == earlier["id"] for earlier in items[:i]):
            message = f"two items have the id {item['id'][:80]!r}: only one of them could be kept"
            raise InvalidRequest(message, param=f"items[{i}].id", code="duplicate_item")
    return items


def _json(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": conversation.created,
        "metadata": conversation.metadata,
    }


def _no_item(id: str) -> NotFound:
    return NotFound(f"no item {id[:80]!r} is in this conversation", param="item_id", code="item_not_found")
