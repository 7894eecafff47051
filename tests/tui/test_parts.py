"""The pure parts of the dashboard: figures, columns, filters, plots, snippets, transcripts."""

from __future__ import annotations

import ast
import json
import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.geometry import Size

from mlxtui.answer import Answer, Call
from mlxtui.client import Link
from mlxtui.events import RequestFinished, RequestReceived
from mlxtui.fold import fold
from mlxtui.row import Row
from mlxtui.state import State
from mlxtui.tui.choose import SORTS, Chooser
from mlxtui.tui.clipboard import system_copy
from mlxtui.tui.figures import age, bar, count, duration, percent, rate, short, size
from mlxtui.tui.plot import STEPS, axis, gathered, means, nice, nice_bytes, shares
from mlxtui.tui.snippets import curl, python
from mlxtui.tui.text import Line, cells, fit, joined, plain, wrapped
from mlxtui.tui.transcript import answer_lines, message_lines
from mlxtui.tui.view import View
from mlxtui.tui.widgets.columns import COLUMNS, Moment, columns_for, head, row_line, short_id
from mlxtui.tui.widgets.latency import latency
from mlxtui.tui.widgets.log import log
from mlxtui.tui.widgets.memory import memory
from mlxtui.tui.widgets.minutes import first_tokens, hits_plot, memory_plot
from mlxtui.tui.widgets.requests import RequestsTable
from mlxtui.tui.widgets.throughput import throughput
from mlxtui.tui.widgets.timing import timing
from tests.tui.scene import NOW, StillClient, busy, dashboard, drawn, folded, play

BUSY = busy()


def test_figures() -> None:
    assert [count(v) for v in (None, 7, 12_480, 1_204_000)] == ["-", "7", "12,480", "1.20M"]
    assert [short(v) for v in (0, 83.4, 1_912, 99_960, 2_500_000)] == ["0", "83", "1.9k", "100k", "2.5M"]
    assert [rate(v) for v in (None, 0.0, 41.84, 141.2, 1_912)] == ["-", "0.0", "41.8", "141", "1.9k"]
    assert [percent(v) for v in (None, 0.0, 0.914)] == ["-", "0%", "91%"]
    assert [duration(v) for v in (None, 0.314, 8.44, 9.96, 42.4, 65, 4_320, 400_000)] == [
        *("-", "0.31s", "8.4s", "10s", "42s", "1m05s", "1h12m", "4d15h")
    ]
    assert [age(v) for v in (-1, 0.9, 9.99, 59.99)] == ["0s", "0s", "9s", "59s"]
    assert [size(v) for v in (0, 2_048, 150 << 20, 16 << 30)] == ["0 B", "2.0 KB", "150 MB", "16.0 GB"]
    assert [bar(v, 4) for v in (0, 0.01, 0.5, 1, 2)] == ["░░░░", "█░░░", "██░░", "████", "████"]


@given(st.floats(0, 1e12))
def test_figures_stay_short(value: float) -> None:
    assert max(len(short(value)), len(rate(value)), len(duration(value)) - 5, len(size(int(value)))) <= 8


@given(st.text(), st.integers(0, 30), st.booleans())
def test_fitted_text_fills_its_cells(text: str, width: int, right: bool) -> None:
    assert cell_len(fit(text, width, right)) == width


@given(st.lists(st.tuples(st.text(alphabet="ab 日\x1b\n"), st.just("")), max_size=4), st.integers(2, 12))
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(pieces: list[tuple[str, str]], width: int) -> None:
    line: Line = tuple(pieces)  # type: ignore[arg-type]
    rows = [*wrapped(line, width)]
    assert all(cells(row) <= width for row in rows)
    safe = plain(line).replace("\x1b", "␛").replace("\n", "␊")
    assert "".join(plain(row) for row in rows).replace(" ", "") == safe.replace(" ", "")


def test_parts_that_do_not_fit_are_left_out() -> None:
    parts: list[Line] = [(("one", ""),), (("two", ""),), (("three", ""),)]
    assert [plain(joined(parts, "  ", width)) for width in (1, 8, 20)] == ["one", "one  two", "one  two  three"]


def test_columns_drop_from_the_right_and_always_fit() -> None:
    row, moment = busy().requests["a1f301"], Moment(NOW, {})
    for width in range(10, 160):
        columns = columns_for(width)
        assert columns == [*COLUMNS[: len(columns)]]
        assert cells(head(columns)) == cells(row_line(columns, row, moment)) <= width
    assert [len(columns_for(width)) for width in (1, 56, 76, 136)] == [1, 5, 8, 11]


