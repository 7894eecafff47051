"""Messages over the socket: whole, in order, and an end that is noticed."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from dataclasses import FrozenInstanceError

import pytest

from mlxtui.engine.interface import ChatPrompt, Failure, Job, Piece, Prefill, Rendered, Stats
from mlxtui.engine.wire import (
    Cancel,
    Command,
    Declined,
    Detokenize,
    Link,
    Loading,
    Note,
    ParseCalls,
    Parsed,
    Ready,
    Report,
    Setup,
    StepReport,
    Submit,
    Tokenize,
    Tokenized,
    frame,
    receive,
)
from mlxtui.types import Dialect, Logprob, Message, ModelInfo, Sampling, TextPrompt, TokenLogprob, Tool

STEP = StepReport(
    (Prefill("a", 1, 2, 0),),
    (Piece("b", "hé", (1, 2), None), Piece("c", "", (), "length", (Logprob(TokenLogprob("h", b"h", -0.5)),))),
    (Failure("d", "engine_error", "broken"),),
    Stats(running=1, prefilling=2, queued=3, active_bytes=4, peak_bytes=5, cache_bytes=6, cache_entries=7),
)
REPORTS: list[Report] = [
    Loading("reading"),
    Ready(ModelInfo("m", 10, Dialect(("<think>", "</think>"), None, None), 0)),
    Rendered("a", 3, "reasoning"),
    Failure("a", "invalid_prompt", "no"),
    STEP,
    Parsed(1, ()),
    Tokenized(2, "hi", (1, 2)),
    Declined(3, Failure("", "invalid_prompt", "no", "prompt")),
    Note("info", "x" * 1_000_000),
]
COMMANDS: list[Command] = [
    Setup("m", None, 4, 5),
    Submit(Job("a", ChatPrompt((Message("user", "hi"),), (Tool("f", "", {"type": "object"}),)), Sampling(0.0), 5)),
    Cancel("a"),
    ParseCalls(1, "{}", ()),
    Tokenize(2, TextPrompt("hi")),
    Detokenize(3, (1, 2)),
]


def _reader(*chunks: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    for chunk in chunks:
        reader.feed_data(chunk)
    reader.feed_eof()
    return reader


def test_reports_arrive_whole_in_whatever_pieces() -> None:
    async def read() -> list[Report | None]:
        data = b"".join(map(frame, REPORTS))
        reader = _reader(*(data[i : i + 997] for i in range(0, len(data), 997)))
        return [await receive(reader) for _ in range(len(REPORTS) + 1)]

    assert asyncio.run(read()) == [*REPORTS, None]


@pytest.mark.parametrize("cut", [1, 3, 4, 10, -1])
def test_a_report_cut_off_is_an_end(cut: int) -> None:
    async def read() -> Report | None:
        return await receive(_reader(frame(STEP)[:cut]))

    assert asyncio.run(read()) is None


def test_the_worker_reads_commands_and_notices_the_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = Link(theirs)
        ours.sendall(b"".join(map(frame, COMMANDS)) + struct.pack("!I", 100) + b"cut off")
        ours.shutdown(socket.SHUT_WR)
        assert [link.receive() for _ in range(len(COMMANDS) + 1)] == [*COMMANDS, None]


def test_threads_may_send_at_once() -> None:
    ours, theirs = socket.socketpair()

    async def read(connection: socket.socket) -> list[str]:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            return [report.message for _ in range(40) if isinstance(report := await receive(reader), Note)]
        finally:
            writer.close()

    with theirs:
        link = Link(theirs)
        texts = [str(i) * 50_000 for i in range(4)]
        threads = [threading.Thread(target=lambda t=t: [link.send(Note("info", t)) for _ in range(10)]) for t in texts]
        for thread in threads:
            thread.start()
        got = asyncio.run(read(ours))
        for thread in threads:
            thread.join()
    assert sorted(got) == sorted(texts * 10)


def test_sending_to_a_server_that_is_gone_is_silent() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        link = Link(theirs)
        link.send(STEP)
        link.send(STEP)
        assert link.receive() is None


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        STEP.stats = Stats()  # type: ignore[misc]
