"""The engine as the server sees it: a worker in a child process that is watched, restarted and never orphaned."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlxtui.engine.interface import ChatPrompt, Job, Miss, Output, ParsedCall, Piece, Prefill, Rendered
from mlxtui.engine.process import EngineProcess
from mlxtui.errors import ContextLengthExceeded, EngineFailed, InvalidRequest, NotFound, Unavailable
from mlxtui.events import EngineDown, EngineStep, Event, Logged, ModelLoading, ModelReady, RequestQueued
from mlxtui.settings import Settings
from mlxtui.types import NEUTRAL_SAMPLING, Constraint, Message, Sampling, TextPrompt, Tool

ModelDir = Callable[[str], Path]
GREEDY = Sampling(temperature=0.0).over(NEUTRAL_SAMPLING)


class Running:
    """An engine on a loop of its own, and the events it published. Starting one takes seconds, so most tests share."""

    def __init__(self, model: Path, **settings: Any) -> None:
        self.runner = asyncio.Runner()
        self.events: list[Event] = []
        self.engine = EngineProcess(Settings(model=str(model), **settings), self.events.append)

    def do(self, scenario: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(scenario)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.005)

    async def ready(self) -> None:
        await self.until(lambda: self.engine.status.state == "ready")

    async def outputs(self, job: Job) -> list[Output]:
        return [output async for some in self.engine.run(job) for output in some]

    async def text(self, job: Job) -> str:
        return "".join(output.text for output in await self.outputs(job) if isinstance(output, Piece))

    async def first_piece(self, stream: AsyncGenerator[tuple[Output, ...], None]) -> None:
        async for some in stream:
            if isinstance(some[-1], Piece):
                return

    def kinds(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def decoded(self, job: str) -> int:
        return sum(done.tokens for step in self.kinds(EngineStep) for done in step.decoded if done.id == job)


def job(name: str, text: str, max_tokens: int | None = 24, sampling: Sampling = GREEDY) -> Job:
    return Job(name, ChatPrompt((Message("user", text),)), sampling, max_tokens)


def endless(name: str) -> Job:
    """The random models never end by themselves: this one runs to the end of the context, some seconds later."""
    return job(name, "go on", None)


@pytest.fixture(scope="module")
def shared(model_dir: ModelDir, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An engine that every test leaves ready, and that finds nothing of other modules' on its disk."""
    run = Running(model_dir("plain"), home=tmp_path_factory.mktemp("home"))
    with run.runner:
        run.do(run.engine.start())
        run.do(run.ready())
        yield run
        run.do(run.engine.close())


@pytest.fixture
def run(shared: Running) -> Running:
    shared.do(shared.ready())
    shared.events.clear()
    return shared


def test_a_job_is_answered_and_what_happens_is_told(run: Running) -> None:
    rendered, first, *rest = run.do(run.outputs(job("one", "hello")))
    assert rendered == Rendered("one", 26, "reasoning")
    assert first == Prefill("one", 0, 26, 0, Miss("new"))
    pieces = [output for output in rest if isinstance(output, Piece)]
    assert [piece.finish for piece in pieces] == [None] * 23 + ["length"]
    assert [len(piece.tokens) for piece in pieces] == [1] * 24
    assert [(event.id, event.prompt_tokens) for event in run.kinds(RequestQueued)] == [("one", 26)]
    assert run.decoded("one") == 24
    assert all(step.active_bytes > 0 for step in run.kinds(EngineStep))
    assert not run.kinds(Logged)


def test_what_the_client_did_wrong_is_a_400(run: Running) -> None:
    with pytest.raises(ContextLengthExceeded, match="4096"):
        run.do(run.outputs(job("long", "x" * 5000)))
    with pytest.raises(InvalidRequest, match="the user must speak first"):
        run.do(run.outputs(Job("odd", ChatPrompt((Message("assistant", "hi"),)), GREEDY)))


def test_without_a_prompt_cache_nothing_goes_to_disk(model_dir: ModelDir, tmp_path: Path) -> None:
    run = Running(model_dir("plain"), cache_bytes=0, home=tmp_path)
    with run.runner:
        run.do(run.engine.start())
        run.do(run.ready())
        run.do(run.outputs(job("one", "a conversation of so many characters that it would be worth keeping " * 3)))
        assert run.do(run.engine.cache()).disk_budget == 0
        run.do(run.engine.close())
    assert not (tmp_path / "cache").exists()


