"""`python -m mlxtui.engine.worker FD`: serve the engine's protocol on a socket until the other end hangs up.

The main thread owns MLX: it imports, loads, steps, evaluates and frees. It sleeps on its inbox while there is nothing
to do. Importing mlx_lm takes two seconds: everything that can be known or go wrong before is dealt with before.
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
from functools import partial
from queue import Empty
from typing import TYPE_CHECKING

from mlxtui.engine.wire import AskCache, Cancel, Link, LoadFailed, Loading, Note, Prioritise, Ready, Setup
from mlxtui.engine.worker.cache.errands import Report
from mlxtui.engine.worker.desk import Desk, HangUp, Order
from mlxtui.engine.worker.locate import LoadError, find
from mlxtui.engine.worker.slot import Prompt
from mlxtui.events import LogLevel

if TYPE_CHECKING:
    from mlxtui.engine.worker.cache.disk import Disk
    from mlxtui.engine.worker.model import Model
    from mlxtui.engine.worker.scheduler import Scheduler

_log = logging.getLogger("mlxtui.engine")
_RESTLESS, _SAVING = 5.0, 6.0  # seconds; those to save must end before the desk loses patience
_LEVELS: dict[int, LogLevel] = {logging.ERROR: "error", logging.WARNING: "warning"}


class _Notes(logging.Handler):
    """Log records as Notes to the server, which owns the log."""

    def __init__(self, link: Link) -> None:
        super().__init__(logging.INFO)
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        self._link.send(Note(_LEVELS.get(record.levelno, "info"), self.format(record)))


def main() -> int:
    link = Link(socket.socket(fileno=int(sys.argv[1])))
    _log.addHandler(_Notes(link))
    _log.propagate = False
    setup = link.receive()
    if not isinstance(setup, Setup):
        return 1
    desk = Desk(link)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; what it means, the server decides
    signal.signal(signal.SIGTERM, lambda *_: desk.inbox.put(HangUp()))
    desk.open()
    # The renderer takes the interpreter for milliseconds at a time: let the stepping thread have it back soon.
    sys.setswitchinterval(0.001)
    try:
        find(setup.model)
        link.send(Loading("starting MLX"))
        from mlxtui.engine.worker import device

        try:
            _serve(setup, link, desk)
        finally:
            device.shut_down()
    except LoadError as error:
        link.send(LoadFailed(str(error)))
        return 1
    return 0


def _serve(setup: Setup, link: Link, desk: Desk) -> None:
    from mlxtui.engine.worker import device
    from mlxtui.engine.worker.memory import cache_budget
    from mlxtui.engine.worker.model import load, with_draft
    from mlxtui.engine.worker.prompt import answer, prepare
    from mlxtui.engine.worker.scheduler import Scheduler

    def tell(detail: str) -> None:
        link.send(Loading(detail))

    model = load(setup.model, setup.context_length, tell, setup.kv_bits)
    if setup.draft_model:
        model = with_draft(model, setup.draft_model, tell)
    budget = cache_budget(device.left(model.info.weights_bytes))
    scheduler = Scheduler(
        model,
        max_running=setup.max_running,
        cache_bytes=budget if setup.cache_bytes is None else setup.cache_bytes,
        memory_limit=device.memory_limit(),
    )
    disk = _disk(setup, model, desk) if scheduler.cache.max_bytes else None
    if disk:
        scheduler.cache.leaving = disk.keep
    desk.open_rendering(partial(prepare, model), partial(answer, model))
    gc.freeze()  # a full collection then passes over the libraries: 30 to 60 ms in which no stream gets a token
    link.send(Ready(model.info))
    if disk:
        disk.read_ahead(scheduler.cache)
    while _obey(scheduler, disk, desk, link):
        if not scheduler.idle:
            report = scheduler.step()
            if report.prefills or report.pieces or report.failures:
                link.send(report)
            scheduler.retire()
            if scheduler.idle:
                link.send(scheduler.report())  # what the prompt cache holds now
    if disk:
        disk.close(scheduler.cache, _SAVING)


def _disk(setup: Setup, model: Model, desk: Desk) -> Disk | None:
    """The prompt cache's files; None: there are to be none, or there is no place for them."""
    from mlxtui.engine.worker.cache.disk import Disk
    from mlxtui.engine.worker.cache.identity import identity

    if setup.disk_cache is None:
        return None
    known_by = identity(find(setup.model), f"{model.info.device}, KV cache in {setup.kv_bits or 'all'} bits")
    limits = setup.disk_cache_bytes, setup.disk_cache_ttl
    try:
        return Disk(setup.disk_cache, *limits, model.module, known_by, desk.inbox.put)
    except OSError as error:
        _log.warning("the prompt cache stays in memory only: %s", error)
        return None


def _obey(scheduler: Scheduler, disk: Disk | None, desk: Desk, link: Link) -> bool:
    """Carry out all orders that are there, waiting for one if there is nothing else to do; False: hang up."""
    from mlxtui.engine.worker.cache.told import told

    while True:
        try:
            order = _rest(scheduler, disk, desk) if scheduler.idle else desk.inbox.get(block=False)
        except Empty:
            return True
        if isinstance(order, HangUp):
            return False
        if isinstance(order, AskCache):
            link.send(told(scheduler.cache, disk, order))
        elif isinstance(order, Prioritise):
            scheduler.prioritise(order.id, order.priority)
            if disk:
                disk.prioritise(order.id, order.priority)
        else:
            _schedule(scheduler, disk, order)


def _schedule(scheduler: Scheduler, disk: Disk | None, order: Prompt | Cancel | Report) -> None:
    """Prompts of which a file has more than memory go by way of the disk."""
    if isinstance(order, Prompt):
        if not (disk and disk.recall(order, scheduler.cache)):
            scheduler.admit(order)
    elif isinstance(order, Cancel):
        scheduler.cancel(order.id)
        if disk:
            disk.cancel(order.id)
    elif disk:
        for prompt in disk.take(order, scheduler.cache, idle=scheduler.idle):
            scheduler.admit(prompt)


def _rest(scheduler: Scheduler, disk: Disk | None, desk: Desk) -> Order:
    """Sleep until there is an order; after a while give MLX's spare buffers back to the system, and write to disk what
    has not been used for long."""
    from mlxtui.engine.worker import device

    patience: float | None = _RESTLESS
    while True:
        try:
            return desk.inbox.get(timeout=patience)
        except Empty:
            patience = disk.keep_rested(scheduler.cache) if disk else None
            device.release()


if __name__ == "__main__":
    sys.exit(main())
