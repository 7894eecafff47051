"""How much of the bare batch loop's speed reaches a client, layer by layer inside: mlx-lm's BatchGenerator beside our
scheduler and our engine. Over HTTP, and for any server, `mlxtui bench --floor` tells it.

Same model, same prompts, greedy, no end-of-sequence, so all three generate the same number of tokens. Contestants take
turns within each round and ratios are taken per round: a busy machine slows a whole round, not one contestant. Beside
the speed stands the processor time per token, all processes together, which a busy machine disturbs less.

    uv run --no-sync python tools/bench_floor.py [--model DIR] [--clients 1 8 32] [--tokens 128] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import psutil
from mid_model import endless

from mlxtui.engine.interface import ChatPrompt, Job, Piece
from mlxtui.engine.process import EngineProcess
from mlxtui.engine.worker.floor import GREEDY, bare_loop
from mlxtui.engine.worker.model import Model, load
from mlxtui.engine.worker.prompt import prepare
from mlxtui.engine.worker.scheduler import Scheduler
from mlxtui.settings import EMBEDDED_MODEL, Settings
from mlxtui.types import Message

Contestant = Callable[[list[Job]], int]


def jobs(clients: int, tokens: int, nonce: str) -> list[Job]:
    texts = [f"{nonce} {i}: tell me a long story about number {i} and count from {i} to 100." for i in range(clients)]
    prompts = [ChatPrompt((Message("user", text),)) for text in texts]
    return [Job(f"{nonce}-{i}", prompt, GREEDY, tokens) for i, prompt in enumerate(prompts)]


def floor(model: Model, work: list[Job]) -> int:
    prompts = [prepared[1].tokens for job in work if isinstance(prepared := prepare(model, job), tuple)]
    return bare_loop(model, prompts, work[0].max_tokens or 1, len(prompts))


def scheduler_alone(model: Model, scheduler: Scheduler, work: list[Job]) -> int:
    """Our batch loop in this process: no sockets, but text and reports as for a client."""
    prompts = [prepared[1] for job in work if isinstance(prepared := prepare(model, job), tuple)]
    for prompt in prompts:
        scheduler.admit(prompt)
    count = 0
    while not scheduler.idle:
        count += sum(len(piece.tokens) for piece in scheduler.step().pieces)
        scheduler.retire()
    return count


async def whole_engine(engine: EngineProcess, work: list[Job]) -> int:
    """Chat template, tokenizer, worker process and socket included."""

    async def consume(job: Job) -> int:
        found = [output async for outputs in engine.run(job) for output in outputs if isinstance(output, Piece)]
        return sum(len(piece.tokens) for piece in found)

    return sum(await asyncio.gather(*map(consume, work)))


async def started(path: Path, running: int) -> EngineProcess:
    engine = EngineProcess(Settings(model=str(path), max_running=running), lambda event: None)
    await engine.start()
    while engine.status.state != "ready":
        await asyncio.sleep(0.05)
        if engine.status.state == "failed":
            raise SystemExit(engine.status.detail)
    return engine


def measure(path: Path, clients: list[int], tokens: int, rounds: int) -> None:
    model = load(str(path), None, lambda detail: None)
    scheduler = Scheduler(model, max_running=max(clients), cache_bytes=2 << 30)
    loop = asyncio.new_event_loop()
    engine = loop.run_until_complete(started(path, max(clients)))
    contestants: dict[str, Contestant] = {
        "bare loop": lambda work: floor(model, work),
        "scheduler": lambda work: scheduler_alone(model, scheduler, work),
        "engine": lambda work: loop.run_until_complete(whole_engine(engine, work)),
    }
    print("| clients | bare loop tok/s | scheduler | engine | scheduler / bare | engine / bare | CPU ms per token |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    worker = psutil.Process(engine.pid)
    for count in clients:
        print(row(count, tokens, rounds, contestants, worker), flush=True)
    loop.run_until_complete(engine.close())
    loop.close()


def row(clients: int, tokens: int, rounds: int, contestants: dict[str, Contestant], worker: psutil.Process) -> str:
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    costs: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        order = list(contestants) if turn % 2 else list(reversed(contestants))
        for name in order:
            work = jobs(clients, tokens, f"{clients}-{turn}-{name}")
            began, spent = time.perf_counter(), processor_time(worker)
            count = contestants[name](work)
            if turn:  # the first round only warms up
                speeds[name].append(count / (time.perf_counter() - began))
                costs[name].append(1000 * (processor_time(worker) - spent) / count)
    ratios = [
        median(ours / bare for ours, bare in zip(speeds[name], speeds["bare loop"], strict=True))
        for name in ("scheduler", "engine")
    ]
    cells = [f"{median(speeds[name]):.0f}" for name in contestants] + [f"{ratio:.2f}" for ratio in ratios]
    return (
        "| " + " | ".join([str(clients), *cells, " / ".join(f"{median(cost):.2f}" for cost in costs.values())]) + " |"
    )


def processor_time(worker: psutil.Process) -> float:
    """Seconds that this process and the worker have computed so far."""
    used = worker.cpu_times()
    return time.process_time() + used.user + used.system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=EMBEDDED_MODEL)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        endless(asked.model, Path(directory))
        measure(Path(directory), asked.clients, asked.tokens, asked.rounds)


if __name__ == "__main__":
    main()