def test_after_a_restart_the_last_conversation_comes_back_unasked(model_dir: ModelDir, tmp_path: Path) -> None:
    first, second = (Running(model_dir("plain"), home=tmp_path) for _ in range(2))

    async def in_memory() -> None:
        async with asyncio.timeout(60):
            while [kept.where for kept in (await second.engine.cache()).entries] != ["memory"]:
                pass

    with first.runner:
        first.do(first.engine.start())
        first.do(first.ready())
        first.do(first.outputs(job("one", "a conversation that is worth keeping, of a few dozen characters " * 2)))
        first.do(first.engine.close())
    with second.runner:
        second.do(second.engine.start())
        second.do(second.ready())
        second.do(in_memory())
        second.do(second.engine.close())


def test_the_prompt_cache_is_told_and_obeys(run: Running) -> None:
    text = "a conversation that is worth keeping, of a few dozen characters"
    run.do(run.outputs(job("kept", text)))
    entries = run.do(run.engine.cache()).entries
    entry = entries[0]
    assert run.kinds(EngineStep)[-1].cache_entries == len(entries)
    assert (entry.opening, entry.request, entry.pinned) == (text, "kept", False)
    assert run.do(run.engine.cache("pin", entry.id)).entries[0].pinned
    left = run.do(run.engine.cache("drop", entry.id))
    assert entry.id not in [kept.id for kept in left.entries]
    assert left.recent[0].id == entry.id
    with pytest.raises(NotFound, match=entry.id) as error:
        run.do(run.engine.cache("unpin", entry.id))
    assert error.value.code == "cache_entry_not_found"


def test_the_cache_is_told_beside_a_running_stream(run: Running) -> None:
    async def scenario() -> None:
        stream = run.engine.run(endless("busy"))
        async with aclosing(stream):
            await run.first_piece(stream)
            assert (await run.engine.cache()).budget > 0
            await run.first_piece(stream)

    run.do(scenario())


def test_a_failing_job_is_a_500_of_its_own(run: Running) -> None:
    async def scenario() -> str:
        good = asyncio.create_task(run.text(job("good", "hello")))
        with pytest.raises(EngineFailed, match="min_p"):
            await run.outputs(job("poison", "hi", sampling=Sampling(1.0, 1.0, 0, 5.0)))
        return await good

    assert run.do(scenario()) == run.do(run.text(job("alone", "hello")))
    assert any("poison" in event.message for event in run.kinds(Logged))


def test_tool_calls_are_parsed_by_the_models_own_parser(run: Running) -> None:
    good, tools = '{"name": "f", "arguments": {"a": 1}}', (Tool("f"),)
    assert run.do(run.engine.parse_calls("j", good, tools)) == (ParsedCall("f", {"a": 1}),)
    assert run.do(run.engine.parse_calls("j", "{", tools)) == ()


def test_tokens_and_texts_are_told(run: Running) -> None:
    text, tokens = run.do(run.engine.tokenize(ChatPrompt((Message("user", "hé"),))))
    assert text.startswith("<|im_start|>user\nhé<|im_end|>")
    assert run.do(run.engine.detokenize(tokens)) == text
    assert run.do(run.engine.tokenize(TextPrompt(tokens[:3]))) == (
        run.do(run.engine.detokenize(tokens[:3])),
        tokens[:3],
    )
    assert len(run.do(run.engine.tokenize(TextPrompt("x" * 5000)))[1]) == 5000  # longer than the context
    for wrong in (run.engine.detokenize((1, 320)), run.engine.tokenize(TextPrompt((320,)))):
        with pytest.raises(InvalidRequest, match="token id 320 is outside"):
            run.do(wrong)


