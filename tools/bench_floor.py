"""How much of the bare batch loop's speed reaches a client: mlx-lm's BatchGenerator in-process beside our engine.

Same model, same prompts, greedy, no end-of-sequence, so all three generate the same number of tokens. Contestants take
turns within each round and ratios are taken per round: a busy machine slows a whole round, not one contestant. Beside
the speed stands the processor time per token, all processes together, which a busy machine disturbs less.

    uv run --no-sync python tools/bench_floor.py [--model DIR] [--clients 1 8 32] [--tokens 128] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import psutil

from mlxtui.engine.interface import ChatPrompt, Job, Piece
from mlxtui.engine.process import EngineProcess
from mlxtui.engine.worker.locate import find
from mlxtui.engine.worker.model import Model, load
from mlxtui.engine.worker.prompt import prepare
from mlxtui.engine.worker.scheduler import Scheduler
from mlxtui.settings import EMBEDDED_MODEL, Settings
from mlxtui.types import Message, Sampling

GREEDY = Sampling(temperature=0.0, top_p=1.0, top_k=0, min_p=0.0)
Contestant = Callable[[list[Job]], int]


def endless(model: str, directory: Path) -> Path:
    """A copy of the model that never ends by itself: its end-of-sequence token becomes one it does not say."""
    path = directory / "endless"
    shutil.copytree(find(model), path)
    tokenizer = json.loads((path / "tokenizer_config.json").read_text())
    unused = tokenizer.get("pad_token") or tokenizer["eos_token"]
    ids = {t["content"]: t["id"] for t in json.loads((path / "tokenizer.json").read_text())["added_tokens"]}
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer | {"eos_token": unused}))
    for name in ("config.json", "generation_config.json"):
        if (path / name).exists():
            said = json.loads((path / name).read_text())
            (path / name).write_text(json.dumps(said | {"eos_token_id": ids[unused]}))
    return path


def jobs(clients: int, tokens: int, nonce: str) -> list[Job]:
    texts = [f"{nonce} {i}: tell me a long story about number {i} and count from {i} to 100." for i in range(clients)]
    prompts = [ChatPrompt((Message("user", text),)) for text in texts]
    return [Job(f"{nonce}-{i}", prompt, GREEDY, tokens) for i, prompt in enumerate(prompts)]


def bare_loop(model: Model, work: list[Job]) -> int:
    """mlx-lm's BatchGenerator as its own batch_generate drives it; returns the tokens generated."""
    from mlx_lm.generate import BatchGenerator

    prompts = [prepared[1].tokens for job in work if isinstance(prepared := prepare(model, job), tuple)]
    generator = BatchGenerator(model.module, max_tokens=work[0].max_tokens or 1)
    generator.insert(prompts)
    count, left = 0, len(prompts)
    while left:
        _, responses = generator.next()
        count += len(responses)
        left -= sum(response.finish_reason is not None for response in responses)
    generator.close()
    return count


def scheduler_alone(model: Model, scheduler: Scheduler, work: list[Job]) -> int:
    """Our batch loop in this process: no sockets, but text and reports as for a client."""
    prompts = [prepared[1] for job in work if isinstance(prepared := prepare(model, job), tuple)]
    for prompt in prompts:
        scheduler.admit(prompt)
    count = 0
    while not scheduler.idle:
        count += sum(len(piece.tokens) for piece in scheduler.step().pieces)
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
        "bare loop": lambda work: bare_loop(model, work),
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
        measure(endless(asked.model, Path(directory)), asked.clients, asked.tokens, asked.rounds)


if __name__ == "__main__":
    main()
