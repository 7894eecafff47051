"""The Check screen: a real run in a real child process, every key, what is shown of a failure, and no child left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psutil
import pytest
from textual.pilot import Pilot

from mlxtui.client import ServerClient
from mlxtui.proof import Proof
from mlxtui.tui.app import Dashboard, Outcome
from mlxtui.tui.screens.check import CheckScreen
from mlxtui.tui.screens.form import Form
from mlxtui.tui.screens.reader import Reader
from mlxtui.tui.widgets.pager import Pager
from mlxtui.tui.widgets.probes import ProbeTable
from tests.conformance.fake.hooks import HTML, instead, on
from tests.conformance.fake.server import Defect, Server
from tests.tui.scene import Stage, StillClient, dashboard, drawn, play, screen_text
from tests.tui.test_screens import same_as_before
from tests.tui.test_untrusted import EVIL, assert_harmless


class CheckStage(Stage):
    """The check screen of a running dashboard."""

    def __init__(self, app: Dashboard, pilot: Pilot[Outcome]) -> None:
        super().__init__(app, pilot)
        assert isinstance(app.screen, CheckScreen)
        self.check = app.screen

    @property
    def finding(self) -> str:
        return self.check.query_one("#finding", Pager).text

    @property
    def counts(self) -> dict[str, int]:
        return self.check.proof.counts() if self.check.proof else {}


@asynccontextmanager
async def checking(client: ServerClient | None = None, size: tuple[int, int] = (140, 36)) -> AsyncIterator[CheckStage]:
    async with dashboard(client or StillClient(), size=size) as (app, pilot):
        await pilot.press("4")
        await drawn(app, pilot)
        yield CheckStage(app, pilot)


@pytest.fixture(scope="module")
def flawed() -> Iterator[str]:
    """An endpoint that answers for a model it does not have, and at `chat.n` not at all: there a run stands still."""
    with Server() as server:
        wrong = on(
            lambda asked: asked.path.startswith("/v1/models/") and not asked.path.endswith("tiny"), instead(HTML)
        )
        flawed = Defect("flawed", "models.unknown", reply=wrong, flags=frozenset({"stuck-on-n"}))
        yield server.mount(flawed, key="a-key")


def suites() -> list[psutil.Process]:
    """The suite's processes that are children of this one."""
    alive = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "mlxtui_conformance" in child.cmdline()]


def test_rows_turn_live_a_failure_is_explained_and_stop_stops(flawed: str) -> None:
    async def scene() -> None:
        async with checking(ServerClient(flawed, "a-key")) as stage:
            assert "r runs it" in screen_text(stage.app)
            await stage.press("p", "r")
            shown = await stage.until(lambda: "▶ running      chat.n " in screen_text(stage.app))
            assert "✗ fail" in shown
            assert "✓ pass" in shown
            assert "· chat" in shown
            await stage.press("f", "home")
            assert "✓ pass" not in screen_text(stage.app)
            for text in (
                "models.unknown",
                "expected",
                "came back",
                "clause",
                "request",
                "GET ",
                "answer",
                "404",
                "alone",
            ):
                assert text in stage.finding
            assert "a-key" not in stage.finding
            [child] = suites()
            assert "a-key" not in " ".join(child.cmdline())
            await stage.press("x")
            shown = await stage.until(lambda: stage.check.proof and stage.check.proof.ended)
            assert "■ stopped after" in shown
            assert stage.counts["waiting"] > 0
            assert not psutil.pid_exists(child.pid)

    play(scene())


def test_another_server_is_typed_in_and_its_silence_told() -> None:
    async def scene() -> None:
        async with checking() as stage:
            await stage.press("u")
            assert isinstance(stage.app.screen, Form)
            await stage.press(*"127.0.0.1:9/", "tab", *"k", "enter")
            await stage.pilot.pause()
            assert (stage.check.target.url, stage.check.target.key) == ("http://127.0.0.1:9", "k")
            await stage.press("r")
            shown = await stage.until(lambda: stage.check.proof and stage.check.proof.ended)
            assert "✗ " in shown
            assert "127.0.0.1:9" in shown
            assert stage.counts == {}
            await stage.press("u", "backspace", "enter")
            await stage.pilot.pause()
            assert stage.check.target == stage.check._own

    play(scene())


def test_the_servers_own_key_goes_nowhere_else() -> None:
    async def scene() -> None:
        client = StillClient()
        client.api_key = "own"
        async with checking(client) as stage:
            assert stage.check.target.key == "own"
            await stage.press("u", *"elsewhere.example", "enter")
            await stage.pilot.pause()
            assert (stage.check.target.url, stage.check.target.key) == ("http://elsewhere.example", "")

    play(scene())


def test_a_key_goes_to_no_other_server_than_it_was_typed_for() -> None:
    async def scene() -> None:
        async with checking() as stage:
            await stage.press("u", *"a.example", "tab", *"key-of-a", "enter")
            await stage.pilot.pause()
            assert stage.check.target.key == "key-of-a"
            await stage.press("u", *"b.example", "enter")
            await stage.pilot.pause()
            assert (stage.check.target.url, stage.check.target.key) == ("http://b.example", "")

    play(scene())


def test_this_server_is_known_without_its_scheme() -> None:
    async def scene() -> None:
        client = StillClient()
        client.api_key = "own"
        async with checking(client) as stage:
            await stage.press("u", *"elsewhere.example", "enter")
            await stage.pilot.pause()
            await stage.press("u", *client.url.removeprefix("http://"), "enter")
            await stage.pilot.pause()
            assert (stage.check.target.url, stage.check.target.key) == (client.url, "own")

    play(scene())


