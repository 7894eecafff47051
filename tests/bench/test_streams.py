"""Bytes become answers: any cut of the bytes gives the same, and what is broken is said."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.bench.answer import arrivals, read_answer
from mlxtui.bench.http1 import Response
from mlxtui.bench.wire import RequestFailed

USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}


def event(*, finish: str | None = None, usage: Any = None, **delta: Any) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": usage}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def tail(usage: Any = USAGE) -> bytes:
    return b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n"


STREAM = [
    event(role="assistant", content=""),
    b": keepalive\n\n",
    event(reasoning_content="hm", reasoning="hm"),
    event(content="Zür"),
    event(content="ich"),
    event(finish="stop"),
    tail(),
]
WHOLE = b'{"ok": "ja\xc3\xbc"}'


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@given(st.lists(st.integers(0, 5000)))
def test_chunks_cut_anywhere_are_the_same_payload(places: list[int]) -> None:
    response = Response()
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n" + chunked(STREAM)
    payload = b"".join(response.feed(piece) for piece in cut(raw, places))
    assert payload == b"".join(STREAM)
    assert (response.status, response.complete, response.reusable) == (200, True, True)


@given(st.lists(st.integers(0, 500)), st.booleans())
def test_bodies_with_and_without_a_length(places: list[int], told: bool) -> None:
    response = Response()
    length = f"content-length: {len(WHOLE)}\r\n" if told else ""
    raw = f"HTTP/1.0 404 No\r\n{length}\r\n".encode() + WHOLE
    payload = b"".join(response.feed(piece) for piece in cut(raw, places))
    assert payload == WHOLE
    assert response.complete == told
    response.close()
    assert response.complete
    assert not response.reusable, "HTTP/1.0 closes"


def test_a_cut_connection_is_no_end() -> None:
    response = Response()
    response.feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel")
    response.close()
    assert not response.complete


@pytest.mark.parametrize("raw", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 ok\r\n\r\n", b"x" * 70_000])
def test_what_is_no_http_is_told(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Response().feed(raw)


@given(st.lists(st.integers(0, 5000)))
def test_a_stream_cut_anywhere_is_the_same_answer(places: list[int]) -> None:
    reads = [(float(number), piece) for number, piece in enumerate(cut(b"".join(STREAM), places), 1)]
    answer = read_answer(200, 0.5, reads)
    assert (answer.text, answer.tokens, answer.counted) == ("Zürich", 5, True)
    assert (answer.prompt_tokens, answer.cached_tokens) == (9, 4)
    assert len(answer.arrivals) == 3, "reasoning and text, not the role and no comment"
    assert answer.ttft == answer.arrivals[0] - 0.5


def test_times_are_those_of_the_reads_that_completed_a_chunk() -> None:
    reads = [(float(number), piece) for number, piece in enumerate(STREAM, 1)]
    answer = read_answer(200, 0.0, reads)
    assert (answer.arrivals, answer.gaps, answer.ended) == ((3.0, 4.0, 5.0), [1.0, 1.0], 6.0)
    assert arrivals(reads[:4]) == [3.0, 4.0]


def test_without_usage_pieces_are_counted() -> None:
    answer = read_answer(200, 0.0, [(1.0, b"".join(STREAM[:-1]) + b"data: [DONE]\n\n")])
    assert (answer.tokens, answer.counted, answer.prompt_tokens) == (3, False, None)


def test_an_answer_in_one_piece() -> None:
    body = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": USAGE}
    answer = read_answer(200, 1.0, [(1.5, b""), (3.0, json.dumps(body).encode())])
    assert (answer.text, answer.ttft, answer.tokens) == ("yes", 2.0, 5)


def test_an_answer_without_text_has_its_end_for_its_first_token() -> None:
    answer = read_answer(200, 1.0, [(2.0, event(role="assistant", content="")), (4.0, event(finish="stop"))])
    assert (answer.ttft, answer.gaps, answer.tokens) == (3.0, [], 0)


@pytest.mark.parametrize(
    ("status", "payload", "words"),
    [
        (429, b'{"error": {"message": "queue full"}}', "HTTP 429: queue full"),
        (404, b'{"error": "generation thread died"}', "HTTP 404: generation thread died"),
        (502, b"<html>bad\x1b[2J</html>", "HTTP 502: <html>bad"),
        (200, event(content="x"), "without a finish_reason"),
        (200, b'data: {"error": {"message": "out of memory"}}\n\n', "the stream broke: out of memory"),
        (200, b"data: {oops\n\n", "no JSON: {oops"),
    ],
)
def test_what_has_no_figures_says_why(status: int, payload: bytes, words: str) -> None:
    with pytest.raises(RequestFailed, match=words) as failed:
        read_answer(status, 0.0, [(1.0, payload)])
    assert "\x1b" not in str(failed.value)
