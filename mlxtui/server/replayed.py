"""`--replay FILE`: finds the recorded exchange that a request repeats, so that the engine can play its run.

Requests are matched by method, path and body, ids and times aside. Guards and errors are the application's own.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from quart import Quart, request

from mlxtui.compare import nearest, request_key
from mlxtui.errors import NotFound
from mlxtui.recorded import RecordedExchange, RecordedRequest, Recording
from mlxtui.server.guard import read_body

MOST_LINES = 40


class Matcher:
    """Remembers how often each request came: repeats get the recorded answers in order, then from the first again."""

    def __init__(self, recording: Recording) -> None:
        self._exchanges = [e for e in recording.exchanges if e.run or e.response.status not in (429, 503)]
        self._by_key: dict[str, list[RecordedExchange]] = defaultdict(list)
        self._times: Counter[str] = Counter()
        for exchange in self._exchanges:
            asked = exchange.request
            self._by_key[request_key(asked.method, asked.path, asked.body)].append(exchange)

    def find(self, method: str, path: str, body: bytes) -> str:
        """The id to answer under: the recorded one, from the second round on with "+" and the round.

        Raises:
            NotFound: nothing like it was recorded; names what comes nearest.
        """
        key = request_key(method, path, body)
        recorded = self._by_key.get(key)
        if not recorded:
            raise NotFound(self._miss(RecordedRequest(method, path, (), body)), code="not_recorded")
        rounds, at = divmod(self._times[key], len(recorded))
        self._times[key] += 1
        return recorded[at].id + (f"+{rounds}" if rounds else "")

    def _miss(self, asked: RecordedRequest) -> str:
        found = nearest(asked, self._exchanges)
        if found is None:
            return "this request is not in the recording, which holds none"
        best, lines = found
        shown = "\n".join(lines[:MOST_LINES])
        more = f"\n... and {len(lines) - MOST_LINES} more lines" if len(lines) > MOST_LINES else ""
        return f"this request is not in the recording; the nearest is {best.id}, which differs:\n{shown}{more}"


def install(app: Quart, recording: Recording) -> None:
    """Match what generates, after the guards; what `app` refuses anyway (no route, no JSON) is left to it."""
    matcher = Matcher(recording)

    @app.before_request
    async def match() -> None:
        generates = request.method == "POST" and request.path.startswith("/v1/")
        if generates and request.routing_exception is None and request.mimetype == "application/json":
            body = await read_body(request)
            query = request.query_string.decode("latin-1")
            path = request.path + (f"?{query}" if query else "")
            request.scope["mlxtui.replayed_id"] = matcher.find(request.method, path, body)  # type: ignore[typeddict-unknown-key]
