"""Lists of items in pages, as OpenAI's: `after`, `limit` and `order` in, a list object out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlxtui.errors import InvalidRequest
from mlxtui.store.database import Store
from mlxtui.store.items import Page, page

DEFAULT, MOST = 20, 100


async def paged(store: Store, rows: str, owner: str, query: Mapping[str, str]) -> Page:
    """The page of `owner`'s items that a query string asks for, the newest first unless it says otherwise.

    Raises:
        InvalidRequest: a value is wrong; `param` names it.
    """
    order, limit, after = query.get("order", "desc"), query.get("limit", str(DEFAULT)), query.get("after")
    if order not in ("asc", "desc"):
        raise InvalidRequest("'order' must be asc or desc", param="order")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MOST):
        raise InvalidRequest(f"'limit' must be a number from 1 to {MOST}", param="limit")
    found = await store.run(page, rows, owner, after, int(limit), "asc" if order == "asc" else "desc")
    if found is None:
        raise InvalidRequest(f"'after' names {(after or '')[:80]!r}, which is none of the items", param="after")
    return found


def list_json(found: Page) -> dict[str, Any]:
    """openai-python wants ids to be strings, also where there are none."""
    ids = [item["id"] for item in found.items] or [""]
    return {
        "object": "list",
        "data": found.items,
        "first_id": ids[0],
        "last_id": ids[-1],
        "has_more": found.more,
    }
