"""What the store costs a running server: GET of one of many stored responses beside decoding streams, and what the last
turn of a long chain prefills. Prints a Markdown table.

    mlxtui serve --port 9000 &
    uv run --no-sync python tools/bench_store.py http://127.0.0.1:9000 [--stored 1000] [--streams 8] [--turns 50]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import selectors
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx2

GETS = 1000
ASKED = {"model": "default", "temperature": 0, "max_output_tokens": 4}


async def store(http: httpx2.AsyncClient, count: int) -> list[str]:
    """The ids of so many new responses."""
    ids: list[str] = []

    async def some() -> None:
        while len(ids) < count:
            ids.append("")
            place = len(ids) - 1
            answer = await http.post("/v1/responses", json=ASKED | {"input": f"Say {place}."})
            ids[place] = answer.raise_for_status().json()["id"]

    await asyncio.gather(*(some() for _ in range(16)))
    return ids


def decode(url: str, streams: int, chunks: Any) -> None:
    """Streams without end, in a process of their own that only counts bytes: a client's parsing would cost more than
    the server does, on the same cores."""
    server = urlsplit(url)

    def ask(number: int) -> None:
        said = {"messages": [{"role": "user", "content": f"Tell me a long story about {random.random()}."}]}
        body = json.dumps(
            said | {"model": "default", "stream": True, "max_tokens": 800, "temperature": 1, "seed": number}
        )
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        connection = socket.create_connection((server.hostname or "", server.port or 80))
        connection.sendall((head + body).encode())
        ready.register(connection, selectors.EVENT_READ, number)

    with selectors.DefaultSelector() as ready:
        for number in range(streams):
            ask(number)
        while True:
            for key, _ in ready.select():
                connection: Any = key.fileobj
                if got := connection.recv(1 << 16):
                    chunks.value += got.count(b"data:")
                else:
                    ready.unregister(connection)
                    connection.close()
                    ask(key.data + streams)


async def gets(http: httpx2.AsyncClient, ids: list[str]) -> list[float]:
    """Milliseconds of each GET, sorted."""
    took = []
    for _ in range(GETS):
        began = time.perf_counter()
        (await http.get(f"/v1/responses/{random.choice(ids)}")).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took)


async def chain(http: httpx2.AsyncClient, turns: int) -> dict[str, int]:
    """Usage of the last turn."""
    previous, usage = None, {}
    for turn in range(turns):
        body = ASKED | {"input": f"Turn {turn}: count to {turn}.", "previous_response_id": previous}
        answer = (await http.post("/v1/responses", json=body)).raise_for_status().json()
        previous, usage = answer["id"], answer["usage"]
    return {"input": usage["input_tokens"], "cached": usage["input_tokens_details"]["cached_tokens"]}


async def measure(url: str, stored: int, streams: int, turns: int) -> None:
    async with httpx2.AsyncClient(base_url=url, timeout=120) as http:
        ids = await store(http, stored)
        alone = await gets(http, ids)
        chunks = multiprocessing.Value("q", 0, lock=False)
        decoding = multiprocessing.Process(target=decode, args=(url, streams, chunks), daemon=True)
        decoding.start()
        while chunks.value < streams:
            await gets(http, ids[:1])
        before, began = chunks.value, time.perf_counter()
        beside = await gets(http, ids)
        speed = (chunks.value - before) / (time.perf_counter() - began)
        decoding.terminate()
        decoding.join()
        usage = await chain(http, turns)
    print("| GET of one of", stored, "stored responses | p50 | p99 | max |\n|---|---|---|---|")
    for name, took in (("alone", alone), (f"beside {streams} streams ({speed:.0f} chunks/s)", beside)):
        print(f"| {name} | {took[GETS // 2]:.1f} ms | {took[GETS * 99 // 100]:.1f} ms | {took[-1]:.1f} ms |")
    prefilled = usage["input"] - usage["cached"]
    print(f"\nTurn {turns} of a chain: {usage['input']} prompt tokens, {prefilled} of them prefilled.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--stored", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--turns", type=int, default=50)
    asked = parser.parse_args()
    asyncio.run(measure(asked.url.rstrip("/"), asked.stored, asked.streams, asked.turns))


if __name__ == "__main__":
    main()
