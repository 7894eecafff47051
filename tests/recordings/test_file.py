"""Recordings on disk: what is written is read again, what is damaged or newer is named, secrets never arrive."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui import recording
from mlxtui.compare import normal, request_key, response_diff, same_ids, with_ids
from mlxtui.errors import UserError
from mlxtui.recorded import (
    Header,
    RecordedCalls,
    RecordedEvent,
    RecordedExchange,
    RecordedFailure,
    RecordedPiece,
    RecordedRequest,
    RecordedResponse,
    RecordedRun,
    Recording,
    runs_by_job,
)
from mlxtui.server.recorder import Answer
from mlxtui.types import Logprob, TokenLogprob

HEADER = Header("2026-11-20T12:00:00+00:00", "mlxtui 0.1.0", {"id": "m"}, "a note")
STREAM = (
    b': keepalive\n\ndata: {"a": "\xc3\xa9\\n"}\n\nevent: named\nid: 5\ndata: [1]\n\n: keepalive\n\n'
    b"data: [DONE\n\ndata: two\ndata: lines\n\n"
)
RUN = RecordedRun(
    t=0.5,
    prompt_tokens=5,
    cached_tokens=2,
    opens_in="reasoning",
    pieces=(RecordedPiece(0.25, "a\u2028", (1, 2)), RecordedPiece(0.0, "", ())),
    finish="stop",
    calls=(RecordedCalls("{}", ({"name": "f", "arguments": {"x": 1}},)),),
    failure=RecordedFailure("EngineFailed", "it died", None, "engine_error", None),
)


def exchange(id: str = "a", t: float = 0.0, **request: Any) -> RecordedExchange:
    asked = {"method": "POST", "path": "/v1/x", "headers": (("host", "localhost"),), "body": b'{"a": 1}'} | request
    answered = RecordedResponse(
        200, (("content-type", "text/event-stream"),), events=(RecordedEvent(0.1, None, {"b": 2}),)
    )
    return RecordedExchange(id, t, t + 1, RecordedRequest(**asked), answered, RUN)


def written(path: Path, *exchanges: RecordedExchange, secrets: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    writer = recording.Writer(path, secrets)
    writer.header(HEADER)
    for one in exchanges:
        writer.exchange(one)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_choices_and_logprobs_are_kept(tmp_path: Path) -> None:
    likely = TokenLogprob("é", "é".encode(), -0.5)
    figures = (Logprob(TokenLogprob("\ufffd", b"\xc3", -1.25), (likely,)), Logprob(likely))
    told = replace(RUN, pieces=(RecordedPiece(0.1, "a", (1, 2), figures),))
    whole = replace(exchange(), run=told, further=(replace(RUN, choice=1), replace(told, choice=3)))
    written(tmp_path / "r.jsonl", whole)
    (read,) = recording.read(tmp_path / "r.jsonl").exchanges
    assert read == whole
    assert runs_by_job([read]) == {"a": told, "a.1": whole.further[0], "a.3": whole.further[1]}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.jsonl"
    answered = RecordedResponse(None, cancelled=True)
    left = RecordedExchange("b", 0.5, 2.0, RecordedRequest("GET", "/v1/y?z=1", ()), answered)
    lines = written(path, exchange(t=3.0), left)
    assert recording.read(path) == Recording(HEADER, (left, exchange(t=3.0)))
    assert [line.get("type", "header") for line in lines] == [
        *("header", "request", "prompt", "pieces", "calls", "failure", "response", "request", "response")
    ]
    assert lines[0]["mlxtui_recording"] == 1
    assert lines[3]["pieces"] == [[0.25, "a\u2028", [1, 2]], [0.0, "", []]]
    assert lines[6]["events"] == [[0.1, None, {"b": 2}]]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b"", None),
        (b'{"a": [1, 2.5, null, "\xc3\xa9"]}', "body"),
        (b"null", "body"),
        (b'{"a": 1, "a": 2}', "body_text"),
        (b'{"a": NaN}', "body_text"),
        (b'{"a": 1e999}', "body_text"),
        (b'{"a": "\\ud800"}', "body_text"),
        (b'{"trunc', "body_text"),
        (b"[" * 100_000, "body_text"),
        (b"\xff\xfe", "body_base64"),
    ],
)
def test_any_body_comes_back_as_the_server_saw_it(body: bytes, key: str | None, tmp_path: Path) -> None:
    lines = written(tmp_path / "r", exchange(body=body))
    assert [name for name in lines[1] if name.startswith("body")] == ([key] if key else [])
    [read] = recording.read(tmp_path / "r").exchanges
    same = json.loads(read.request.body) == json.loads(body) if key == "body" else read.request.body == body
    assert same


@given(text=st.text(st.characters(codec=None)), data=st.text())
def test_any_text_comes_back(text: str, data: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = replace(RUN, pieces=(RecordedPiece(0.1, text, (1,)),))
    answered = RecordedResponse(200, events=(RecordedEvent(0.1, None, {"content": data}),))
    one = replace(exchange(), run=run, response=answered)
    path = tmp_path_factory.mktemp("any") / "r"
    written(path, one)
    assert recording.read(path).exchanges == (one,)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_stream_is_taken_apart_the_same_however_it_is_cut(cuts: list[int]) -> None:
    answer = Answer(clock=lambda: 0.0)
    headers = [(b"Content-Type", b"text/event-stream; charset=utf-8")]
    answer.take({"type": "http.response.start", "status": 200, "headers": headers})
    ends = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(ends):
        answer.take({"type": "http.response.body", "body": STREAM[start:end], "more_body": True})
    assert not answer.complete
    answer.take({"type": "http.response.body", "body": b"", "more_body": False})
    assert answer.response() == RecordedResponse(
        200,
        (("content-type", "text/event-stream; charset=utf-8"),),
        events=(
            RecordedEvent(0.0, None, {"a": "é\n"}),
            RecordedEvent(0.0, "named", [1]),
            RecordedEvent(0.0, None, "[DONE"),
            RecordedEvent(0.0, None, "two\nlines"),
        ),
    )


def test_names_that_come_twice_in_headers_are_kept(tmp_path: Path) -> None:
    headers = (("x-a", "1"), ("x-a", "2"))
    written(tmp_path / "r", exchange(headers=headers))
    assert recording.read(tmp_path / "r").exchanges[0].request.headers == headers


def test_credentials_never_reach_the_disk(tmp_path: Path) -> None:
    secret = "open-sesame"
    names = ("Authorization", "cookie", "X-API-Key", "api-key", "proxy-authorization")
    headers = tuple((name, f"Bearer {secret}") for name in names)
    body = json.dumps({"messages": [f"my key is {secret}"]}).encode()
    path = f"/v1/x?api_key={secret}&a=1&token={secret}"
    written(tmp_path / "r", exchange(headers=headers, path="/v1/x?api_key=k&a=1&token=k", body=b""))
    text = (tmp_path / "r").read_text()
    assert secret not in text
    assert "/v1/x?api_key=[redacted]&a=1&token=[redacted]" in text
    written(tmp_path / "s", exchange(headers=headers, path=path, body=body), secrets=(secret, ""))
    assert secret not in (tmp_path / "s").read_text()


def test_only_its_owner_may_read_it_and_it_is_never_overwritten(tmp_path: Path) -> None:
    written(tmp_path / "r", exchange())
    assert os.stat(tmp_path / "r").st_mode & 0o777 == 0o600
    with pytest.raises(UserError, match="never overwritten"):
        recording.Writer(tmp_path / "r")
    with pytest.raises(UserError, match="can't record to"):
        recording.Writer(tmp_path / "r" / "below")


@pytest.mark.parametrize(
    "tail", ['{"t": 9, "id": "b", "ty', "[]", '{"t": 1}', "\\xff", '{"id": "q", "type": "response"}']
)
def test_whole_lines_before_a_damaged_one_are_kept(tail: str, tmp_path: Path) -> None:
    written(tmp_path / "r", exchange())
    with (tmp_path / "r").open("a") as file:
        file.write(tail)
    read = recording.read(tmp_path / "r")
    assert read.exchanges == (exchange(),)
    assert read.damage is not None
    assert "line 8 is damaged" in read.damage


@pytest.mark.parametrize(
    ("type", "field", "value"),
    [
        ("request", "method", 5),
        ("prompt", "prompt_tokens", "five"),
        ("prompt", "opens_in", "thoughts"),
        ("pieces", "pieces", [[0.1, "a"]]),
        ("pieces", "pieces", ["The"]),
        ("pieces", "pieces", [[0.1, None, [1]]]),
        ("response", "status", "OK"),
    ],
)
def test_a_value_of_another_kind_is_damage(type: str, field: str, value: object, tmp_path: Path) -> None:
    lines = written(tmp_path / "r", exchange())
    changed = [line | {field: value} if line.get("type") == type else line for line in lines]
    (tmp_path / "r").write_text("".join(json.dumps(line) + "\n" for line in changed))
    read = recording.read(tmp_path / "r")
    assert (read.exchanges, read.damage is not None) == ((), True)


def test_an_exchange_without_its_end_is_left_out(tmp_path: Path) -> None:
    written(tmp_path / "r", exchange())
    lines = (tmp_path / "r").read_text().splitlines(keepends=True)
    (tmp_path / "r").write_text("".join(lines[:-1]))
    assert recording.read(tmp_path / "r") == Recording(HEADER, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"mlxtui_recording": 2, "created": ""}\n', "version 2"),
        ("", "is no recording"),
        ("hello\n", "is no recording"),
        ("[1]\n", "is no recording"),
        ('{"mlxtui_recording": 1}\n', "is no recording"),
    ],
)
def test_what_is_no_recording_of_ours_is_said_plainly(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "r").write_text(text)
    with pytest.raises(UserError, match=says):
        recording.read(tmp_path / "r")


def test_a_missing_file_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        recording.read(tmp_path / "nothing")


def test_ids_and_times_are_made_equal_and_who_is_who_is_kept() -> None:
    before = {"id": "chatcmpl-aaaaaa11", "created": 5, "calls": ["call_abcdef", "call_fedcba", "call_abcdef"]}
    after = {"id": "chatcmpl-bbbbbb22", "created": 9, "calls": ["call_111111", "call_222222", "call_111111"]}
    mixed = after | {"calls": ["call_111111", "call_222222", "call_222222"]}
    assert normal(before) == normal(after) != normal(mixed)
    assert normal({"system_fingerprint": "a"}) == normal({"system_fingerprint": "b"})
    assert normal({"x": "a recall_of things, created: 5"}) == {"x": "a recall_of things, created: 5"}


def test_requests_that_ask_the_same_are_equal() -> None:
    body = b'{"a": 1, "b": {"c": 2, "d": null}}'
    same = b'{ "b": {"d": null, "c": 2}, "a": 1, "seed": null}'
    assert request_key("POST", "/v1/x", body) == request_key("POST", "/v1/x/", same)
    assert request_key("POST", "/v1/x", body) != request_key("POST", "/v1/x", b'{"a": 2}')
    assert request_key("POST", "/v1/x", body) != request_key("POST", "/v1/y", body)


def test_an_answer_its_client_left_is_compared_as_far_as_it_went() -> None:
    events = tuple(RecordedEvent(0.0, None, {"n": n}) for n in range(4))
    whole, cut = RecordedResponse(200, events=events), RecordedResponse(200, events=events[:2], cancelled=True)
    assert response_diff(cut, whole) == []
    assert response_diff(cut, RecordedResponse(200, events=events[:1])) != []
    assert response_diff(whole, RecordedResponse(200, events=events[:2])) != []
    assert response_diff(RecordedResponse(None, cancelled=True), whole) == []


def _chunks(*order: tuple[int, str]) -> RecordedResponse:
    made = [{"choices": [{"index": index, "delta": {"content": text}}]} for index, text in order]
    events = [*made, {"choices": [], "usage": {"total_tokens": 9}}, "[DONE]"]
    return RecordedResponse(200, (), b"", tuple(RecordedEvent(0.0, None, data) for data in events))


def test_the_order_between_choices_is_chance_and_within_one_it_is_not() -> None:
    recorded = _chunks((0, "a"), (1, "x"), (0, "b"), (1, "y"))
    assert response_diff(recorded, _chunks((1, "x"), (0, "a"), (1, "y"), (0, "b"))) == []
    assert response_diff(recorded, _chunks((0, "b"), (1, "x"), (0, "a"), (1, "y"))) != []


def test_a_later_request_speaks_of_todays_ids() -> None:
    recorded = RecordedResponse(200, (), b'{"id": "resp_aaaaaaa1", "output": [{"id": "msg_aaaaaaa2"}]}', None)
    actual = RecordedResponse(200, (), b'{"id": "resp_bbbbbbb1", "output": [{"id": "msg_bbbbbbb2"}]}', None)
    ids = same_ids(recorded, actual)
    asked = "/v1/responses/resp_aaaaaaa1?after=msg_aaaaaaa2&before=msg_ccccccc3"
    assert with_ids(asked, ids) == "/v1/responses/resp_bbbbbbb1?after=msg_bbbbbbb2&before=msg_ccccccc3"
