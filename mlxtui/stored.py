"""`mlxtui responses`: what the store holds, in the terminal. Reads beside a running server; deletes in one short write.

Ids and settings go in; lines for a person, or JSON for a program, come out on stdout.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from mlxtui.errors import UserError
from mlxtui.settings import load_settings
from mlxtui.store import conversations, responses, retention
from mlxtui.store.schema import connect, read_only
from mlxtui.text import safe_line, safe_text

T = TypeVar("T")


def show_list(store: Path | None, limit: int, as_json: bool) -> None:
    found = _read(store, lambda db: responses.listed(db, limit))
    if as_json:
        for one in found:
            print(json.dumps({name: getattr(one, name) for name in one.__dataclass_fields__}))
        return
    width = max((len(one.id) for one in found), default=2)
    print(f"{'id':<{width}}  {'created':<16}  {'status':<11}  {'model':<20}  goes on from")
    for one in found:
        created = datetime.fromtimestamp(one.created).strftime("%Y-%m-%d %H:%M")
        before = one.conversation or one.previous or ""
        print(f"{one.id:<{width}}  {created}  {one.status:<11}  {safe_line(one.model, 20):<20}  {before}")


def show(store: Path | None, id: str, as_json: bool) -> None:
    """Raises:
    UserError: no response has this id.
    """
    found = _read(store, lambda db: _exported(db, id))
    print(json.dumps(found, ensure_ascii=False, indent=2) if as_json else "\n".join(_readable(found)))


def delete(store: Path | None, ids: list[str]) -> None:
    """All of them, or none.

    Raises:
        UserError: no response has one of the ids, or it is under way.
    """
    _read(store, lambda db: responses.listed(db, 1))  # a store that is not there, or damaged, is left as it is
    with closing(connect(_path(store))) as db, db:
        for id in ids:
            _delete(db, id)
    print(f"deleted {len(ids)}")


def export(store: Path | None, id: str, out: Path | None) -> None:
    """The whole chain that a response belongs to, or a conversation, as JSON.

    Raises:
        UserError: nothing has this id, or the file can't be written.
    """
    content = json.dumps(_read(store, lambda db: _whole(db, id)), ensure_ascii=False, indent=2)
    if out is None:
        print(content)
        return
    try:
        with open(out, "w", encoding="utf-8", opener=retention.private) as file:
            file.write(content + "\n")
    except OSError as error:
        raise UserError(f"can't write {out}: {error.strerror}") from error
    print(f"wrote {out}")


def _read(store: Path | None, work: Callable[[sqlite3.Connection], T]) -> T:
    path = _path(store)
    try:
        with closing(read_only(path)) as db:
            return work(db)
    except sqlite3.Error as error:
        raise UserError(f"can't read the store {path}: {error}") from error


def _path(store: Path | None) -> Path:
    return store or load_settings({}).store_path


def _exported(db: sqlite3.Connection, id: str) -> dict[str, Any]:
    found = retention.exported(db, id)
    if found["response"] is None:
        raise _unknown(id)
    return found


def _whole(db: sqlite3.Connection, id: str) -> dict[str, Any]:
    if conversations.get(db, id):
        return retention.conversation(db, id)
    row = db.execute("SELECT root FROM responses WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise _unknown(id)
    return retention.chain(db, row[0])


def _delete(db: sqlite3.Connection, id: str) -> None:
    found = responses.get(db, id)
    if found is None:
        raise _unknown(id)
    if found["status"] in responses.PENDING:
        raise UserError(f"{id} is under way: stop it first (POST /v1/responses/{id}/cancel, or x in the dashboard)")
    responses.delete(db, id)


def _readable(found: dict[str, Any]) -> Iterator[str]:
    response = found["response"]
    yield f"{response['id']}  {response['status']}  {safe_line(response['model'], 80)}"
    if error := response.get("error"):
        yield f"error: {safe_line(error['message'], 500)}"
    for item in (*found["input"], *response["output"]):
        yield ""
        yield from _item(item)


def _item(item: dict[str, Any]) -> Iterator[str]:
    match item["type"]:
        case "message":
            yield f"{item['role']}:"
            yield _words(item["content"])
        case "reasoning":
            yield "reasoning:"
            yield _words(item.get("content") or item["summary"]) or "(sealed)"
        case "function_call" | "custom_tool_call":
            yield f"calls {safe_line(item['name'], 80)}:"
            yield safe_text(item.get("arguments") or item.get("input") or "")
        case "function_call_output" | "custom_tool_call_output":
            yield "result:"
            yield _words(item["output"])
        case kind:
            yield f"({safe_line(kind, 40)})"


def _words(content: str | Iterable[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return safe_text(content)
    return safe_text("".join(part.get("text") or part.get("refusal") or "" for part in content))


def _unknown(id: str) -> UserError:
    return UserError(f"nothing in the store has the id {safe_line(id, 80)!r}; see: mlxtui responses list")
