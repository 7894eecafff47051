"""`mlxtui replay`: recorded requests through the real server, whose engine plays the recorded pieces; answers compared.

Recordings go in; lines about every difference and an exit code come out. Loads no model and opens no port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from hypercorn.typing import ASGIFramework

from mlxtui import recording
from mlxtui.bus import Bus
from mlxtui.compare import response_diff, same_ids, with_ids
from mlxtui.engine.replay import ReplayEngine, model_from_json
from mlxtui.errors import UserError
from mlxtui.recorded import RecordedEvent, RecordedExchange, RecordedRequest, RecordedResponse, Recording, runs_by_job
from mlxtui.recording import REDACTED
from mlxtui.server.app import create_app
from mlxtui.server.downloads import Downloads
from mlxtui.server.ledger import Ledger
from mlxtui.server.recorder import Answer
from mlxtui.settings import Settings
from mlxtui.store.database import Store

PATIENCE = 20.0
"""Seconds for one answer; nothing in a replay waits, so one that takes longer hangs."""
MATCH, DIFFERENT, UNREADABLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Replayed:
    """`actual` None: not asked, because the answer depended on the load of that moment."""

    exchange: RecordedExchange
    actual: RecordedResponse | None
    differences: list[str]


def run_replay(files: list[Path], update: bool = False) -> int:
    """Replay each file and print what differs; with `update` the recorded answers are replaced by today's.

    Returns:
        0: all answers match, 1: some differ, 2: a file can't be read as a recording.
    """
    worst = MATCH
    for file in files:
        try:
            recorded = recording.read(file)
            results = replay(recorded)
        except UserError as error:
            print(f"{file}: {error}")
            worst = max(worst, UNREADABLE)
            continue
        print("\n".join(_report(file, recorded, results)))
        if any(result.differences for result in results):
            if update:
                recording.write(file, _updated(recorded, results))
            worst = worst if update else max(worst, DIFFERENT)
    return worst


def replay(recorded: Recording) -> list[Replayed]:
    """Every exchange of `recorded`, at the same time with those it overlapped.

    Raises:
        UserError: the recording does not describe its model.
    """
    return asyncio.run(_replay(recorded))


async def _replay(recorded: Recording) -> list[Replayed]:
    exchanges = recorded.exchanges
    runs = runs_by_job(exchanges)
    bus = Bus()
    engine = ReplayEngine(runs, model_from_json(recorded.header.model), None, bus.publish)
    settings = _settings(exchanges)
    ledger = Ledger(bus.publish, settings.keep_requests)
    store = Store()
    app = create_app(engine, bus, ledger, settings, lambda: None, store, Downloads(bus.publish))
    await engine.start()
    ids: dict[str, str] = {}
    tasks: dict[str, asyncio.Task[Replayed]] = {}
    for exchange in exchanges:
        before = [tasks[other.id] for other in exchanges if other.ended <= exchange.t and other.id in tasks]
        tasks[exchange.id] = asyncio.create_task(_after(before, app, exchange, ids))
    results = await asyncio.gather(*tasks.values())
    await ledger.drain(0)
    await engine.close()
    await store.close()
    return results


def _settings(exchanges: tuple[RecordedExchange, ...]) -> Settings:
    """As lenient as the recorded server: hosts and keys that it accepted are accepted."""
    served = [exchange.request for exchange in exchanges if exchange.response.status not in (401, 403)]
    hosts = {_header(request, "host").rpartition(":")[0] or _header(request, "host") for request in served}
    key = REDACTED if any(exchange.response.status == 401 for exchange in exchanges) else None
    return Settings(allowed_hosts=tuple(sorted(hosts)), api_key=key, max_running=256, max_queued=100_000, heartbeat=60)


async def _after(
    before: list[asyncio.Task[Replayed]], app: ASGIFramework, exchange: RecordedExchange, ids: dict[str, str]
) -> Replayed:
    """`ids`: today's for the recorded ones of earlier answers, which a chain of responses goes on from."""
    if before:
        await asyncio.wait(before)
    if exchange.run is None and exchange.response.status in (429, 503):
        return Replayed(exchange, None, [])
    actual = await _ask(app, replace(exchange, request=_today(exchange.request, ids)))
    ids |= same_ids(exchange.response, actual)
    return Replayed(exchange, actual, response_diff(exchange.response, actual))


