"""The ASGI application: guards, routes and errors put together. Knows no sockets and no processes."""

from __future__ import annotations

from collections.abc import Callable

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Quart

from mlxtui.bus import Bus
from mlxtui.engine.interface import Engine
from mlxtui.errors import Cancelled
from mlxtui.pipeline import Pipeline
from mlxtui.server import answers, guard, monitor, openai, tokens
from mlxtui.server.exchange import Ledger
from mlxtui.settings import Settings


def create_app(engine: Engine, bus: Bus, ledger: Ledger, settings: Settings, stop: Callable[[], None]) -> Quart:
    """The server's application; `stop` begins its shutdown."""
    app = Quart("mlxtui", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["BODY_TIMEOUT"] = 30
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    answers.install(app)
    guard.install(app, settings)
    app.register_blueprint(openai.routes(Pipeline(engine, settings), ledger, settings))
    app.register_blueprint(tokens.routes(engine, settings))
    app.register_blueprint(monitor.routes(engine, bus, ledger, settings, stop))
    app.asgi_app = Attended(app.asgi_app)  # type: ignore[method-assign]
    return app


class Attended:
    """Ends an exchange together with its connection: whatever ends the ASGI call, nobody reads any more.

    Watching here rather than in the response's generator also covers clients that leave while the answer is being
    collected, or before its first byte.
    """

    def __init__(self, app: ASGIFramework) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            if exchange := scope.get("mlxtui.exchange"):
                exchange.cancel(Cancelled("the client left"))  # type: ignore[attr-defined]
