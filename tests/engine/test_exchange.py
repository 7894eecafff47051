"""Models exchanged at run time: what becomes of what runs, of the old worker, and of a model that is no good."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mlxtui.engine.interface import ParsedCall
from mlxtui.errors import Conflict, EngineFailed, InvalidRequest, Unavailable
from mlxtui.events import EngineDown, EngineStep, Logged, ModelLoading, ModelReady, ModelUnloaded
from mlxtui.types import Tool
from tests.engine.test_process import Running, endless, job
from tests.engine.tiny_models import make_model

ModelDir = Callable[[str], Path]


@pytest.fixture(scope="module")
def shared(model_dir: ModelDir) -> Iterator[Running]:
    run = Running(model_dir("plain"))
    with run.runner:
        run.do(run.engine.start())
        run.do(run.ready())
        yield run
        run.do(run.engine.close())


@pytest.fixture
def run(shared: Running, model_dir: ModelDir) -> Running:
    """Ready, with the model that the test before left; each load takes seconds."""
    if shared.engine.model is None:
        shared.do(shared.engine.load(str(model_dir("plain"))))
    shared.events.clear()
    return shared


def test_another_model_is_loaded_once_what_runs_has_finished(run: Running, model_dir: ModelDir) -> None:
    run.engine._settings = replace(run.engine._settings, grace=60.0)

    async def scenario() -> None:
        old = psutil.Process(run.engine.pid)
        going = asyncio.create_task(run.text(job("going", "hello", 400)))
        await run.until(lambda: bool(run.kinds(EngineStep)))
        loading = asyncio.create_task(run.engine.load(str(model_dir("sliding"))))
        await asyncio.sleep(0)
        assert run.engine.model is None
        assert run.kinds(ModelLoading)[0].detail == "waiting for 1 running request"
        with pytest.raises(Unavailable) as refused:
            await run.text(job("late", "hi"))
        assert (refused.value.code, refused.value.retry_after) == ("model_loading", 2)
        call = '{"name": "f", "arguments": {}}'
        assert await run.engine.parse_calls("going", call, (Tool("f"),)) == (ParsedCall("f", {}),)
        await going
        assert run.decoded("going") == 400
        model = await loading
        assert (model.id, run.engine.model, run.engine.status.state) == ("sliding", model, "ready")
        assert run.engine.wanted == str(model_dir("sliding"))
        assert not old.is_running()
        assert await run.text(job("new", "hello"))

    run.do(scenario())
    assert [event.model for event in run.kinds(ModelReady)] == ["sliding"]
    assert not run.kinds(EngineDown)
    assert not run.kinds(Logged)


def test_what_does_not_finish_within_the_grace_period_gets_a_503(run: Running, model_dir: ModelDir) -> None:
    run.engine._settings = replace(run.engine._settings, grace=0.1)

    async def scenario() -> None:
        stream = run.engine.run(endless("long"))
        await run.first_piece(stream)
        loading = asyncio.create_task(run.engine.load(str(model_dir("plain"))))
        with pytest.raises(Unavailable, match="did not finish in time") as cut:
            async for _ in stream:
                pass
        assert (cut.value.code, cut.value.retry_after) == ("model_unloaded", 2)
        await loading

    run.do(scenario())


def test_a_worker_that_dies_while_its_last_requests_run_fails_them_and_holds_nothing_up(
    run: Running, model_dir: ModelDir
) -> None:
    run.engine._settings = replace(run.engine._settings, grace=60.0)
    other = next(str(model_dir(kind)) for kind in ("plain", "sliding") if str(model_dir(kind)) != run.engine.wanted)

    async def scenario() -> None:
        stream = run.engine.run(endless("long"))
        await run.first_piece(stream)
        loading = asyncio.create_task(run.engine.load(other))
        await asyncio.sleep(0)
        assert run.engine.pid
        os.kill(run.engine.pid, signal.SIGKILL)
        async with asyncio.timeout(50):
            with pytest.raises(EngineFailed):
                async for _ in stream:
                    pass
            await loading
        assert (run.engine.wanted, run.engine.status.state) == (other, "ready")
        assert await run.text(job("after", "hello"))

    run.do(scenario())


def test_the_loaded_model_is_not_loaded_again(run: Running) -> None:
    worker, model, name = run.engine.pid, run.engine.model, run.engine.wanted
    assert name
    assert run.do(run.engine.load(name)) == model
    assert run.engine.pid == worker


def test_unloading_gives_the_memory_back_and_the_server_lives_on(run: Running, model_dir: ModelDir) -> None:
    worker = psutil.Process(run.engine.pid)
    run.do(run.engine.unload())
    assert not worker.is_running()
    assert (run.engine.model, run.engine.wanted, run.engine.pid) == (None, None, None)
    with pytest.raises(Unavailable) as refused:
        run.do(run.text(job("none", "hi")))
    assert (refused.value.code, refused.value.message) == ("model_not_loaded", "no model is loaded")
    run.do(run.engine.unload())
    assert len(run.kinds(ModelUnloaded)) == 1
    assert run.do(run.engine.load(str(model_dir("plain")))).id == "plain"


def test_a_model_that_can_not_be_loaded_brings_the_old_one_back(run: Running, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no config") as refused:
        run.do(run.engine.load(str(tmp_path)))
    assert (refused.value.code, refused.value.param) == ("model_unusable", "model")
    run.do(run.ready())
    assert run.engine.model is not None
    assert run.engine.model.id == "plain"
    (said,) = run.kinds(Logged)
    assert said.message.startswith(f"{tmp_path} is not a model: it has no config.json; going back to ")
    assert not run.kinds(EngineDown)
    assert run.do(run.text(job("after", "hello")))


def test_with_no_model_before_it_the_server_stays_up_without_one(run: Running, tmp_path: Path) -> None:
    async def scenario() -> None:
        await run.engine.unload()
        with pytest.raises(InvalidRequest, match="no config"):
            await run.engine.load(str(tmp_path))
        assert run.engine.status.state == "unloaded"
        assert "no config.json" in run.engine.status.detail
        assert "no config.json" in run.kinds(ModelUnloaded)[-1].detail

    run.do(scenario())


def test_a_worker_that_dies_while_loading_counts_as_a_model_that_can_not_be_loaded(
    run: Running, model_dir: ModelDir
) -> None:
    """Too big a model ends with the kernel killing its worker: loading it again and again would help nobody."""

    async def scenario() -> None:
        old, name = run.engine.pid, run.engine.wanted
        loading = asyncio.create_task(run.engine.load(str(model_dir("sliding"))))
        await run.until(lambda: run.engine.pid not in (None, old))
        assert run.engine.pid
        os.kill(run.engine.pid, signal.SIGKILL)
        with pytest.raises(InvalidRequest, match="SIGKILL"):
            await loading
        await run.ready()
        assert run.engine.wanted == name

    run.do(scenario())


def test_a_model_that_has_vanished_can_not_be_gone_back_to(run: Running, tmp_path: Path) -> None:
    vanishing = make_model("plain", tmp_path / "vanishing")

    async def scenario() -> None:
        await run.engine.load(str(vanishing))
        (vanishing / "config.json").unlink()
        with pytest.raises(InvalidRequest):
            await run.engine.load(str(tmp_path))
        await run.until(lambda: run.engine.status.state == "unloaded")
        assert "vanishing" in run.engine.status.detail

    run.do(scenario())


def test_one_exchange_at_a_time_and_unloading_ends_it(run: Running, model_dir: ModelDir) -> None:
    async def scenario() -> None:
        loading = asyncio.create_task(run.engine.load(str(model_dir("sliding"))))
        await asyncio.sleep(0)
        with pytest.raises(Conflict, match="sliding is being loaded"):
            await run.engine.load(str(model_dir("recurrent")))
        await run.engine.unload()
        with pytest.raises(Conflict, match="unloaded while"):
            await loading
        assert run.engine.status.state == "unloaded"

    run.do(scenario())


def test_closing_ends_an_exchange(model_dir: ModelDir) -> None:
    run = Running(model_dir("plain"))

    async def scenario() -> None:
        await run.engine.start()
        loading = asyncio.create_task(run.engine.load(str(model_dir("sliding"))))
        await run.until(lambda: run.engine.pid is not None)
        await run.engine.close()
        with pytest.raises(Unavailable, match="shutting down"):
            await loading
        with pytest.raises(Unavailable, match="shutting down"):
            await run.engine.load("any")
        with pytest.raises(Unavailable, match="shutting down"):
            await run.engine.unload()
        assert run.engine.pid is None

    with run.runner:
        run.do(scenario())