def _today(request: RecordedRequest, ids: dict[str, str]) -> RecordedRequest:
    if not ids:
        return request
    body = with_ids(request.body.decode("utf-8", "surrogateescape"), ids).encode("utf-8", "surrogateescape")
    return replace(request, path=with_ids(request.path, ids), body=body)


async def _ask(app: ASGIFramework, exchange: RecordedExchange) -> RecordedResponse:
    """The application's answer, until it is complete or the recorded client would leave."""
    client = _Client(exchange)
    with suppress(TimeoutError):
        await asyncio.wait_for(app(client.scope, client.receive, client.send), PATIENCE)
    return client.answer.response()


class _Client:
    """The recorded client's side of an ASGI call."""

    def __init__(self, exchange: RecordedExchange) -> None:
        self.scope: Any = _scope(exchange)
        self.answer = Answer()
        self._body: bytes | None = exchange.request.body
        self._gone = asyncio.Event()
        self._leaves_after = len(exchange.response.events or ()) if exchange.response.cancelled else None

    async def receive(self) -> Any:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.answer.take(message)
        if self.answer.complete or len(self.answer.events) == self._leaves_after:
            self._gone.set()


def _scope(exchange: RecordedExchange) -> dict[str, Any]:
    request = exchange.request
    path, _, query = request.path.partition("?")
    refused = exchange.response.status == 401
    headers = [(n, "Bearer " + v if v == REDACTED and n == "authorization" else v) for n, v in request.headers]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.1"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(n.encode(), v.encode("latin-1")) for n, v in headers if not (refused and n == "authorization")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
        "extensions": {},
        "state": {},
        "mlxtui.replayed_id": exchange.id,
    }


def _header(request: RecordedRequest, name: str) -> str:
    return dict(request.headers).get(name, "")


def _report(file: Path, recorded: Recording, results: list[Replayed]) -> Iterator[str]:
    for result in results:
        if result.differences:
            request = result.exchange.request
            yield f"{file}: {request.method} {request.path} ({result.exchange.id}) is answered differently:"
            yield from (f"    {line}" for line in result.differences)
    if recorded.damage:
        yield f"warning: {recorded.damage}"
    different = sum(bool(result.differences) for result in results)
    skipped = sum(result.actual is None for result in results)
    notes = f", {skipped} not asked (429 or 503 depend on the load)" if skipped else ""
    verdict = f"{different} differ" if different else "all as recorded"
    yield f"{'✗' if different else '✓'} {file}: {len(results)} exchanges, {verdict}{notes}"


def _updated(recorded: Recording, results: list[Replayed]) -> Recording:
    exchanges = (
        replace(result.exchange, response=_retimed(result.exchange.response, result.actual))
        if result.differences and result.actual
        else result.exchange
        for result in results
    )
    return replace(recorded, exchanges=tuple(exchanges))


def _retimed(before: RecordedResponse, now: RecordedResponse) -> RecordedResponse:
    """Today's answer at the recorded pace; one that its client left stays cut where it was left."""
    if before.events is None or now.events is None:
        return replace(now, cancelled=before.cancelled)
    shown = now.events[: len(before.events)] if before.cancelled else now.events
    events = (
        RecordedEvent(old.dt if old else 0.0, new.event, new.data)
        for old, new in zip_longest(before.events[: len(shown)], shown)
        if new
    )
    return replace(now, events=tuple(events), cancelled=before.cancelled)
