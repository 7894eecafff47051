"""Whatever a client gets wrong: the right status, OpenAI's four keys, and the field at fault. No engine is asked."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from mlxtui.engine.replay import SCRIPTED_MODEL, ReplayEngine
from mlxtui.errors import ContextLengthExceeded, EngineFailed, InvalidRequest
from mlxtui.events import RequestFinished, RequestQueued
from mlxtui.settings import Settings
from tests.server.serving import CHAT, HELLO, chat, function, run, serving, sse

USER = {"role": "user", "content": "hello"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
JSON = {"content-type": "application/json"}


def assert_error(
    response: httpx2.Response, status: int, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    body = response.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert "Traceback" not in error["message"]
    assert error["type"] == {404: "not_found_error", 429: "rate_limit_error"}.get(
        status, "invalid_request_error" if status < 500 else "server_error"
    )
    assert error["param"] == param
    assert error["code"]
    if code:
        assert error["code"] == code
    return error


def raw(text: str) -> bytes:
    """A chat request with `text` put in as it stands."""
    return json.dumps(HELLO)[:-1].encode() + b", " + text.encode() + b"}"


BODIES: dict[str, tuple[bytes, str | None, str]] = {
    "truncated": (b'{"model": ', None, "invalid_json"),
    "empty": (b"", None, "invalid_json"),
    "plain text": (b"hello", None, "invalid_json"),
    "no UTF-8": (b'{"model": "\xff"}', None, "invalid_value"),
    "UTF-16": (json.dumps(HELLO).encode("utf-16"), None, "invalid_value"),
    "BOM": (json.dumps(HELLO).encode("utf-8-sig"), None, "invalid_json"),
    "100k brackets": (b"[" * 100_000, None, "json_too_deep"),
    "an array": (b"[]", None, "invalid_json"),
    "a string": (b'"x"', None, "invalid_json"),
    "a number": (b"42", None, "invalid_json"),
    "null": (b"null", None, "invalid_json"),
    "NaN": (raw('"temperature": NaN'), None, "invalid_json"),
    "Infinity": (raw('"top_p": -Infinity'), None, "invalid_json"),
    "1e999": (raw('"temperature": 1e999'), None, "invalid_json"),
    "5000 digits": (raw('"seed": ' + "9" * 5000), None, "invalid_json"),
    "deep metadata": (raw('"metadata": ' + '{"a":' * 100 + "1" + "}" * 100), "metadata", "json_too_deep"),
    "surrogate in content": (
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        "messages[0].content",
        "invalid_value",
    ),
    "surrogate in stop": (raw('"stop": ["a", "\\ud800"]'), "stop[1]", "invalid_value"),
    "surrogate in metadata": (raw('"metadata": {"k": "\\udfff"}'), "metadata.k", "invalid_value"),
    "surrogate in a name": (raw('"\\ud800": 1'), None, "invalid_value"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_clean_json_object(name: str) -> None:
    body, param, code = BODIES[name]

    async def main() -> None:
        async with serving() as served, served.http() as http:
            response = await http.post(CHAT, content=body, headers=JSON)
            assert_error(response, 400, param, code)
            finished = await served.event(RequestFinished)
        assert (finished.status, finished.outcome) == (400, "error")

    run(main())


def test_of_two_equal_names_the_last_counts() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            response = await http.post(CHAT, content=raw('"model": "nope", "model": "scripted"'), headers=JSON)
        assert response.status_code == 200

    run(main())


FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no model": ({"model": None}, "model", "missing_required_parameter"),
    "empty model": ({"model": ""}, "model", "invalid_value"),
    "model of 10 kB": ({"model": "m" * 10_000}, "model", "invalid_value"),
    "model a number": ({"model": 5}, "model", "invalid_value"),
    "no messages": ({"messages": None}, "messages", "missing_required_parameter"),
    "messages empty": ({"messages": []}, "messages", "invalid_value"),
    "messages an object": ({"messages": USER}, "messages", "invalid_value"),
    "too many messages": ({"messages": [USER] * 10_001}, "messages", "invalid_value"),
    "no role": ({"messages": [USER, {"content": "x"}]}, "messages[1].role", "missing_required_parameter"),
    "unknown role": ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role", "invalid_value"),
    "content a number": ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "invalid_value"),
    "content an object": ({"messages": [{"role": "user", "content": {}}]}, "messages[0].content", "invalid_value"),
    "no content": ({"messages": [{"role": "user"}]}, "messages[0]", "invalid_value"),
    "unknown part": (
        {"messages": [{"role": "user", "content": [{"type": "hologram"}]}]},
        "messages[0].content[0]",
        "unsupported_content",
    ),
    "a part whose type is a list": (
        {"messages": [{"role": "user", "content": [{"type": ["text"], "text": "x"}]}]},
        "messages[0].content[0].type",
        "invalid_value",
    ),
    "an image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}]},
        "messages[0].content[0]",
        "unsupported_content",
    ),
    "audio": (
        {"messages": [USER, {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        "messages[1].content[0]",
        "unsupported_content",
    ),
    "a call without id": (
        {"messages": [{"role": "assistant", "tool_calls": [{k: v for k, v in CALL.items() if k != "id"}]}]},
        "messages[0].tool_calls[0].id",
        "missing_required_parameter",
    ),
    "a result without its call": (
        {"messages": [{"role": "tool", "content": "4"}]},
        "messages[0]",
        "invalid_value",
    ),
    "temperature below": ({"temperature": -1}, "temperature", "invalid_value"),
    "temperature above": ({"temperature": 2.1}, "temperature", "invalid_value"),
    "temperature a string": ({"temperature": "0.5"}, "temperature", "invalid_value"),
    "temperature a boolean": ({"temperature": True}, "temperature", "invalid_value"),
    "top_p zero": ({"top_p": 0}, "top_p", "invalid_value"),
    "top_p above": ({"top_p": 1.1}, "top_p", "invalid_value"),
    "top_k below": ({"top_k": -2}, "top_k", "invalid_value"),
    "top_k huge": ({"top_k": 1 << 63}, "top_k", "invalid_value"),
    "min_p above": ({"min_p": 1.5}, "min_p", "invalid_value"),
    "presence penalty": ({"presence_penalty": 3}, "presence_penalty", "invalid_value"),
    "repetition penalty": ({"repetition_penalty": -1}, "repetition_penalty", "invalid_value"),
    "max_tokens zero": ({"max_tokens": 0}, "max_tokens", "invalid_value"),
    "max_tokens below": ({"max_tokens": -1}, "max_tokens", "invalid_value"),
    "max_tokens half": ({"max_completion_tokens": 1.5}, "max_completion_tokens", "invalid_value"),
    "max_tokens huge": ({"max_tokens": 1 << 31}, "max_tokens", "invalid_value"),
    "max_tokens a string": ({"max_tokens": "10"}, "max_tokens", "invalid_value"),
    "n zero": ({"n": 0}, "n", "invalid_value"),
    "n huge": ({"n": 10**9}, "n", "invalid_value"),
    "top_logprobs": ({"top_logprobs": 21}, "top_logprobs", "invalid_value"),
    "1000 stops": ({"stop": ["x"] * 1000}, "stop", "invalid_value"),
    "an empty stop": ({"stop": ""}, "stop", "invalid_value"),
    "an empty stop in a list": ({"stop": ["a", ""]}, "stop", "invalid_value"),
    "a stop of 1 MB": ({"stop": "x" * 1_000_000}, "stop", "invalid_value"),
    "numbers as stops": ({"stop": [1, 2]}, "stop[0]", "invalid_value"),
    "seed a fraction": ({"seed": 0.5}, "seed", "invalid_value"),
    "seed of 2^64": ({"seed": 1 << 64}, "seed", "invalid_value"),
    "logit_bias": ({"logit_bias": {"5": 1000}}, "logit_bias", "invalid_value"),
    "a tool without a name": (
        {"tools": [{"type": "function", "function": {}}]},
        "tools[0].function.name",
        "missing_required_parameter",
    ),
    "a tool name of 65": ({"tools": [function("x" * 65)]}, "tools[0].function.name", "invalid_value"),
    "a tool name with a space": ({"tools": [function("a b")]}, "tools[0].function.name", "invalid_value"),
    "two tools of a name": ({"tools": [function("a"), function("a")]}, "tools[1].function.name", "invalid_value"),
    "tool_choice required": (
        {"tool_choice": "required"},
        "tool_choice",
        "invalid_value",
    ),
    "tool_choice nonsense": ({"tools": [function("a")], "tool_choice": "maybe"}, "tool_choice", "invalid_value"),
    "response_format": ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    "top_logprobs without logprobs": ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
    "no schema": ({"response_format": {"type": "json_schema"}}, "response_format", "invalid_value"),
    "stream a string": ({"stream": "yes"}, "stream", "invalid_value"),
    "stream_options without stream": ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
    "include_usage a string": (
        {"stream": True, "stream_options": {"include_usage": "yes"}},
        "stream_options.include_usage",
        "invalid_value",
    ),
    "a chat template": ({"chat_template": "{{ x }}"}, "chat_template", "unsupported_parameter"),
    "a reserved template variable": (
        {"chat_template_kwargs": {"tokenize": True}},
        "chat_template_kwargs",
        "invalid_value",
    ),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_at_fault_is_named(name: str) -> None:
    fields, param, code = FIELDS[name]

    async def main() -> None:
        async with serving() as served, served.http() as http:
            response = await http.post(CHAT, json=chat(**fields))
            assert_error(response, 400, param, code)
            await served.event(RequestFinished)
            assert not any(isinstance(event, RequestQueued) for event in served.events)

    run(main())


@pytest.mark.parametrize("model", ["other", "../../etc/passwd", "a/../b", "MLXTUI-TINY "])
def test_another_model_is_not_found(model: str) -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            error = assert_error(await http.post(CHAT, json=chat(model=model)), 404, "model", "model_not_found")
        assert "scripted" in error["message"]

    run(main())


OK: dict[str, dict[str, Any]] = {
    "temperature null": {"temperature": None},
    "every option null": dict.fromkeys(("top_p", "seed", "stop", "tools", "stream", "n", "logit_bias", "user")),
    "arguments that are no JSON": {
        "messages": [
            USER,
            {"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": "{oops"}}]},
            {"role": "tool", "tool_call_id": "call_unknown", "content": "4"},
        ]
    },
    "parts of text": {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
    "a developer": {"messages": [{"role": "developer", "content": "be kind"}, USER]},
    "unknown fields": {"store": True, "metadata": {"a": "b"}, "service_tier": "auto", "shoe_size": 43},
    "control characters": {"messages": [{"role": "user", "content": "\x00\u202e\ufffd\ue000👩‍👩‍👧<|im_end|>"}]},
}


@pytest.mark.parametrize("name", OK)
def test_what_is_odd_but_fine_is_answered(name: str) -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            response = await http.post(CHAT, json=chat(**OK[name]))
        assert response.status_code == 200, response.text

    run(main())


def test_paths_and_methods_that_are_not_there() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            for path in ("/", "/v1", "/v1/nothing", "/v2/chat/completions", "/v1//models", "/%00", "/%ff", "/%2e%2e"):
                assert_error(await http.get(path), 404, None, "unknown_url")
            for path in ("/v1/models/../../x", "/v1/models/%2e%2e%2fx", "/v1/models/nope"):
                response = await http.get(path)
                assert response.status_code == 404
                assert response.json()["error"].keys() == {"message", "type", "param", "code"}
            refused = await http.get(CHAT)
            assert_error(refused, 405, None, "method_not_allowed")
            assert set(refused.headers["allow"].split(", ")) == {"POST", "OPTIONS"}
            assert_error(await http.delete("/v1/models"), 405)

    run(main())


def test_a_trailing_slash_head_and_options_are_tolerated_and_never_generate() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            assert (await http.post(CHAT + "/", json=HELLO)).status_code == 200
            assert (await http.get("/v1/models/")).status_code == 200
            before = len(served.events)
            assert (await http.head("/v1/models")).status_code == 200
            assert (await http.head("/mlxtui/events")).headers["content-type"].startswith("text/event-stream")
            assert (await http.options(CHAT)).status_code in (200, 204)
            assert len(served.events) == before

    run(main())


REFUSED: dict[str, tuple[dict[str, str], int, str]] = {
    "gzip": ({"content-encoding": "gzip"}, 415, "unsupported_encoding"),
    "brotli": ({"content-encoding": "br"}, 415, "unsupported_encoding"),
    "plain text": ({"content-type": "text/plain"}, 415, "unsupported_content_type"),
    "a form": ({"content-type": "application/x-www-form-urlencoded"}, 415, "unsupported_content_type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_of_another_kind_is_refused(name: str) -> None:
    headers, status, code = REFUSED[name]

    async def main() -> None:
        async with serving() as served, served.http() as http:
            response = await http.post(CHAT, content=json.dumps(HELLO), headers=JSON | headers)
        assert_error(response, status, None, code)

    run(main())


def test_no_content_type_is_refused_and_a_charset_is_fine() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            assert_error(await http.post(CHAT, content=b"{}"), 415, None, "unsupported_content_type")
            typed = {"content-type": "application/json; charset=utf-8"}
            assert (await http.post(CHAT, content=json.dumps(HELLO), headers=typed)).status_code == 200

    run(main())


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_over_the_limit_is_refused(chunked: bool) -> None:
    async def pieces() -> Any:
        for _ in range(8):
            yield b" " * 512

    async def main() -> None:
        async with serving(settings=Settings(max_body_bytes=2048)) as served, served.http() as http:
            content: Any = pieces() if chunked else b" " * 4096
            assert_error(await http.post(CHAT, content=content, headers=JSON), 413, None, "request_too_large")

    run(main())


def test_the_engine_refuses_a_prompt_before_a_stream_begins() -> None:
    full = ContextLengthExceeded("the prompt has 9000 tokens, the context 4096", param="messages")

    async def main() -> None:
        async with serving(prompt_tokens=None, failure=full) as served, served.http() as http:
            for stream in (False, True):
                response = await http.post(CHAT, json=chat(stream=stream))
                error = assert_error(response, 400, "messages", "context_length_exceeded")
                assert "9000" in error["message"]

    run(main())


def test_a_template_that_refuses_is_the_clients_fault() -> None:
    refusal = InvalidRequest("roles must alternate", param="messages", code="invalid_prompt")

    async def main() -> None:
        async with serving(prompt_tokens=None, failure=refusal) as served, served.http() as http:
            assert_error(await http.post(CHAT, json=HELLO), 400, "messages", "invalid_prompt")

    run(main())


def test_an_engine_that_fails_midway_is_a_500_that_no_client_retries() -> None:
    async def main() -> None:
        async with serving(("Hel",), failure=EngineFailed("the engine died")) as served, served.http() as http:
            response = await http.post(CHAT, json=HELLO)
            assert_error(response, 500, None, "engine_error")
            assert response.headers["x-should-retry"] == "false"
            async with http.stream("POST", CHAT, json=chat(stream=True)) as streamed:
                assert streamed.status_code == 200
                *chunks, error, done = await sse(streamed)
        assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None]
        assert error["error"] == {
            "message": "the engine died",
            "type": "server_error",
            "param": None,
            "code": "engine_error",
        }
        assert done == "[DONE]"

    run(main())


def test_a_bug_of_ours_is_told_in_general_terms(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: Any) -> None:
        raise KeyError("/secret/path")

    async def main() -> None:
        async with serving(pace=broken) as served, served.http() as http:
            response = await http.post(CHAT, json=HELLO)
            error = assert_error(response, 500, None, "internal_error")
            assert "secret" not in error["message"]
            finished = await served.event(RequestFinished)
        assert (finished.outcome, finished.status) == ("error", 500)

    run(main())
    assert "secret" in caplog.text


def test_a_bug_in_mid_stream_is_told_in_band(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(job: Any, number: int, dt: float) -> None:
        if number == 1:
            raise KeyError("/secret/path")

    body = chat(stream=True)

    async def main() -> None:
        async with (
            serving(pace=broken) as served,
            served.http() as http,
            http.stream("POST", CHAT, json=body) as response,
        ):
            *_, error, done = await sse(response)
        assert (error["error"]["code"], error["error"]["type"], done) == ("internal_error", "server_error", "[DONE]")
        assert "secret" not in error["error"]["message"]

    run(main())
    assert "secret" in caplog.text


def test_a_bug_in_a_route_is_told_in_general_terms(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("/secret/path")

    async def main() -> None:
        async with serving() as served, served.http() as http:
            monkeypatch.setattr("mlxtui.server.openai.parse_chat", broken)
            error = assert_error(await http.post(CHAT, json=HELLO), 500, None, "internal_error")
            assert "secret" not in error["message"]
            finished = await served.event(RequestFinished)
            assert (finished.outcome, finished.status) == ("error", 500)
            assert served.ledger.live() == []

    run(main())
    assert "secret" in caplog.text


def test_while_the_model_loads_there_is_a_503_that_says_when_to_come_back() -> None:
    async def main() -> None:
        async with serving(start=False) as served, served.http() as http:
            response = await http.post(CHAT, json=HELLO)
            assert_error(response, 503, None, "model_loading")
            assert int(response.headers["retry-after"]) >= 1
            assert (await http.get("/v1/models")).json() == {"object": "list", "data": []}
            assert (await http.get("/health")).status_code == 200
            assert_error(await http.get("/ready"), 503)

    run(main())


def test_a_request_that_was_never_recorded_is_not_found() -> None:
    async def main() -> None:
        engine = ReplayEngine({}, SCRIPTED_MODEL)
        async with serving(engine=engine) as served, served.http() as http:
            assert_error(await http.post(CHAT, json=HELLO), 404, None, "not_recorded")

    run(main())
