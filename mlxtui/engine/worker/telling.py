"""What a step has to tell the server: how far prompts are prefilled, text, and who failed."""

from __future__ import annotations

import logging
from typing import Literal

from mlxtui.engine.interface import Failure, Piece, Prefill, Stats
from mlxtui.engine.wire import StepReport
from mlxtui.engine.worker.cache.entry import Parting
from mlxtui.engine.worker.detokenize import Detokenizers
from mlxtui.engine.worker.figures import Figure, logprob
from mlxtui.engine.worker.slot import Prompt, Slot

_log = logging.getLogger("mlxtui.engine")


class Telling:
    """Filled during a step, emptied by `report`. Knows no caches."""

    def __init__(self, detokenizers: Detokenizers) -> None:
        self._bytes_of = detokenizers.bytes_of
        self._prefills: list[Prefill] = []
        self._pieces: list[Piece] = []
        self._failures: list[Failure] = []

    def started(self, slot: Slot, parting: Parting | None) -> None:
        """`parting`: where its prompt is another than what was kept."""
        miss = parting.told(slot.tokens, self._bytes_of) if parting else None
        total = len(slot.tokens)
        self._prefills.append(Prefill(slot.id, slot.done if slot.ahead else total, total, slot.cached, miss))

    def prefilled(self, slot: Slot, *, done: bool = False) -> None:
        """How far it is; nothing is told of one that is prefilled again after it has said something."""
        total = len(slot.prompt.tokens)
        if not slot.generated:
            self._prefills.append(Prefill(slot.id, slot.done if slot.ahead and not done else total, total, slot.cached))

    def said(self, slot: Slot, token: int, figure: Figure | None, *, ended: bool) -> None:
        """`ended`: by this token, which is not text."""
        text = slot.detokenizer.feed(() if ended else (token,), last=slot.finished)
        reason: Literal["stop", "length"] = "stop" if ended else "length"
        logprobs = (logprob(token, figure, self._bytes_of),) if figure and not ended else ()
        self._pieces.append(Piece(slot.id, text, (token,), reason if slot.finished else None, logprobs))

    def refused(self, prompt: Prompt, message: str) -> None:
        self._failures.append(Failure(prompt.id, "insufficient_memory", message))

    def failed(self, slot: Slot, error: Exception | None) -> None:
        _log.error("job %s failed", slot.id, exc_info=error)
        message = f"generation failed: {type(error).__name__}: {error}"
        self._failures.append(Failure(slot.id, "engine_error", message))

    def report(self, stats: Stats) -> StepReport:
        report = StepReport(tuple(self._prefills), tuple(self._pieces), tuple(self._failures), stats)
        self._prefills, self._pieces, self._failures = [], [], []
        return report
