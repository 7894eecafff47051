"""How each event makes itself true in the State; the same in the server and in the dashboard.

Deterministic: only the events' own times count. It does not know where events come from or who looks at the state.
"""

from __future__ import annotations

from mlxtui.download import Download
from mlxtui.events import (
    Downloading,
    EngineDown,
    EngineStep,
    Event,
    Logged,
    LogLevel,
    ModelLoading,
    ModelReady,
    ModelUnloaded,
    PromptParted,
    RequestFinished,
    RequestPrioritised,
    RequestQueued,
    RequestReceived,
    ServerStarted,
    ServerStopping,
)
from mlxtui.row import BUCKET, Row
from mlxtui.state import LogLine, Memory, Model, Second, Server, State

DOWNLOADS_KEPT = 20  # that have ended


def fold(state: State, event: Event) -> None:
    """Make `event` true in `state`. Events about requests it never heard of change nothing."""
    match event:
        case EngineStep():
            _step(state, event)
        case RequestReceived(t=t, id=request, endpoint=endpoint, client=client, model=model, stream=stream):
            state.requests[request] = Row(request, endpoint, client, model, stream, received=t)
        case RequestQueued():
            _queued(state, event)
        case RequestFinished():
            _finished(state, event)
        case RequestPrioritised(id=request, priority=priority):
            if row := state.requests.get(request):
                row.priority = priority
        case PromptParted(t=t, id=request, at=at, where=where):
            _log(state, t, "info", f"parts from an earlier prompt after token {at:,}, in {where}", request)
        case Logged(t=t, level=level, message=message, request=about):
            _log(state, t, level, message, about)
        case Downloading():
            _downloading(state, event)
        case _:
            _lifecycle(state, event)


def _lifecycle(
    state: State, event: ServerStarted | ServerStopping | ModelLoading | ModelReady | ModelUnloaded | EngineDown
) -> None:
    match event:
        case ServerStarted(t=t):
            state.server = Server(event.version, event.url, event.pid, t, event.max_running, event.memory_bytes)
            _log(state, t, "info", f"mlxtui {event.version} serves {event.url}")
        case ServerStopping(t=t, grace=grace):
            state.server.stopping = True
            _log(state, t, "warning", f"stopping: running requests have {grace:g} s")
        case ModelLoading(t=t, model=name, detail=detail):
            state.model = Model(name, "loading", detail, since=t)
            _freed(state, t)
            _log(state, t, "info", f"loading {name}: {detail}" if detail else f"loading {name}")
        case ModelReady():
            _ready(state, event)
        case ModelUnloaded(t=t, detail=detail):
            state.model, state.memory = Model("", "unloaded", detail, since=t), Memory()
            _log(state, t, "info", "no model is loaded any more")
        case EngineDown(t=t, detail=detail, retry_in=retry_in):
            model = state.model
            _freed(state, t)
            model.status, model.detail, model.since = "down", detail, t
            model.retry_at = None if retry_in is None else t + retry_in
            again = "no further try" if retry_in is None else f"next try in {retry_in:g} s"
            _log(state, t, "error", f"engine down: {detail} ({again})")


def _freed(state: State, t: float) -> None:
    """The worker that held it is gone."""
    state.memory = Memory()
    second = _second(state, int(t))
    second.active_bytes = second.cache_bytes = 0


def _downloading(state: State, event: Downloading) -> None:
    known = state.downloads.get(event.model)
    if known is None or known.status != "running":
        state.downloads.pop(event.model, None)
        known = state.downloads[event.model] = Download(event.model, event.t, event.t)
        for old in [name for name, each in state.downloads.items() if each.status != "running"][:-DOWNLOADS_KEPT]:
            del state.downloads[old]
    known.take(event)
    if event.status != "running":
        ended = f"{event.status}: {event.detail}" if event.detail else event.status
        _log(state, event.t, "error" if event.status == "failed" else "info", f"download of {event.model} {ended}")


def _ready(state: State, event: ModelReady) -> None:
    state.model = Model(
        name=event.model,
        status="ready",
        since=event.t,
        context_length=event.context_length,
        parameters=event.parameters,
        weights_bytes=event.weights_bytes,
        device=event.device,
        load_seconds=event.load_seconds,
        draft=event.draft,
    )
    _log(state, event.t, "info", f"{event.model} is ready after {event.load_seconds:.1f} s on {event.device}")


def _log(state: State, t: float, level: LogLevel, message: str, request: str | None = None) -> None:
    state.log.append(LogLine(t, level, message, request))


def _queued(state: State, event: RequestQueued) -> None:
    row = state.requests.get(event.id)
    if row is not None:
        row.queued, row.prompt_tokens = event.t, event.prompt_tokens


def _step(state: State, step: EngineStep) -> None:
    memory = state.memory
    memory.active_bytes, memory.peak_bytes = step.active_bytes, step.peak_bytes
    memory.cache_bytes, memory.cache_entries = step.cache_bytes, step.cache_entries
    second = _second(state, int(step.t))
    second.active_bytes, second.cache_bytes = step.active_bytes, step.cache_bytes
    for progress in step.prefills:
        row = state.requests.get(progress.id)
        if row is None:
            continue
        if row.prefill_started is None:
            second.prompt, second.cached = second.prompt + progress.total, second.cached + progress.cached
        second.prefill += row.prefilled(progress, step.t)
    bucket = int(step.t / BUCKET)
    for decoded in step.decoded:
        row = state.requests.get(decoded.id)
        if row is not None:
            row.decoded(decoded.tokens, step.t, bucket)
            second.decode += decoded.tokens


def _second(state: State, at: int) -> Second:
    """The bucket of second `at`; time going backwards (a clock was set) counts in the newest one."""
    if not state.seconds or state.seconds[-1].at < at:
        state.seconds.append(Second(at))
    return state.seconds[-1]


def _finished(state: State, event: RequestFinished) -> None:
    row = state.requests.pop(event.id, None)
    if row is None:
        return
    row.end(event)
    state.finished.append(row)
    state.totals.count(row.endpoint, event)
    if event.outcome == "error":
        _log(state, event.t, "error", f"{event.status} {event.error or 'failed'}", event.id)
