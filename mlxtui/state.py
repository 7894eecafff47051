"""What is true now: the server, its model, its requests and figures over them. `fold` makes events true in it.

Rows and figures go out; whatever needs the present takes `now`. It does not know how events travel, or how anything is
drawn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from itertools import chain, islice
from typing import Any, Literal

from mlxtui.download import Download
from mlxtui.events import LogLevel
from mlxtui.row import Row, RowState
from mlxtui.totals import Totals
from mlxtui.types import PRIORITIES

ModelStatus = Literal["none", "loading", "ready", "down", "unloaded"]

FINISHED_KEPT = 2000  # a snapshot with them is 1.2 MB and costs the server 30 ms
LOG_KEPT = 500
SECONDS_KEPT = 300
RECENT = 100  # finished requests that percentiles and the hit rate look at


@dataclass(slots=True)
class Server:
    """`started` is Unix time, 0 before the first event; `memory_bytes` is the machine's, 0 unknown."""

    version: str = ""
    url: str = ""
    pid: int = 0
    started: float = 0.0
    max_running: int = 0
    memory_bytes: int = 0
    stopping: bool = False


@dataclass(slots=True)
class Model:
    """`retry_at`: Unix time of the next try after a failure, None: there will be none. Sizes in bytes.

    `draft` is the model that drafts for it, "" for none.
    """

    name: str = ""
    status: ModelStatus = "none"
    detail: str = ""
    since: float = 0.0
    retry_at: float | None = None
    context_length: int = 0
    parameters: int = 0
    weights_bytes: int = 0
    device: str = ""
    load_seconds: float = 0.0
    draft: str = ""


@dataclass(slots=True)
class Memory:
    active_bytes: int = 0
    peak_bytes: int = 0
    cache_bytes: int = 0
    cache_entries: int = 0


@dataclass(slots=True)
class Second:
    """Tokens of one second of Unix time `at`, and the memory at its end.

    `prompt` and `cached` are tokens of the prompts whose prefill began in it, and how many of those were reused.
    """

    at: int
    decode: int = 0
    prefill: int = 0
    prompt: int = 0
    cached: int = 0
    active_bytes: int = 0
    cache_bytes: int = 0


@dataclass(slots=True)
class LogLine:
    t: float
    level: LogLevel
    message: str
    request: str | None = None


def _rows() -> deque[Row]:
    return deque(maxlen=FINISHED_KEPT)


def _lines() -> deque[LogLine]:
    return deque(maxlen=LOG_KEPT)


def _seconds() -> deque[Second]:
    return deque(maxlen=SECONDS_KEPT + 2)


@dataclass(slots=True)
class State:
    """`requests` holds live rows in order of arrival; `finished`, `log` and `seconds` are bounded, newest last."""

    server: Server = field(default_factory=Server)
    model: Model = field(default_factory=Model)
    memory: Memory = field(default_factory=Memory)
    totals: Totals = field(default_factory=Totals)
    requests: dict[str, Row] = field(default_factory=dict)
    finished: deque[Row] = field(default_factory=_rows)
    seconds: deque[Second] = field(default_factory=_seconds)
    log: deque[LogLine] = field(default_factory=_lines)
    downloads: dict[str, Download] = field(default_factory=dict)

    def row(self, request: str) -> Row | None:
        """The row of this request, live or finished (the newest, should an id come twice)."""
        live = self.requests.get(request)
        return live or next((row for row in reversed(self.finished) if row.id == request), None)

    def count(self, *states: RowState) -> int:
        return sum(row.state in states for row in self.requests.values())

    def queue(self) -> dict[str, int]:
        """Position of each waiting request, from 1: the high ones before the normal and the low ones."""
        waiting = [row for row in self.requests.values() if row.state == "queued"]
        waiting.sort(key=lambda row: PRIORITIES.index(row.priority))
        return {row.id: position for position, row in enumerate(waiting, 1)}

    def rates(self, now: float) -> tuple[float, float]:
        """Decode and prefill tokens per second over the last two whole seconds."""
        last = int(now)
        recent = [s for s in islice(reversed(self.seconds), 4) if last - 2 <= s.at < last]
        return sum(s.decode for s in recent) / 2, sum(s.prefill for s in recent) / 2

    def history(self, now: float, seconds: int = SECONDS_KEPT) -> list[Second]:
        """Each of the last whole seconds, oldest first; while nothing happens, memory stays as it was."""
        last = int(now)
        known = {second.at: second for second in self.seconds}
        found, before = [], Second(0)
        for at in range(last - SECONDS_KEPT, last):
            before = known.get(at) or Second(at, active_bytes=before.active_bytes, cache_bytes=before.cache_bytes)
            found.append(before)
        return found[-seconds:]

    def ttft(self, *quantiles: float) -> list[float | None]:
        """Quantiles (0..1, nearest rank) of the time to first token, over recent and live requests."""
        times = sorted(row.ttft for row in self._recent() if row.ttft is not None)
        return [times[min(len(times) - 1, int(q * len(times)))] if times else None for q in quantiles]

    def hit_rate(self) -> float | None:
        """Share of recent prompt tokens that came from the cache."""
        rows = [row for row in self._recent() if row.prefill_started is not None]
        prompt = sum(row.prompt_tokens or 0 for row in rows)
        return sum(row.cached_tokens for row in rows) / prompt if prompt else None

    def _recent(self) -> Iterator[Row]:
        return chain(self.requests.values(), islice(reversed(self.finished), RECENT))

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON objects and arrays."""
        return {
            "server": flat(self.server),
            "model": flat(self.model),
            "memory": flat(self.memory),
            "totals": self.totals.to_json(),
            "requests": [flat(row) for row in self.requests.values()],
            "finished": [flat(row) for row in self.finished],
            "seconds": [flat(second) for second in self.seconds],
            "log": [flat(line) for line in self.log],
            "downloads": [flat(download) for download in self.downloads.values()],
        }

    def remember(self, before: State) -> None:
        """Put the finished requests that `before` knows of the same server before those known here, as many as fit."""
        if (before.server.started, before.server.pid) == (self.server.started, self.server.pid):
            here = {row.id for row in self.finished}
            older = [row for row in before.finished if row.id not in here]
            self.finished = deque([*older, *self.finished], self.finished.maxlen)

    def copy(self) -> State:
        """What later events do not change; rows that have ended never change and are the same in both."""
        return deepcopy(self, {id(row): row for row in self.finished})

    @classmethod
    def from_json(cls, data: Mapping[str, Any], finished: int = FINISHED_KEPT) -> State:
        """The state that `to_json` wrote, with room for this many finished requests.

        Raises:
            ValueError: it was written by another version.
        """
        try:
            state = cls(
                Server(**data["server"]),
                Model(**data["model"]),
                Memory(**data["memory"]),
                Totals.from_json(data["totals"]),
            )
            state.requests = {row["id"]: Row(**row) for row in data["requests"]}
            state.finished = deque((Row(**row) for row in data["finished"]), finished)
            state.seconds.extend(Second(**second) for second in data["seconds"])
            state.log.extend(LogLine(**line) for line in data["log"])
            state.downloads = {download["model"]: Download(**download) for download in data["downloads"]}
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a state of this version of mlxtui: {error}") from error
        return state


def flat(value: Any) -> dict[str, Any]:
    """A part of the state, such as a Row, as a JSON object."""
    flat = {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Row):
        flat["recent"] = [list(bucket) for bucket in value.recent]
    return flat