def test_text_and_tokens_are_gone_on_with_as_they_are(run: Running) -> None:
    tokens = run.do(run.engine.tokenize(TextPrompt("once upon")))[1]
    text = run.do(run.text(Job("text", TextPrompt("once upon"), GREEDY, 8)))
    assert run.do(run.text(Job("tokens", TextPrompt(tokens), GREEDY, 8))) == text
    for prompt, param in (
        (TextPrompt((1, 999)), "prompt"),
        (TextPrompt("x" * 5000), "prompt"),
        (TextPrompt("a", "b"), "suffix"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            run.do(run.outputs(Job("odd", prompt, GREEDY)))
        assert refused.value.param == param


def test_what_a_job_asks_of_its_answer_crosses_the_wire(run: Running) -> None:
    asked = job("choice", "tell me something that is long enough to be cached, and even to be waited for", 12)
    hot = replace(GREEDY, temperature=1.0, seed=1)

    async def choices() -> list[list[Output]]:
        jobs = [replace(asked, id=f"choice.{i}", sampling=replace(hot, seed=i), top_logprobs=2) for i in range(4)]
        return await asyncio.gather(*map(run.outputs, jobs))

    answers = run.do(choices())
    prefills = [next(output for output in answer if isinstance(output, Prefill)) for answer in answers]
    assert [prefill.cached for prefill in prefills] == [0, *[prefills[0].total - 1] * 3]
    pieces = [piece for answer in answers for piece in answer if isinstance(piece, Piece)]
    assert all(len(piece.logprobs) == 1 and len(piece.logprobs[0].top) == 2 for piece in pieces)
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
    held = replace(asked, constraint=Constraint(schema), reasoning_budget=0, max_tokens=60)
    _, marker, said = run.do(run.text(held)).partition("</think>")
    assert (marker, json.loads(said)["a"] in (1, 2)) == ("</think>", True)
    with pytest.raises(InvalidRequest, match="uniqueItems") as refused:
        run.do(run.outputs(replace(asked, constraint=Constraint({"uniqueItems": True}))))
    assert (refused.value.param, refused.value.code) == ("response_format", "invalid_constraint")


def test_32_clients_at_once_get_what_each_gets_alone(run: Running) -> None:
    texts = [f"nonce {i} " + "word " * (i % 7) for i in range(32)]

    async def together() -> list[str]:
        return await asyncio.gather(*(run.text(job(f"t{i}", text)) for i, text in enumerate(texts)))

    async def alone() -> list[str]:
        return [await run.text(job(f"a{i}", text)) for i, text in enumerate(texts)]

    assert run.do(together()) == run.do(alone())


def test_a_client_that_leaves_stops_its_job(run: Running) -> None:
    async def scenario() -> None:
        async with aclosing(run.engine.run(endless("left"))) as stream:
            await run.first_piece(stream)
        await run.text(job("next", "hi", 5))
        at_leaving = run.decoded("left")
        await run.text(job("after that", "hi", 5))
        assert run.decoded("left") == at_leaving < 2000

    run.do(scenario())


def test_a_client_that_leaves_before_its_prompt_is_rendered_costs_nothing(run: Running) -> None:
    async def scenario() -> None:
        stream = run.engine.run(job("gone", "x" * 3000))
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await run.text(job("next", "hi", 5))
        assert run.decoded("gone") == 0

    run.do(scenario())


def test_a_killed_worker_fails_its_jobs_and_comes_back(run: Running) -> None:
    async def scenario() -> None:
        stream = run.engine.run(endless("streaming"))
        await run.first_piece(stream)
        assert run.engine.pid
        worker = psutil.Process(run.engine.pid)
        worker.suspend()  # or it could answer before it is killed
        await run.until(lambda: worker.status() == psutil.STATUS_STOPPED)
        parsing = asyncio.create_task(run.engine.parse_calls("j", "{}", ()))
        asking = asyncio.create_task(run.engine.detokenize((1,)))
        await asyncio.sleep(0)
        worker.kill()
        with pytest.raises(EngineFailed, match="it is being restarted"):
            async for _ in stream:
                pass
        assert run.engine.status.state == "restarting"
        assert await parsing == ()
        with pytest.raises(EngineFailed):
            await asking
        with pytest.raises(Unavailable) as meanwhile:
            await run.outputs(job("meanwhile", "hi"))
        assert (meanwhile.value.code, meanwhile.value.retry_after) == ("engine_restarting", pytest.approx(1.1))
        (down,) = run.kinds(EngineDown)
        assert "SIGKILL" in down.detail
        assert down.retry_in == pytest.approx(0.1)
        await run.ready()
        assert len(run.kinds(ModelLoading)) > 0
        assert len(run.kinds(ModelReady)) == 1
        assert await run.text(job("after", "hello"))

    run.do(scenario())


def test_a_worker_that_hangs_is_killed_and_replaced(run: Running) -> None:
    async def scenario() -> None:
        stream = run.engine.run(endless("stuck"))
        await run.first_piece(stream)
        assert run.engine.pid
        os.kill(run.engine.pid, signal.SIGSTOP)
        run.engine.supervisor.stall_timeout = 0.2
        with pytest.raises(EngineFailed):
            async for _ in stream:
                pass
        run.engine.supervisor.stall_timeout = 120.0
        assert any("no progress" in event.message for event in run.kinds(Logged))
        await run.ready()

    run.do(scenario())


def test_closing_ends_jobs_with_an_error_and_the_worker_by_itself(run: Running) -> None:
    async def scenario() -> None:
        worker = psutil.Process(run.engine.pid)
        worker.send_signal(signal.SIGINT)  # Ctrl-C reaches the whole terminal: what it means, the server decides
        stream = run.engine.run(endless("cut off"))
        await run.first_piece(stream)
        await run.engine.close()
        with pytest.raises(Unavailable) as ended:
            async for _ in stream:
                pass
        assert ended.value.code == "shutting_down"
        assert not worker.is_running()
        with pytest.raises(Unavailable):
            await run.outputs(job("late", "hi"))
        assert not run.kinds(EngineDown)
        assert not run.kinds(Logged)

    run.do(scenario())  # the last test of the shared engine: it is not ready any more


def test_a_model_that_can_not_be_loaded_is_not_tried_again(tmp_path: Path) -> None:
    run = Running(tmp_path)

    async def scenario() -> None:
        await run.engine.start()
        with pytest.raises(Unavailable) as early:
            await run.outputs(job("early", "hi"))
        assert (early.value.code, early.value.retry_after) == ("model_loading", 2)
        await run.until(lambda: run.engine.status.state == "failed")
        assert run.engine.status.detail == f"{tmp_path} is not a model: it has no config.json"
        with pytest.raises(Unavailable) as refused:
            await run.outputs(job("any", "hi"))
        assert (refused.value.message, refused.value.code) == (run.engine.status.detail, "model_failed")
        assert [event.retry_in for event in run.kinds(EngineDown)] == [None]
        await run.until(lambda: run.engine.pid is None)
        await run.engine.close()

    with run.runner:
        run.do(scenario())


def test_a_worker_that_can_not_even_start_is_tried_again_with_growing_pauses(
    model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Running(model_dir("plain"))
    monkeypatch.setattr(sys, "executable", "/no/such/python")

    async def scenario() -> None:
        await run.engine.start()
        await run.until(lambda: len(run.kinds(EngineDown)) == 3)
        await run.engine.close()
        assert [event.retry_in for event in run.kinds(EngineDown)] == [0.1, 0.2, 0.4]

    with run.runner:
        run.do(scenario())


def test_closing_while_loading_leaves_nothing(model_dir: ModelDir) -> None:
    run = Running(model_dir("plain"))

    async def scenario() -> None:
        await run.engine.start()
        await run.until(lambda: bool(run.kinds(ModelLoading)))
        worker = psutil.Process(run.engine.pid)
        await run.engine.close()
        assert not worker.is_running()

    with run.runner:
        run.do(scenario())


PARENT = """
import asyncio, sys
from mlxtui.engine.interface import ChatPrompt, Job
from mlxtui.engine.process import EngineProcess
from mlxtui.settings import Settings
from mlxtui.types import Message, Sampling

async def main():
    engine = EngineProcess(Settings(model=sys.argv[1]), lambda event: None)
    await engine.start()
    while engine.status.state != "ready":
        await asyncio.sleep(0.01)
    job = Job("j", ChatPrompt((Message("user", "hi"),)), Sampling(0.0, 1.0, 0, 0.0), None)
    async for outputs in engine.run(job):
        print(engine.pid, flush=True)

asyncio.run(main())
"""


def test_a_killed_server_leaves_no_worker(model_dir: ModelDir) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(model_dir("plain"))], stdout=subprocess.PIPE)
    assert parent.stdout
    worker = psutil.Process(int(parent.stdout.readline()))
    assert "mlxtui.engine.worker" in worker.cmdline()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    worker.wait(timeout=20)


def test_a_worker_without_a_server_ends_at_once() -> None:
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-m", "mlxtui.engine.worker", str(theirs.fileno())]
        worker = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        theirs.close()
        ours.close()
        assert worker.wait(timeout=30) == 1
