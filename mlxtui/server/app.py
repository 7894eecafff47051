"""The ASGI application: guards, routes and errors put together. Knows no sockets and no processes."""

from __future__ import annotations

from collections.abc import Callable

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from quart import Quart

from mlxtui.bus import Bus
from mlxtui.engine.interface import Engine
from mlxtui.errors import Cancelled
from mlxtui.pipeline import Pipeline
from mlxtui.server import (
    answers,
    caching,
    conversations,
    guard,
    inspection,
    models,
    monitor,
    openai,
    responses,
    responses_kept,
    tokens,
)
from mlxtui.server.downloads import Downloads
from mlxtui.server.exchange import Exchange
from mlxtui.server.ledger import Ledger
from mlxtui.server.responses_turn import Turns
from mlxtui.settings import Settings
from mlxtui.store.database import Store


def create_app(
    engine: Engine,
    bus: Bus,
    ledger: Ledger,
    settings: Settings,
    stop: Callable[[], None],
    store: Store,
    downloads: Downloads,
) -> Quart:
    """The server's application; `stop` begins its shutdown."""
    app = Quart("mlxtui", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["BODY_TIMEOUT"] = 30
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    answers.install(app)
    guard.install(app, settings)
    pipeline, turns = Pipeline(engine, settings), Turns()
    app.register_blueprint(openai.routes(pipeline, ledger, settings))
    app.register_blueprint(responses.routes(pipeline, ledger, settings, store, turns))
    app.register_blueprint(responses_kept.routes(store, turns, settings))
    app.register_blueprint(conversations.routes(store, settings))
    app.register_blueprint(conversations.item_routes(store, settings))
    app.register_blueprint(tokens.routes(pipeline, settings))
    app.register_blueprint(inspection.routes(engine, ledger, store, settings))
    app.register_blueprint(caching.routes(engine, ledger))
    app.register_blueprint(models.routes(engine, downloads, settings))
    app.register_blueprint(models.hub_routes(downloads, settings))
    app.register_blueprint(monitor.routes(engine, bus, ledger, settings, stop))
    app.asgi_app = Attended(app.asgi_app)  # type: ignore[method-assign]
    return app


class Attended:
    """Notes what an exchange sends, and ends it together with its connection: whatever ends the ASGI call, nobody reads
    any more.

    Watching here rather than in the response's generator also covers clients that leave while the answer is being
    collected, or before its first byte.
    """

    def __init__(self, app: ASGIFramework) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def say(message: ASGISendEvent) -> None:
            if exchange := _exchange(scope):
                exchange.wire.take(message)
            await send(message)

        try:
            await self._app(scope, receive, say)
        finally:
            exchange = _exchange(scope)
            if exchange and not exchange.background:
                exchange.cancel(Cancelled("the client left"))


def _exchange(scope: Scope) -> Exchange | None:
    return scope.get("mlxtui.exchange")  # type: ignore[return-value]
