"""How long `mlxtui up` takes to its first paint and to its first answer: median of five starts in a pseudo-terminal."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.e2e.terminal import Terminal

STARTS = 5


def start(home: str) -> tuple[float, float]:
    """Seconds to the first paint, and to /ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = os.environ | {"MLXTUI_HOME": home}
    terminal = Terminal([sys.executable, "-m", "mlxtui", "up", "--port", str(port), "--grace", "0"], environ)
    painted = terminal.read_until("requests")
    while True:
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200:
                break
        except httpx2.TransportError:
            time.sleep(0.02)
    ready = time.monotonic() - terminal.begun
    terminal.press("q")
    terminal.read_until("leave it running")
    terminal.press("s")
    terminal.close()
    return painted, ready


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        times = [start(home) for _ in range(STARTS)]
    paints, readies = zip(*times, strict=True)
    print(f"first paint {median(paints):.2f} s, ready {median(readies):.2f} s (median of {STARTS} starts)")


if __name__ == "__main__":
    main()
