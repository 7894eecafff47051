"""The Logs screen, and what is written to files from it and from the requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlxtui.errors import UserError
from mlxtui.events import Logged
from mlxtui.fold import fold
from mlxtui.state import LOG_KEPT, LogLine
from mlxtui.tui.app import Dashboard
from mlxtui.tui.export import folder, save
from mlxtui.tui.logbook import entries, entry_line, whole
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.screens.logs import LogsScreen
from mlxtui.tui.screens.reader import Reader
from mlxtui.tui.text import plain
from mlxtui.tui.widgets.logtable import LogTable
from mlxtui.tui.widgets.pager import Pager
from tests.tui.scene import NOW, StillClient, busy, dashboard, drawn, play, screen_text
from tests.tui.test_screens import same_as_before

TWICE = "the client went away"


def noisy() -> StillClient:
    client = StillClient(busy())
    for n in range(3):
        fold(client.state, Logged(NOW - 2 + n / 10, "info", TWICE, "a1f301"))
    fold(
        client.state,
        Logged(NOW - 1, "debug", "a prompt of 12,480 tokens missed: it parts in messages[3].content", "c0de01"),
    )
    return client


def table(app: Dashboard) -> LogTable:
    return app.screen.query_one(LogTable)


@pytest.mark.parametrize("size", [(140, 36), (100, 30), (80, 24), (60, 20)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_logs(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with dashboard(noisy(), size=size) as (app, pilot):
            await pilot.press("6")
            await drawn(app, pilot)
            same_as_before(f"logs-{size[0]}x{size[1]}", await drawn(app, pilot))

    play(scene())


def test_repeats_are_one_line_that_says_how_often() -> None:
    log = [LogLine(1.0, "info", "a"), LogLine(2.0, "info", "a"), LogLine(3.0, "error", "a"), LogLine(4.0, "info", "a")]
    found = entries(log, "debug", "")
    assert [(entry.times, entry.since, entry.line.t) for entry in found] == [
        (2, 1.0, 2.0),
        (1, 3.0, 3.0),
        (1, 4.0, 4.0),
    ]
    assert "×2 a" in plain(entry_line(found[0]))
    assert "2 times since 00:00:01" in plain(whole(found[0])[0])
    assert [entry.line.t for entry in entries(log, "warning", "")] == [3.0]
    assert [entry.times for entry in entries(log, "debug", "!level:error")] == [3]


def test_it_follows_until_the_cursor_is_moved() -> None:
    async def scene() -> None:
        client = noisy()
        async with dashboard(client, size=(80, 20)) as (app, pilot):
            await pilot.press("6")
            for n in range(40):
                fold(client.state, Logged(NOW + n, "info", f"line {n}"))
            await drawn(app, pilot)
            assert "line 39" in await drawn(app, pilot)
            assert "following" in screen_text(app)
            await pilot.press("k")
            fold(client.state, Logged(NOW + 50, "info", "the newest"))
            assert "held" in await drawn(app, pilot)
            assert "the newest" not in screen_text(app)
            assert table(app).selected.line.message == "line 38"  # type: ignore[union-attr]
            await pilot.press("f")
            await drawn(app, pilot)
            assert "the newest" in await drawn(app, pilot)

    play(scene())


def test_level_and_filter() -> None:
    async def scene() -> None:
        async with dashboard(noisy()) as (app, pilot):
            await pilot.press("6")
            shown = []
            for _ in range(4):
                await pilot.press("l")
                shown.append(len(table(app).rows))
            assert shown == [6, 2, 1, 7]
            await pilot.press("l", "l", "l")
            assert "logs · error and worse" in await drawn(app, pilot)
            await pilot.press("l", "slash", *"request:a1f", "enter")
            assert [entry.times for entry in table(app).rows] == [3]
            assert "1 match 'request:a1f'" in await drawn(app, pilot)
            await pilot.press("slash", *"zzz", "enter")
            assert "no line matches" in await drawn(app, pilot)
            await pilot.press("escape")
            assert len(table(app).rows) == 7

    play(scene())


def test_enter_goes_to_the_request_of_a_line_or_reads_the_line() -> None:
    async def scene() -> None:
        async with dashboard(noisy()) as (app, pilot):
            await pilot.press("6", "enter")
            screen = app.screen
            assert isinstance(screen, InspectorScreen)
            assert screen.request == "c0de01"
            await pilot.press("escape", "g", "enter")
            assert isinstance(app.screen, Reader)
            assert "mlxtui 0.1.0 serves" in app.screen.query_one(Pager).text
            await pilot.press("escape", "G", "v")
            assert "request c0de01" in app.screen.query_one(Pager).text
            await pilot.press("escape")
            assert isinstance(app.screen, LogsScreen)

    play(scene())


def test_a_full_log_costs_no_more_than_a_screenful() -> None:
    async def scene() -> None:
        client = noisy()
        for n in range(2 * LOG_KEPT):
            fold(client.state, Logged(NOW + n, "info", f"line {n}"))
        async with dashboard(client) as (app, pilot):
            await pilot.press("6")
            await drawn(app, pilot)
            await drawn(app, pilot)
            before = table(app).rendered
            fold(client.state, Logged(NOW, "info", "one more"))
            await drawn(app, pilot)
            await drawn(app, pilot)
            assert table(app).rendered - before <= 3 * table(app).size.height
            before = table(app).rendered
            await drawn(app, pilot)
            assert table(app).rendered == before

    play(scene())


@pytest.mark.parametrize(("keys", "suffix"), [("6ep", "txt"), ("6ej", "json"), ("ej", "json"), ("em", "md")])
def test_what_is_shown_is_written_to_a_file(
    keys: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene() -> None:
        async with dashboard(noisy(), size=(140, 36)) as (app, pilot):
            await pilot.press(*keys)
            await pilot.pause()
            assert "Written to" in screen_text(app)

    play(scene())
    [file] = tmp_path.iterdir()
    assert file.suffix == f".{suffix}"
    assert file.stat().st_mode & 0o077 == 0
    text = file.read_text(encoding="utf-8")
    match keys:
        case "6ep":
            assert "info a1f301 ×3 the client went away\n" in text
        case "6ej":
            assert [line["times"] for line in json.loads(text)][-2:] == [3, 1]
        case "ej":
            assert [row["id"] for row in json.loads(text)][:2] == ["a1f301", "5ta110"]
        case _:
            assert len(text.splitlines()) == 2 + 11
            assert "| a1f301 | ▶ decode | 12,480 |" in text


def test_the_export_can_be_left_and_says_why_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene() -> None:
        async with dashboard() as (_, pilot):
            await pilot.press("e", "n")

    play(scene())
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(UserError, match=r"can't write .*nowhere"):
        save("x", "log", "txt", tmp_path / "nowhere", NOW)


def test_no_file_is_written_over_and_no_link_followed(tmp_path: Path) -> None:
    first, second = save("one", "log", "txt", tmp_path, NOW), save("two", "log", "txt", tmp_path, NOW)
    assert (first.read_text(), second.read_text()) == ("one", "two")
    assert second.name == f"{first.stem}-2.txt"
    first.unlink()
    first.symlink_to(tmp_path / "elsewhere")
    assert save("three", "log", "txt", tmp_path, NOW).name == f"{first.stem}-3.txt"
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_that_is_gone_gives_way_to_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert folder() == Path.home()
