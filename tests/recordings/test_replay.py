"""From a live server to a file and back: record, replay, find what changed, answer clients from the recording."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxtui import recording
from mlxtui.engine.interface import ChatPrompt, Job, ParsedCall
from mlxtui.engine.replay import SCRIPTED_MODEL, ReplayEngine, error_of, failure_of, model_from_json, model_json
from mlxtui.errors import ContextLengthExceeded, EngineFailed, RateLimited, Unavailable, UserError
from mlxtui.events import RequestFinished, RequestQueued
from mlxtui.recorded import RecordedCalls, RecordedPiece, RecordedRun, Recording
from mlxtui.replay import run_replay
from mlxtui.settings import Settings
from mlxtui.types import Sampling
from tests.server.serving import CHAT, HELLO, Gate, chat, function, run, serving, sse

RECORDINGS = sorted((Path(__file__).parents[2] / "recordings").glob("*.jsonl"))
CALL = '{"name": "f", "arguments": {"x": 1}}'
PIECES = ("<think>", "hm", "</think>", ("so", ": "), f"<tool_call>{CALL}", "</tool_call>", " END")
CALLS = {CALL: (ParsedCall("f", {"x": 1}),)}
BODIES: list[dict[str, Any]] = [
    HELLO,
    chat(stream=True),
    chat(tools=[function("f")]),
    chat(stream=True, tools=[function("f")], stream_options={"include_usage": True}),
    chat(stop=["END"]),
    chat(stream=True, stop="o:"),
    chat(temperature=3),
    chat(model="other"),
]


async def record(path: Path) -> None:
    async with serving(PIECES, calls=CALLS, record=path) as served, served.http() as http:
        for body in BODIES:
            await http.post(CHAT, json=body)
        await http.post(CHAT, content=b'{"trunc', headers={"content-type": "application/json"})
        await http.get("/v1/models")
        await http.get("/v1/nothing?api_key=secret")
        await http.get("/health")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "session.jsonl"
    asyncio.run(record(path))
    return path


def test_a_recorded_session_is_answered_the_same_again(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read = recording.read(recorded)
    assert [e.response.status for e in read.exchanges] == [200] * 6 + [400, 404, 400, 200, 404]
    assert [len(e.run.pieces) if e.run else 0 for e in read.exchanges[:7]] == [8, 8, 8, 8, 8, 5, 0]
    batched = [piece.dt for piece in read.exchanges[0].run.pieces]  # type: ignore[union-attr]
    assert [dt == 0.0 for dt in batched] == [False, False, False, False, True, False, False, False]
    assert run_replay([recorded]) == 0
    assert capsys.readouterr().out == f"✓ {recorded}: 11 exchanges, all as recorded\n"


def test_calls_that_only_the_engine_can_read_are_recorded_and_replayed(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    model = replace(SCRIPTED_MODEL, dialect=replace(SCRIPTED_MODEL.dialect, tool_syntax="its own"))

    async def main() -> None:
        async with serving(PIECES, calls=CALLS, model=model, record=path) as served, served.http() as http:
            for stream in (False, True):
                answer = await http.post(CHAT, json=chat(tools=[function("f")], stream=stream))
                assert "tool_calls" in answer.text

    run(main())
    for exchange in recording.read(path).exchanges:
        assert exchange.run is not None
        assert exchange.run.calls == (RecordedCalls(CALL, ({"name": "f", "arguments": {"x": 1}},)),)
    assert run_replay([path]) == 0


def test_a_difference_is_shown_and_can_be_taken_over(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded.write_text(recorded.read_text().replace('"content": "so: "', '"content": "thus"'))
    assert run_replay([recorded]) == 1
    shown = capsys.readouterr().out
    assert "POST /v1/chat/completions" in shown
    assert '-data: {"id": "chatcmpl#1"' in shown
    assert '"delta": {"content": "thus"}' in shown
    assert "differ" in shown.splitlines()[-1]
    before = recording.read(recorded)
    assert run_replay([recorded], update=True) == 0
    assert "thus" not in recorded.read_text()
    assert run_replay([recorded]) == 0
    after = recording.read(recorded)
    assert [e.request for e in after.exchanges] == [e.request for e in before.exchanges]
    assert [e.run for e in after.exchanges] == [e.run for e in before.exchanges]


def test_a_file_that_is_no_recording_has_an_exit_code_of_its_own(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").write_text("hello")
    assert run_replay([tmp_path / "other", recorded, tmp_path / "none"]) == 2
    assert "is no recording" in capsys.readouterr().out


def test_a_torn_end_is_a_warning(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with recorded.open("a") as file:
        file.write('{"t": 1, "id": "x", "typ')
    assert run_replay([recorded]) == 0
    assert "warning:" in capsys.readouterr().out


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("at", [-1, 2])
def test_a_client_that_left_is_recorded_as_such(at: int, stream: bool, tmp_path: Path) -> None:
    path = tmp_path / "left.jsonl"

    async def main() -> None:
        gate = Gate(at)
        async with serving(("one", " two", " three"), pace=gate, record=path) as served, served.http() as http:
            asking = asyncio.create_task(http.post(CHAT, json=chat(stream=stream)))
            await gate.reached.wait()
            if stream and at > 0:
                await served.event(RequestQueued)
            asking.cancel()
            await asyncio.wait([asking])
            await gate.left.wait()
            await served.event(RequestFinished)

    run(main())
    [left] = recording.read(path).exchanges
    assert left.response.cancelled
    if at > 0:
        assert left.run is not None
        assert (len(left.run.pieces), left.run.finish, left.run.failure) == (2, None, None)
    assert run_replay([path]) == 0


def test_what_ended_an_answer_in_band_is_replayed(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("died", "cancelled", "refused", "drained")]
    full = ContextLengthExceeded("9000 tokens", param="messages")

    async def ask(path: Path, body: dict[str, Any], **script: Any) -> None:
        async with serving(("one", "two"), record=path, **script) as served, served.http() as http:
            await http.post(CHAT, json=body)
            await http.post(CHAT, json=body | {"stream": True})

    async def interrupt(path: Path, drain: bool) -> None:
        gate = Gate(1)
        async with (
            serving(("one", "two"), record=path, pace=gate) as served,
            served.http() as http,
            http.stream("POST", CHAT, json=chat(stream=True)) as response,
        ):
            await gate.reached.wait()
            if drain:
                await served.ledger.drain(0)
            else:
                [id] = served.bus.state.requests
                await http.post(f"/mlxtui/requests/{id}/cancel")
            await sse(response)

    async def main() -> None:
        await ask(paths[0], HELLO, failure=EngineFailed("it died"))
        await interrupt(paths[1], drain=False)
        await ask(paths[2], HELLO, failure=full, prompt_tokens=None)
        await interrupt(paths[3], drain=True)

    run(main())
    failures = {
        e.run.failure.error for path in paths for e in recording.read(path).exchanges if e.run and e.run.failure
    }
    assert failures == {"EngineFailed", "Cancelled", "ContextLengthExceeded", "Unavailable"}
    assert run_replay(paths) == 0


def test_answers_that_depended_on_the_load_are_not_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "full.jsonl"

    async def main() -> None:
        gate = Gate(0)
        settings = Settings(max_running=1, max_queued=0)
        async with serving(pace=gate, settings=settings, record=path) as served, served.http() as http:
            first = asyncio.create_task(http.post(CHAT, json=HELLO))
            await gate.reached.wait()
            assert (await http.post(CHAT, json=HELLO)).status_code == 429
            gate.open.set()
            await first

    run(main())
    assert run_replay([path]) == 0
    assert "1 not asked" in capsys.readouterr().out


def test_a_server_with_a_key_is_replayed_without_it(tmp_path: Path) -> None:
    path = tmp_path / "locked.jsonl"

    async def main() -> None:
        settings = Settings(api_key="open sesame", allowed_hosts=("mac.lan",))
        async with serving(settings=settings, record=path) as served, served.http() as http:
            key = {"authorization": "Bearer open sesame"}
            for headers in (key, key | {"host": "mac.lan:8080"}, {}, {"authorization": "no"}, {"host": "evil.com"}):
                await http.post(CHAT, json=HELLO, headers=headers)

    run(main())
    assert "sesame" not in path.read_text()
    assert [e.response.status for e in recording.read(path).exchanges] == [200, 200, 401, 401, 403]
    assert run_replay([path]) == 0


def test_streams_that_overlapped_overlap_again(tmp_path: Path) -> None:
    path = tmp_path / "four.jsonl"

    async def main() -> None:
        async with serving(("a", "b", "c"), record=path) as served, served.http() as http:
            await asyncio.gather(*(http.post(CHAT, json=chat(stream=True, seed=seed)) for seed in range(4)))
            await http.post(CHAT, json=HELLO)

    run(main())
    exchanges = recording.read(path).exchanges
    assert max(e.t for e in exchanges[:4]) < min(e.ended for e in exchanges[:4]) < exchanges[4].t
    assert run_replay([path]) == 0


def test_a_full_disk_ends_the_recording_and_not_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        async with serving(record=tmp_path / "r") as served, served.http() as http:
            monkeypatch.setattr(recording.Writer, "_lines", full)
            assert (await http.post(CHAT, json=HELLO)).status_code == 200
            assert (await http.post(CHAT, json=HELLO)).status_code == 200

    run(main())
    assert caplog.text.count("recording has ended") == 1


def engine_of(read: Recording) -> ReplayEngine:
    runs = {exchange.id: exchange.run for exchange in read.exchanges if exchange.run}
    return ReplayEngine(runs, model_from_json(read.header.model))


def test_clients_are_answered_from_a_recording(recorded: Path) -> None:
    read = recording.read(recorded)

    async def main() -> None:
        async with serving(engine=engine_of(read), replay=read) as served, served.openai() as client:
            answer = await client.chat.completions.create(**HELLO, tools=[function("f")])
            [call] = answer.choices[0].message.tool_calls or ()
            assert call.function.name == "f"
            assert answer.id == f"chatcmpl-{read.exchanges[2].id}"
            again = await client.chat.completions.create(**HELLO, tools=[function("f")])
            assert again.id == f"{answer.id}+1"
            async with served.http() as http:
                assert (await http.post(CHAT, json=chat(temperature=3))).status_code == 400
                assert (await http.get("/v1/models")).json()["data"][0]["id"] == "scripted"
                assert (await http.post("/v1/nothing", json={})).json()["error"]["code"] == "unknown_url"
                text = await http.post(CHAT, content=b"{}", headers={"content-type": "text/plain"})
                assert text.status_code == 415

    run(main())


def test_repeats_get_their_answers_in_order(tmp_path: Path) -> None:
    path = tmp_path / "twice.jsonl"

    async def main() -> None:
        for text in ("first", "second"):
            one = tmp_path / f"{text}.jsonl"
            async with serving((text,), record=one) as served, served.http() as http:
                await http.post(CHAT, json=HELLO)
        first, second = (recording.read(tmp_path / f"{name}.jsonl") for name in ("first", "second"))
        both = Recording(first.header, first.exchanges + second.exchanges)
        recording.write(path, both)
        async with serving(engine=engine_of(both), replay=both) as served, served.openai() as client:
            answers = [await client.chat.completions.create(**HELLO) for _ in range(3)]
        assert [answer.choices[0].message.content for answer in answers] == ["first", "second", "first"]

    run(main())


def test_a_later_turn_matches_though_its_call_has_another_id(tmp_path: Path) -> None:
    def second_turn(id: str) -> dict[str, Any]:
        call = {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        turns = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": id, "content": "4"}]
        return chat(messages=[*HELLO["messages"], *turns])

    async def main() -> None:
        async with serving(("four",), record=tmp_path / "r") as served, served.http() as http:
            await http.post(CHAT, json=second_turn("call_aaaaaa"))
        read = recording.read(tmp_path / "r")
        async with serving(engine=engine_of(read), replay=read) as served, served.http() as http:
            answer = await http.post(CHAT, json=second_turn("call_bbbbbb"))
            assert answer.json()["choices"][0]["message"]["content"] == "four"

    run(main())


def test_a_miss_names_the_nearest_request_and_how_it_differs(recorded: Path) -> None:
    read = recording.read(recorded)

    async def main() -> None:
        async with serving(engine=engine_of(read), replay=read) as served, served.http() as http:
            missed = await http.post(CHAT, json=chat(messages=[{"role": "user", "content": "goodbye"}]))
            refused = await http.post(CHAT, json=HELLO, headers={"host": "evil.com"})
        assert refused.status_code == 403
        assert missed.status_code == 404
        error = missed.json()["error"]
        assert error["code"] == "not_recorded"
        assert read.exchanges[0].id in error["message"]
        assert '-      "content": "hello",' in error["message"].splitlines()
        assert '+      "content": "goodbye",' in error["message"].splitlines()

    run(main())


def test_the_replay_engine_keeps_the_recorded_pace() -> None:
    pieces = (RecordedPiece(0.04, "a", (1,)), RecordedPiece(0.0, "b", (2,)), RecordedPiece(0.04, "c", (3,)))
    runs = {"j": RecordedRun(prompt_tokens=1, pieces=pieces, finish="stop")}
    job = Job("j+2", ChatPrompt(()), Sampling())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        engine = ReplayEngine(runs, SCRIPTED_MODEL, speed=2.0)
        await engine.start()
        begun = loop.time()
        sizes = [len(batch) async for batch in engine.run(job)]
        assert loop.time() - begun >= 0.04
        assert sizes == [2, 3, 1]
        await engine.close()
        with pytest.raises(Unavailable):
            await anext(engine.run(job))

    run(main())


@pytest.mark.parametrize(
    "error", [EngineFailed("x"), RateLimited("y", retry_after=3), ContextLengthExceeded("z", param="messages")]
)
def test_an_error_comes_back_as_itself(error: Any) -> None:
    again = error_of(failure_of(error))
    assert type(again) is type(error)
    assert (again.body(), again.headers()) == (error.body(), error.headers())


def test_the_model_of_a_header_comes_back() -> None:
    assert model_from_json(json.loads(json.dumps(model_json(SCRIPTED_MODEL)))) == SCRIPTED_MODEL
    with pytest.raises(UserError, match="header"):
        model_from_json({"id": "m"})


def test_the_projects_own_recordings_are_answered_the_same_without_mlx() -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from mlxtui.replay import run_replay\n"
        "code = run_replay([Path(name) for name in sys.argv[1:]])\n"
        "heavy = {'mlx', 'mlx_lm', 'transformers', 'textual'} & set(sys.modules)\n"
        "sys.exit(f'{heavy} loaded' if heavy else code)"
    )
    command = [sys.executable, "-W", "error", "-c", code, *map(str, RECORDINGS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
