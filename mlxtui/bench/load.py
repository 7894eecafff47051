"""Scenarios of many clients at once: tokens a second, and requests a second at one token each."""

from __future__ import annotations

import time

from mlxtui.bench import figures
from mlxtui.bench.answer import Answer
from mlxtui.bench.figures import p50, p95, p99
from mlxtui.bench.options import Options
from mlxtui.bench.prompts import story
from mlxtui.bench.scenario import Aim, Column, FloorWork, Measured, Scenario, spread
from mlxtui.bench.talk import ask_together, chat, together, whole
from mlxtui.bench.wire import connection

EACH = 4  # requests of each client in `rate`
PERCENTILES = {"p50": p50, "p95": p95, "p99": p99}


async def throughput(aim: Aim, clients: int) -> Measured:
    """All clients begin at once; the clock runs from the first request to the end of the last answer."""
    prompts = [story(aim.nonce, number) for number in range(clients)]
    answers = await ask_together(aim.target, prompts, aim.options.tokens)
    tokens = sum(answer.tokens for answer in answers)
    span = max(answer.ended for answer in answers) - min(answer.sent for answer in answers)
    found = {
        "tokens_per_second": [tokens / span],
        "tokens": [float(tokens)],
        "ttft": [answer.ttft for answer in answers],
        "gap": [gap for answer in answers for gap in answer.gaps],
    }
    return Measured(found, _notes(answers, aim.options.tokens))


def _notes(answers: list[Answer], wanted: int) -> tuple[str, ...]:
    notes = []
    if not all(answer.counted for answer in answers):
        notes.append("it tells no usage in streams: pieces of text are counted as tokens")
    early = sum(answer.tokens < wanted for answer in answers)
    if early:
        notes.append(f"{early} of {len(answers)} answers ended before {wanted} tokens")
    return tuple(notes)


def throughput_floor(options: Options, nonce: str, clients: int) -> FloorWork:
    return FloorWork([story(nonce, number) for number in range(clients)], options.tokens, clients)


async def rate(aim: Aim, clients: int) -> Measured:
    """Each client asks one request after the other, on one connection as long as the endpoint keeps it open."""

    async def client(first: int) -> list[Answer]:
        contents = [
            chat(aim.target, story(aim.nonce, number), 1, stream=False) for number in range(first, first + EACH)
        ]
        answers = []
        while contents:
            async with connection(aim.target) as opened:
                while contents:
                    opened.send(contents.pop(0))
                    answers.append(await whole(opened))
                    if not opened.response.reusable:
                        break
        return answers

    began = time.monotonic()
    done = await together(client(number * EACH) for number in range(clients))
    span = time.monotonic() - began
    latencies = [answer.ended - answer.sent for answers in done for answer in answers]
    return Measured({"requests_per_second": [clients * EACH / span], "latency": latencies})


def rate_floor(options: Options, nonce: str, clients: int) -> FloorWork:
    return FloorWork([story(nonce, number) for number in range(clients * EACH)], 1, clients)


def _clients(options: Options) -> tuple[int, ...]:
    return options.clients


THROUGHPUT = Scenario(
    "throughput",
    "Throughput: everybody asks at once",
    "clients",
    _clients,
    throughput,
    (
        Column("tok/s", "tokens_per_second", p50, figures.rate),
        *spread("TTFT", "ttft", PERCENTILES, figures.seconds),
        *spread("pause", "gap", PERCENTILES, figures.seconds),
    ),
    lead="tokens_per_second",
    floor=throughput_floor,
)
RATE = Scenario(
    "rate",
    "Request rate: answers of one token",
    "clients",
    _clients,
    rate,
    (
        Column("requests/s", "requests_per_second", p50, figures.rate),
        *spread("latency", "latency", PERCENTILES, figures.seconds),
    ),
    lead="requests_per_second",
    floor=rate_floor,
)
