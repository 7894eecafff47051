"""Which model the engine is to have: the one that is wanted, the one to go back to, and who waits for the outcome.

Wishes and their ends come in; the name of what to load goes out. It knows no worker.
"""

from __future__ import annotations

import asyncio

from mlxtui.errors import ApiError, Conflict
from mlxtui.types import ModelInfo


class Wanted:
    """`name` is to be loaded, None: nothing. `settled`: a model was asked for at run time, so the server lives on
    without one, where at the start it would end.
    """

    def __init__(self, name: str) -> None:
        self.name: str | None = name
        self.settled = False
        self._before: str | None = None
        self._outcome: asyncio.Future[ModelInfo] | None = None

    @property
    def awaited(self) -> bool:
        """Somebody waits to hear whether it can be loaded."""
        return self._outcome is not None and not self._outcome.done()

    def ask(self, name: str) -> asyncio.Future[ModelInfo]:
        """Want `name` from now on, and the present one again if it can't be loaded.

        Raises:
            Conflict: another one is being loaded.
        """
        if self.awaited:
            raise Conflict(f"{self.name} is being loaded: wait for it, or unload it", code="model_loading")
        self._before, self.name, self.settled = self.name, name, True
        self._outcome = asyncio.get_running_loop().create_future()
        return self._outcome

    def loaded(self, model: ModelInfo) -> None:
        if self._outcome is not None and self.awaited:
            self._outcome.set_result(model)

    def failed(self, error: ApiError) -> str | None:
        """It can't be loaded; returns what is wanted instead: the one before, once, then nothing."""
        self._end(error)
        self.name, self._before = self._before, None
        return self.name

    def drop(self, error: ApiError) -> None:
        """Want nothing; `error` for who waits."""
        self._end(error)
        self.name, self._before, self.settled = None, None, True

    def _end(self, error: ApiError) -> None:
        if self._outcome is not None and self.awaited:
            self._outcome.set_exception(error)
