"""Memory stays level: once the cache is full, more requests of the same size leave as many bytes active as before.

tools/soak_memory.py does the same with ten thousand of them, through a real worker, and looks at resident memory.
"""

from __future__ import annotations

import mlx.core as mx

from mlxtui.engine.worker import device
from mlxtui.engine.worker.cache.entry import Origin
from tests.engine.conftest import Models
from tests.engine.drive import Drive, prompt


def test_memory_is_level_once_the_cache_is_full(models: Models) -> None:
    model = models("plain")
    drive = Drive(model, cache_bytes=40 * 50 * model.info.kv_bytes_per_token)

    def after(first: int, last: int) -> tuple[int, int]:
        """Active bytes and entries once these requests are answered, four at a time."""
        for begin in range(first, last, 4):
            for number in range(begin, begin + 4):
                drive.admit(prompt(number, 45), 4, origin=Origin(f"r{number}"))
            drive.finish()
            drive.got.clear()
        device.release()
        return mx.get_active_memory(), len(drive.scheduler.cache)

    level = after(0, 80)
    assert drive.scheduler.cache.evicted
    active, entries = after(80, 320)
    assert entries == level[1]
    assert abs(active - level[0]) < 0.01 * level[0]
