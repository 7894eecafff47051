"""What the store costs a running server: GET of one of many stored responses beside decoding streams, and what the last
turn of a long chain prefills. Prints a Markdown table.

    mlxtui serve --port 9000 &
    uv run --no-sync python tools/bench_store.py http://127.0.0.1:9000 [--stored 1000] [--streams 8] [--turns 50]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import time
from typing import Any

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
    """Streams without end, in a process of their own: their client must not hold up the one that is timed."""

    async def stream(http: httpx2.AsyncClient, number: int) -> None:
        body = {"model": "default", "stream": True, "max_tokens": 800, "temperature": 1, "seed": number}
        while True:
            said = body | {"messages": [{"role": "user", "content": f"Tell me a long story about {random.random()}."}]}
            async with http.stream("POST", "/v1/chat/completions", json=said) as response:
                async for line in response.aiter_lines():
                    chunks.value += line.startswith("data:")

    async def all_of_them() -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=120) as http:
            await asyncio.gather(*(stream(http, number) for number in range(streams)))

    asyncio.run(all_of_them())


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