def test_ids_are_short_as_on_the_console() -> None:
    assert [short_id(i) for i in ("chatcmpl-a1b2c3d4e5", "resp_99", "ff00ff00ff")] == ["a1b2c3", "99", "ff00ff"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", 11),
        ("opencode", 3),
        ("!opencode", 8),
        ("state:queued", 3),
        ("state:stop", 1),
        ("client:zed state:decode", 1),
        ("status:400", 1),
        ("error:MESSAGES", 1),
        ("!state:done !state:queued", 3),
        ("foo:bar", 0),
        ("client:", 11),
        ("! :", 0),
    ],
)
def test_filters(query: str, expected: int) -> None:
    assert len(Chooser().chosen(BUSY, query, "arrival", NOW)) == expected


def test_a_filter_is_asked_anew_about_new_requests_and_by_a_new_query() -> None:
    state, chooser = folded([]), Chooser()
    for id, client in (("a", "zed"), ("b", "curl"), ("c", "zed")):
        fold(state, RequestReceived(1.0, id, "chat", client, "m", True))
        fold(state, RequestFinished(2.0, id, 200, "stop", None, 1, 0, 1, 0, 0.1, 1.0))
        assert [row.client for row in chooser.chosen(state, "zed", "arrival", NOW)].count("curl") == 0
    assert [row.id for row in chooser.chosen(state, "zed", "arrival", NOW)] == ["c", "a"]
    assert [row.id for row in chooser.chosen(state, "!zed", "arrival", NOW)] == ["b"]
    assert len(chooser.chosen(state, "", "arrival", NOW)) == 3


@given(st.text(), st.sampled_from([*SORTS]))
def test_any_filter_and_sort_keeps_live_rows_first(query: str, sort: str) -> None:
    states = [row.state == "done" for row in Chooser().chosen(BUSY, query, sort, NOW)]
    assert states == sorted(states)


def test_bins_of_the_plot_stand_still_on_the_clock() -> None:
    values = [*range(60)]
    assert gathered(values, 1, 7.5) == values
    assert means(values, 2, 8.5) == [i + 0.5 for i in range(0, 60, 2)]
    later = means([*range(1, 61)], 2, 9.5)
    assert (later[:-1], later[-1]) == ([i + 0.5 for i in range(2, 60, 2)], 60)
    assert [len(gathered(values, seconds, now)) for seconds in (1, 2, 3, 4, 6) for now in (0, 1, 5)] == [
        *(60, 60, 60, 30, 30, 30, 20, 20, 20, 15, 15, 15, 10, 10, 10)
    ]


@given(st.lists(st.integers(0, 1000), min_size=60, max_size=60), st.sampled_from(STEPS), st.integers(0, 10_000))
def test_bars_are_the_latest_seconds_and_nothing_twice(values: list[int], step: int, now: int) -> None:
    bins = gathered(values, step, now)
    kept = (len(bins) - bool(now % step)) * step + now % step
    assert sum(bins) == sum(values[60 - kept :])
    assert 60 - kept < step


def test_scales_are_round() -> None:
    assert [nice(v) for v in (0, 0.3, 1, 1.2, 3, 9, 10, 83, 1_900)] == [0, 1, 1, 2, 5, 10, 10, 100, 2_000]
    assert [nice_bytes(v) / 1024 for v in (0, 1024, 1025, 1600, 2049)] == [0, 1, 1.5, 2, 3]


def test_the_axis_says_how_long_ago() -> None:
    assert plain(axis(300, 5, 66)) == "5 min                         2.5 min                    now"
    assert plain(axis(300, 15, 26)) == "5 min            now"
    assert plain(axis(300, 30, 11)) == "  now"


def test_shares_are_in_proportion() -> None:
    lines = [plain(line) for line in shares([("≤ 1 s", 8), ("≤ 2 s", 4), ("≤ 5 s", 0), ("> 5 s", 1)], 17, "")]
    assert lines == ["≤ 1 s ████████ 8", "≤ 2 s ████ 4", "≤ 5 s ", "> 5 s █ 1"]


def test_the_first_tokens_are_of_the_last_five_minutes() -> None:
    state = State()
    for n, (ago, ttft) in enumerate([(400.0, 9.0), (200.0, 0.03), (100.0, 0.4), (50.0, 0.45), (1.0, 0.0)]):
        fold(state, RequestReceived(NOW - ago, f"r{n}", "chat", "curl", "m", True))
        fold(state, RequestFinished(NOW - ago + 1, f"r{n}", 200, "stop", None, 9, 1, 5, 0, ttft, 1.0))
    painted = first_tokens(View(state, NOW, Link("connected"), "http://x"), Size(40, 8))
    assert painted.title == "TTFT p50 0.40s · p95 0.45s · 4 requests"
    counts = [plain(line).split()[-1] for line in painted.lines]
    assert [plain(line)[:8].strip() for line in painted.lines] == [
        *("≤ 20 ms", "≤ 50 ms", "≤ 100 ms", "≤ 200 ms", "≤ 500 ms")
    ]
    assert (counts[0], counts[1], counts[4]) == ("1", "1", "2")
    short = first_tokens(View(state, NOW, Link("connected"), "http://x"), Size(40, 2))
    assert [plain(line).split()[-1] for line in short.lines] == ["2", "2"]