def test_the_child_ends_with_the_dashboard(flawed: str) -> None:
    async def scene() -> None:
        async with checking(ServerClient(flawed, "a-key")) as stage:
            await stage.press("r")
            await stage.until(lambda: stage.counts.get("pass"))
            [child] = suites()
            await stage.pilot.press("q", "l")
        psutil.wait_procs([child], timeout=20)
        assert not child.is_running()

    play(scene())


def told() -> Proof:
    return _told("")


def _told(evil: str) -> Proof:
    """A run in which every verdict has come up."""
    proof = Proof("http://127.0.0.1:8080", "all")
    verdicts = ["pass", "pass", "fail", "unsupported", "inconclusive", "unreachable", "pass"]
    names = [f"area{evil}.check-{number}" for number in range(40)]
    meaning = f"An answer says what was asked for, whole and in order{evil}."
    proof.take(
        {"kind": "start", "model": "m", "checks": [{"id": n, "level": "must", "meaning": meaning} for n in names]}
    )
    for name, verdict in zip(names, verdicts, strict=False):
        proof.take(
            {
                "kind": "result",
                "id": name,
                "level": "must",
                "verdict": verdict,
                "seconds": 0.12,
                "clause": f"OpenAPI: CreateChatCompletionResponse{evil}",
                "expected": f"finish_reason stop{evil}" if verdict == "fail" else "",
                "got": f"null{evil}" if verdict != "pass" else "",
                "request": f'POST http://127.0.0.1:8080/v1/chat/completions {{"model": "m"}}{evil}',
                "response": f'200 application/json {{"choices": []}}{evil}',
                "alone": f"python -m mlxtui_conformance http://127.0.0.1:8080 --select {name}",
                "notes": [f"seen once{evil}"],
            }
        )
    proof.take({"kind": "begin", "id": names[7]})
    return proof


async def _with(stage: CheckStage, proof: Proof) -> None:
    stage.check.proof = proof
    await drawn(stage.app, stage.pilot)


@pytest.mark.parametrize("size", [(140, 36), (80, 24), (60, 20)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_screen(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with checking(size=size) as stage:
            if size[0] == 80:
                same_as_before("check-idle-80x24", screen_text(stage.app))
            await _with(stage, told())
            await stage.press("home", "j", "j")
            same_as_before(f"check-{size[0]}x{size[1]}", screen_text(stage.app))

    play(scene())


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene() -> None:
        async with checking(size=(80, 24)) as stage:
            await _with(stage, told())
            await stage.press("home", "j", "j")
            same_as_before("check-80x24", screen_text(stage.app))

    play(scene())


def test_the_cursor_follows_the_run_until_it_is_moved() -> None:
    async def scene() -> None:
        async with checking(size=(80, 24)) as stage:
            proof = told()
            await _with(stage, proof)
            table = stage.check.query_one(ProbeTable)

            def at() -> int:
                return [*proof.probes.values()].index(table.selected)  # type: ignore[arg-type]

            assert at() == 7
            proof.probes[[*proof.probes][7]].verdict = "pass"
            proof.take({"kind": "begin", "id": [*proof.probes][30]})
            shown = await drawn(stage.app, stage.pilot)
            assert at() == 30
            assert "▶ running" in shown
            await stage.press("up")
            proof.probes[[*proof.probes][30]].verdict = "pass"
            proof.take({"kind": "begin", "id": [*proof.probes][31]})
            await drawn(stage.app, stage.pilot)
            assert at() == 29
            await stage.press("pageup")
            assert at() < 29
            await stage.press("end")
            assert at() == 39
            await stage.press("pagedown", "down", "k")
            assert at() == 38
            await stage.press("g")
            await stage.pilot.click(ProbeTable, offset=(10, 4))
            assert at() == 3
            await stage.press("tab", "down", "escape")
            assert table.has_focus

    play(scene())


def test_summaries() -> None:
    async def scene() -> None:
        async with checking(size=(100, 30)) as stage:
            proof = told()
            await _with(stage, proof)
            assert "▶ checking 7 of 40   1 fail   3 pass   1 unsupported" in screen_text(stage.app)
            proof.end()
            assert "✗ 1 must failed   7 of 40" in await drawn(stage.app, stage.pilot)
            proof.probes[[*proof.probes][2]].verdict = "pass"
            assert "✓ every must holds" in await drawn(stage.app, stage.pilot)
            proof.trouble = "the server died"
            assert "■ stopped after 7 of 40   the server died" in await drawn(stage.app, stage.pilot)
            await stage.press("f")
            await stage.press("y")
            await stage.until(lambda: isinstance(stage.app.screen, Reader))
            assert "--select" in stage.app.screen.query_one(Pager).text

    play(scene())


@pytest.mark.parametrize("size", [(140, 36), (60, 20)])
def test_untrusted_text_steers_nothing(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with checking(size=size) as stage:
            await _with(stage, _told(EVIL))
            for key in ("home", "j", "j", "f", "end"):
                await stage.press(key)
                assert_harmless(stage.app)
            await _with(stage, Proof(EVIL, EVIL, ended=True, trouble=EVIL))
            assert_harmless(stage.app)

    play(scene())


def test_no_child_of_these_tests_is_left() -> None:
    assert suites() == []
