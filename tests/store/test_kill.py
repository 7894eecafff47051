"""SIGKILL at random points: what clients were told is there, the rest has failed. tools/kill_store.py does it often."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tools.kill_store import trial


def test_a_killed_server_loses_nothing_that_it_told(tmp_path: Path) -> None:
    told = asyncio.run(trial(tmp_path / "store.sqlite3", kills=2, seed=4))
    assert told.ended
