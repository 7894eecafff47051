"""The front desk of the worker: two threads between the socket and the owner thread. Neither touches MLX.

The reader takes commands off the socket; the renderer turns jobs into prompts. A job that is cancelled before it is
rendered never reaches the owner thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from mlxtui.engine.interface import Failure, Job, Rendered
from mlxtui.engine.wire import (
    AskCache,
    Cancel,
    Declined,
    Link,
    Parsed,
    Prioritise,
    Question,
    Spelled,
    Submit,
    Tokenized,
)
from mlxtui.engine.worker.cache.errands import Report
from mlxtui.engine.worker.slot import Prompt

_LOADING, _STUCK = 0.2, 7.5  # seconds that the owner thread has to notice a hang-up by itself


class HangUp:
    """The server is gone, or wants the worker gone."""


Order = Prompt | Cancel | Prioritise | AskCache | Report | HangUp
Prepare = Callable[[Job], tuple[Rendered, Prompt] | Failure]
Answer = Callable[[Question], Parsed | Tokenized | Spelled | Declined]


class Desk:
    """`inbox` is what the owner thread lives on."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.inbox: SimpleQueue[Order] = SimpleQueue()
        self._todo: SimpleQueue[Job | Prioritise | Question] = SimpleQueue()
        self._unrendered: set[str] = set()
        self._lock = threading.Lock()
        self._patience = _LOADING

    def open(self) -> None:
        """Start reading commands; before the model is loaded, so that a server that leaves is noticed."""
        _thread("reader", self._read)

    def open_rendering(self, prepare: Prepare, answer: Answer) -> None:
        """The model is loaded: start turning jobs into prompts."""
        self._patience = _STUCK
        _thread("renderer", lambda: self._render(prepare, answer))

    def _read(self) -> None:
        while (command := self._link.receive()) is not None:
            if isinstance(command, Submit):
                with self._lock:
                    self._unrendered.add(command.job.id)
                self._todo.put(command.job)
            elif isinstance(command, Cancel):
                self._cancel(command)
            elif isinstance(command, AskCache):
                self.inbox.put(command)
            elif isinstance(command, Prioritise | Question):
                self._todo.put(command)
        self.inbox.put(HangUp())
        time.sleep(self._patience)
        os._exit(1)  # the owner thread is in the middle of a load or stuck in a kernel: nobody is left to wait for it

    def _cancel(self, command: Cancel) -> None:
        with self._lock:
            if command.id in self._unrendered:
                self._unrendered.remove(command.id)
                return
        self.inbox.put(command)

    def _render(self, prepare: Prepare, answer: Answer) -> None:
        while True:
            todo = self._todo.get()
            if isinstance(todo, Prioritise):
                self.inbox.put(todo)  # it came behind its job, and stays there
            elif not isinstance(todo, Job):
                self._link.send(answer(todo))
            elif todo.id in self._unrendered:
                self._hand_over(todo, prepare(todo))

    def _hand_over(self, job: Job, prepared: tuple[Rendered, Prompt] | Failure) -> None:
        with self._lock:
            if job.id not in self._unrendered:
                return
            self._unrendered.remove(job.id)
            if isinstance(prepared, Failure):
                self._link.send(prepared)
            else:
                rendered, prompt = prepared
                self._link.send(rendered)
                self.inbox.put(prompt)


def _thread(name: str, target: Callable[[], None]) -> None:
    threading.Thread(target=target, name=name, daemon=True).start()
