"""Bodies of every shape at a real server with the embedded model: an answer or a sentence, never a 500, never silence.

`MLXTUI_FUZZ=2000 pytest tests/server/test_fuzz.py` draws as many new ones, instead of the few that never change.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai._models import validate_type
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.api.bodies import FUZZED, bodies
from tests.e2e.server import Server, serving

ANSWERS: dict[str, tuple[Any, Any]] = {
    "/v1/chat/completions": (ChatCompletion, ChatCompletionChunk),
    "/v1/completions": (Completion, None),
}
"""What the official client reads them as. Not of responses: they echo tools of kinds that no client knows."""
HELLO = {"model": "default", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
DRAWN = int(os.environ.get("MLXTUI_FUZZ", "0"))
fuzzing = settings(
    max_examples=DRAWN or 30,
    derandomize=not DRAWN,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One of our own: what a fuzzed request breaks should break here."""
    with serving(tmp_path_factory.mktemp("fuzz")) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.mark.parametrize("endpoint", FUZZED, ids=lambda endpoint: endpoint.path)
def test_any_body_is_answered_and_so_is_the_next_request(endpoint: Any, server: Server, http: httpx2.Client) -> None:
    worker = server.worker().pid
    path = endpoint.path.replace("{id}", http.post("/v1/conversations", json={}).json()["id"])

    @fuzzing
    @given(bodies(endpoint.body.__name__))
    def check(body: dict[str, Any]) -> None:
        content = json.dumps(body)  # a lone surrogate travels as an escape
        response = http.post(path, content=content, headers={"content-type": "application/json"})
        check_answer(endpoint.path, response)
        assert http.get("/ready").status_code == 200

    check()
    assert http.post("/v1/chat/completions", json=HELLO).status_code == 200
    assert server.worker().pid == worker, "the worker was restarted"


def check_answer(path: str, response: httpx2.Response) -> None:
    whole, chunk = ANSWERS.get(path, (None, None))
    if response.status_code != 200:
        assert 400 <= response.status_code < 500, response.text
        check_error(response.json())
    elif response.headers["content-type"].startswith("text/event-stream"):
        lines = response.text.split("\n")  # not at U+2028, which JSON may hold
        *events, end = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        assert end == "[DONE]"
        for data in map(json.loads, events):
            assert "error" not in data, data
            assert data.get("type") not in ("error", "response.failed"), data
            assert chunk is None or validate_type(type_=chunk, value=data)
    elif whole:
        validate_type(type_=whole, value=response.json())


def check_error(body: dict[str, Any]) -> None:
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["message"]
    assert body["error"]["code"]
    assert "Traceback" not in body["error"]["message"]


@fuzzing
@given(st.binary(max_size=200) | st.sampled_from([b'{"model": "default"', b"[" * 5000, b"\xff\xfe", b"{" * 100]))
def test_bytes_that_are_no_request_are_refused(http: httpx2.Client, raw: bytes) -> None:
    response = http.post("/v1/chat/completions", content=raw, headers={"content-type": "application/json"})
    assert response.status_code == 400
    check_error(response.json())
