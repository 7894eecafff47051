"""The text twin of the dashboard: one server's state as a plain table, as JSON, or again whenever it changes.

A URL comes in, printed text and an exit code come out. It draws nothing and loads no terminal toolkit.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from contextlib import aclosing

from mlxtui.client import Link, ServerClient
from mlxtui.reach import ServerUnreachable
from mlxtui.row import Row
from mlxtui.state import State
from mlxtui.tui.choose import Chooser
from mlxtui.tui.figures import age, duration, percent, rate, size
from mlxtui.tui.text import one_line, plain
from mlxtui.tui.widgets.columns import Moment, columns_for, head, row_line

ROWS = 20  # of finished requests
EVERY = 1.0  # seconds between two tables, at least


def status(url: str, api_key: str | None, *, as_json: bool = False, watch: bool = False) -> int:
    """Print what the server is doing. 0: printed; 1: nothing answers at `url`."""
    try:
        asyncio.run(_status(url, api_key, as_json, watch))
    except ServerUnreachable as error:
        print(f"mlxtui: {url}: {one_line(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


async def _status(url: str, api_key: str | None, as_json: bool, watch: bool) -> None:
    client = ServerClient(url, api_key)
    shown = 0.0
    try:
        async with aclosing(client.follow()) as changes:
            async for change in changes:
                if isinstance(change, Link) and change.status != "connected":
                    raise ServerUnreachable(change.detail)
                if time.monotonic() - shown < EVERY:
                    continue
                shown = time.monotonic()
                print(_json(client.state) if as_json else _table(client), flush=True)
                if not watch:
                    return
    finally:
        await client.close()


def _json(state: State) -> str:
    return json.dumps(state.to_json(), ensure_ascii=False)


def _table(client: ServerClient) -> str:
    width = shutil.get_terminal_size((160, 24)).columns
    return "\n".join(table(client.state, time.time() + client.skew, width))


def table(state: State, now: float, width: int) -> list[str]:
    """Two lines about the server, then the live requests and the newest finished ones."""
    rows: list[Row] = Chooser().chosen(state, "", "arrival", now)[: len(state.requests) + ROWS]
    columns, moment = columns_for(width), Moment(now, state.queue())
    lines = [_server(state, now), _figures(state, now)]
    if rows:
        lines += ["", plain(head(columns)), *(plain(row_line(columns, row, moment)) for row in rows)]
    return [line.rstrip() for line in lines]


def _server(state: State, now: float) -> str:
    model, server = state.model, state.server
    word = "stopping" if server.stopping else model.status if model.status != "none" else "no model yet"
    detail = f" ({one_line(model.detail)})" if model.detail and model.status != "ready" else ""
    up = age(now - server.started)
    return f"{one_line(model.name) or '-'}  {word}{detail}  {server.url}  pid {server.pid}  up {up}"


def _figures(state: State, now: float) -> str:
    decode, prefill = state.rates(now)
    median, slow = state.ttft(0.5, 0.95)
    parts = [
        f"{state.count('prefill', 'decode')} running, {state.count('queued')} queued",
        f"decode {rate(decode)} tok/s, prefill {rate(prefill)} tok/s",
        f"TTFT p50 {duration(median)}, p95 {duration(slow)}",
        f"cached {percent(state.hit_rate())}",
        f"memory {size(state.memory.active_bytes)}",
    ]
    return "  ".join(parts)
