"""`just demo`: the dashboard on the embedded model, with a few clients that keep it busy.

Starts `mlxtui up` in this terminal and, beside it, a bounded stream of requests of different kinds.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time

import httpx2

URL = "http://127.0.0.1:8080"
ROUNDS = 200
PROMPTS = (
    "What is the capital of France?",
    "Tell me a long story.",
    "Count from 1 to 50.",
    "Write a poem about the sea.",
    "Think step by step: what is 2 plus 3?",
)


def ask(prompt: str) -> None:
    body = {"model": "default", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    headers = {"user-agent": random.choice(("opencode/1.0", "zed/0.200", "curl/8.5", "OpenAI/Python 3.52"))}
    with httpx2.stream("POST", f"{URL}/v1/chat/completions", json=body, headers=headers, timeout=60) as response:
        for _ in response.iter_lines():
            pass


def keep_busy(stop: threading.Event) -> None:
    for _ in range(ROUNDS):
        if stop.wait(random.uniform(0.2, 1.5)):
            return
        try:
            ask(random.choice(PROMPTS))
        except httpx2.HTTPError:
            time.sleep(1)  # the server is still starting, or has been stopped from the dashboard


def main() -> int:
    stop = threading.Event()
    clients = [threading.Thread(target=keep_busy, args=(stop,), daemon=True) for _ in range(6)]
    for client in clients:
        client.start()
    try:
        return subprocess.call([sys.executable, "-m", "mlxtui", "up", *sys.argv[1:]])
    finally:
        stop.set()


if __name__ == "__main__":
    sys.exit(main())