PLOTS = (throughput, memory_plot, hits_plot, first_tokens)


@given(st.integers(1, 150), st.integers(1, 40), st.booleans(), st.integers(0, 400))
def test_panels_fit_any_size(width: int, height: int, empty: bool, later: int) -> None:
    view = View(State() if empty else BUSY, NOW + later, Link("connected"), "http://x")
    for paint in (*PLOTS, memory, latency, log):
        painted = paint(view, Size(width, height))
        assert len(painted.lines) <= height
    for paint in PLOTS:
        assert all(cells(line) <= max(width, 40) for line in paint(view, Size(width, height)).lines)


def test_the_timing_bar_shows_each_phase() -> None:
    row = busy().requests["a1f301"]
    bar_line, words = (plain(line) for line in timing(row, NOW, 40))
    assert (len(bar_line), bar_line[0], bar_line[-1]) == (40, "░", "█")
    assert words.split() == ["░", "queue", "1.0s", "▒", "prefill", "0.10s", "█", "decode", "11s"]
    assert timing(Row("x", "chat", "c", "m", True, received=NOW), NOW, 40)[0] == ()


BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "it's \x1b[2J 日本 $HOME `x`"}]}


@pytest.mark.parametrize(("endpoint", "path"), [("chat", "/v1/chat/completions"), ("embeddings", "/v1/embeddings")])
def test_curl_sends_what_was_sent(endpoint: str, path: str) -> None:
    words = shlex.split(curl("http://x:1", endpoint, BODY, with_key=True).replace("\\\n", " "))
    assert words[:2] == ["curl", "http://x:1" + path]
    assert "authorization: Bearer $MLXTUI_API_KEY" in words
    assert json.loads(words[-1]) == BODY
    assert "authorization" not in curl("http://x:1", endpoint, BODY, with_key=False)


@pytest.mark.parametrize("endpoint", ["chat", "completions", "responses", "messages"])
def test_python_is_python(endpoint: str) -> None:
    source = python("http://x:1", endpoint, BODY, with_key=True)
    ast.parse(source)
    assert "\x1b" not in source
    assert "MLXTUI_API_KEY" in source


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "hello"}]},
        {"prompt": "hello"},
        {"prompt": ["hello"]},
        {"input": "hello"},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}]},
        {"instructions": "hello"},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "hello"}}]}]},
    ],
)
def test_messages_of_every_api_can_be_read(body: dict[str, object]) -> None:
    assert "hello" in "\n".join(plain(line) for line in message_lines(body))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["messages", "input", "prompt", "tools", "x"]), json_values))
def test_any_body_can_be_read(body: dict[str, object]) -> None:
    message_lines(body)


def test_an_answer_is_told_apart() -> None:
    answer = Answer("why", "what", [Call("c1", "f", '{"a": 1}'), Call("", "g", '{"b"')])
    text = [plain(line) for line in answer_lines(answer, "broke", live=False)]
    assert [line for line in text if line.startswith("──")] == [
        *("── reasoning ", "── content ", "── tool call f c1 ", "── tool call g ", "── error ")
    ]
    assert plain(answer_lines(Answer(), None, live=True)[0]) == "waiting for the first token…"
    assert plain(answer_lines(Answer(), None, live=False)[0]) == "no output"


def test_the_clipboard_is_left_alone_over_ssh_and_without_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system_copy("x", {}) is None
    for name, code in (("wl-copy", 1), ("xclip", 0)):
        tool = tmp_path / name
        tool.write_text(f"#!{sys.executable}\nraise SystemExit({code})\n")
        tool.chmod(0o755)
    assert system_copy("x", {}) is None
    assert system_copy("x", {"DISPLAY": ":0", "WAYLAND_DISPLAY": "w"}) == "xclip"
    assert system_copy("x", {"DISPLAY": ":0", "SSH_CONNECTION": "1"}) is None


def test_ten_thousand_requests_cost_no_more_than_a_screenful() -> None:
    async def scene() -> None:
        client = StillClient()
        for n in range(10_000):
            fold(client.state, RequestReceived(NOW, f"r{n}", "chat", "curl", "m", True))
            fold(client.state, RequestFinished(NOW, f"r{n}", 200, "stop", None, 9, 1, 5, 0, 0.1, 1.0))
        async with dashboard(client) as (app, pilot):
            table = app.screen.query_one(RequestsTable)
            before = table.rendered
            await pilot.press("end")
            await drawn(app, pilot)
            assert table.rendered - before <= 3 * table.size.height

    play(scene())
