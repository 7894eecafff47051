"""Chat completions over a real socket, read by the official client in its strict mode."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mlxtui.engine.interface import ParsedCall
from mlxtui.engine.replay import SCRIPTED_MODEL
from mlxtui.types import Dialect, ModelInfo
from tests.server.serving import CHAT, HELLO, chat, function, run, serving, sse

WEATHER = '{"name": "weather", "arguments": {"city": "Oslo"}}'
TIME = '{"name": "time", "arguments": {}}'
CALLS = {
    f"\n{WEATHER}\n": (ParsedCall("weather", {"city": "Oslo"}),),
    f"\n{TIME}\n": (ParsedCall("time", {}),),
}
OWN_SYNTAX = replace(
    SCRIPTED_MODEL, dialect=Dialect(tool=("<tool_call>", "</tool_call>"), tool_syntax="known to the engine only")
)
TWO_CALLS = ("<tool_call>", f"\n{WEATHER}\n", "</tool_call>", "\n<tool_call>\n", f"{TIME}\n</tool_call>")
TOOLS = [function("weather"), function("time")]
SYNTAXES = pytest.mark.parametrize("model", [SCRIPTED_MODEL, OWN_SYNTAX], ids=["JSON", "the engine's own"])


def test_an_answer_is_one_object() -> None:
    async def main() -> None:
        async with serving(("Hel", "lo"), cached_tokens=3) as served, served.openai() as client:
            answer = await client.chat.completions.create(**HELLO)
        assert answer.id.startswith("chatcmpl-")
        assert (answer.object, answer.model) == ("chat.completion", "scripted")
        [choice] = answer.choices
        assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
        message = choice.message
        assert (message.role, message.content, message.refusal) == ("assistant", "Hello", None)
        assert message.tool_calls is None
        usage = answer.usage
        assert usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 2, 9)
        assert usage.prompt_tokens_details is not None
        assert usage.prompt_tokens_details.cached_tokens == 3

    run(main())


def test_a_stream_names_its_role_once_finishes_once_and_ends_with_one_done() -> None:
    async def main() -> None:
        async with (
            serving(("Hel", "lo")) as served,
            served.http() as http,
            http.stream("POST", CHAT, json=chat(stream=True)) as response,
        ):
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert response.headers["cache-control"] == "no-cache"
            *chunks, done = await sse(response)
        assert done == "[DONE]"
        assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert deltas == [
            {"role": "assistant", "content": "", "refusal": None},
            {"content": "Hel"},
            {"content": "lo"},
            {},
        ]
        assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
        assert all("usage" not in chunk for chunk in chunks)

    run(main())


def test_usage_comes_in_a_chunk_of_its_own_when_asked_for() -> None:
    async def main() -> None:
        body = chat(stream=True, stream_options={"include_usage": True})
        async with serving() as served, served.http() as http, http.stream("POST", CHAT, json=body) as response:
            *chunks, last, done = await sse(response)
        assert done == "[DONE]"
        assert all(chunk["usage"] is None for chunk in chunks)
        assert last["choices"] == []
        assert last["usage"]["total_tokens"] == 9

    run(main())


def test_the_official_client_reads_a_stream() -> None:
    async def main() -> None:
        async with serving(("Hel", "lo"), finish="length") as served, served.openai() as client:
            stream = await client.chat.completions.create(**HELLO, stream=True)
            chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
        assert chunks[-1].choices[0].finish_reason == "length"

    run(main())


def test_pieces_of_one_batch_are_one_chunk() -> None:
    async def main() -> None:
        async with (
            serving((("a", "b"), "c")) as served,
            served.http() as http,
            http.stream("POST", CHAT, json=chat(stream=True)) as response,
        ):
            chunks = (await sse(response))[:-1]
        assert [c["choices"][0]["delta"].get("content") for c in chunks[1:-1]] == ["ab", "c"]

    run(main())


@SYNTAXES
def test_parallel_calls_keep_ids_indices_and_arguments_apart(model: ModelInfo) -> None:
    async def main() -> None:
        async with serving(TWO_CALLS, calls=CALLS, model=model) as served, served.openai() as client:
            answer = await client.chat.completions.create(**HELLO, tools=TOOLS)
            [choice] = answer.choices
            assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
            assert [call.function.name for call in choice.message.tool_calls] == ["weather", "time"]
            assert json.loads(choice.message.tool_calls[0].function.arguments) == {"city": "Oslo"}
            assert len({call.id for call in choice.message.tool_calls}) == 2

    run(main())


@SYNTAXES
def test_a_streamed_call_opens_with_id_and_name_and_goes_on_with_arguments_only(model: ModelInfo) -> None:
    async def main() -> None:
        body = chat(stream=True, tools=TOOLS)
        async with (
            serving(TWO_CALLS, calls=CALLS, model=model) as served,
            served.http() as http,
            http.stream("POST", CHAT, json=body) as response,
        ):
            *chunks, _ = await sse(response)
        calls = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", ())]
        assert [call["index"] for call in calls if "id" in call] == [0, 1]
        opening, *rest = (call for call in calls if call["index"] == 0)
        assert opening["id"].startswith("call_")
        assert opening["type"] == "function"
        assert opening["function"] == {"name": "weather", "arguments": ""}
        assert all(call.keys() == {"index", "function"} for call in rest)
        assert json.loads("".join(call["function"]["arguments"] for call in rest)) == {"city": "Oslo"}
        assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"

    run(main())


@SYNTAXES
def test_without_parallel_tool_calls_the_first_call_ends_the_answer(model: ModelInfo) -> None:
    async def main() -> None:
        async with serving(TWO_CALLS, calls=CALLS, model=model) as served, served.openai() as client:
            answer = await client.chat.completions.create(**HELLO, tools=TOOLS, parallel_tool_calls=False)
        [choice] = answer.choices
        assert [call.function.name for call in choice.message.tool_calls] == ["weather"]
        assert choice.finish_reason == "tool_calls"

    run(main())


def test_half_a_surrogate_pair_in_arguments_stays_an_escape() -> None:
    """The model's parser has decoded it; no UTF-8 can carry it."""

    async def main() -> None:
        body = '{"arguments": {"city": "\\ud83d"}, "name": "weather"}'
        calls = {body: (ParsedCall("weather", {"city": "\ud83d"}),)}
        async with serving((f"<tool_call>{body}</tool_call>",), calls=calls) as served, served.http() as http:
            answer = (await http.post(CHAT, json=chat(tools=TOOLS))).json()
            [call] = answer["choices"][0]["message"]["tool_calls"]
            assert call["function"]["arguments"] == '{"city": "\\ud83d"}'
            async with http.stream("POST", CHAT, json=chat(tools=TOOLS, stream=True)) as response:
                assert (await sse(response))[-1] == "[DONE]"

    run(main())


@SYNTAXES
@pytest.mark.parametrize("tools", [None, [function("other")]], ids=["none offered", "another offered"])
def test_markup_that_calls_no_offered_tool_is_text(tools: list[dict[str, Any]] | None, model: ModelInfo) -> None:
    async def main() -> None:
        async with serving(TWO_CALLS[:3], calls=CALLS, model=model) as served, served.http() as http:
            answer = (await http.post(CHAT, json=chat(tools=tools))).json()
        [choice] = answer["choices"]
        assert choice["message"]["content"] == f"<tool_call>\n{WEATHER}\n</tool_call>"
        assert choice["finish_reason"] == "stop"

    run(main())


@pytest.mark.parametrize(
    ("pieces", "opens_in"),
    [
        (("<think>", "hm", "</think>", "\n\nyes"), "content"),
        (
            (
                "hm</thi",
                "nk>yes",
            ),
            "reasoning",
        ),
    ],
    ids=["the model opens it", "the template opened it"],
)
def test_reasoning_stays_out_of_the_content(pieces: tuple[str, ...], opens_in: Any) -> None:
    async def main() -> None:
        async with serving(pieces, opens_in=opens_in) as served, served.http() as http:
            answer = (await http.post(CHAT, json=HELLO)).json()
            message = answer["choices"][0]["message"]
            assert (message["reasoning_content"], message["reasoning"], message["content"]) == ("hm", "hm", "yes")
            assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
            async with http.stream("POST", CHAT, json=chat(stream=True)) as response:
                *chunks, _ = await sse(response)
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert "".join(d.get("reasoning_content", "") for d in deltas) == "hm"
        assert "".join(d.get("content") or "" for d in deltas) == "yes"

    run(main())


@pytest.mark.parametrize("stop", ["STOP", ["never", "STOP"]])
def test_a_stop_string_ends_the_answer_before_itself_and_closes_the_job(stop: Any) -> None:
    async def main() -> None:
        async with serving(("one ST", "OP two", " three")) as served, served.openai() as client:
            answer = await client.chat.completions.create(**HELLO, stop=stop)
        assert answer.choices[0].message.content == "one "
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 2

    run(main())


def test_text_of_any_script_arrives_byte_for_byte() -> None:
    text = '\x00\u202e\ufffd\ue000👩‍👩‍👧 \u2028 \\ " \r\n\t</script>'

    async def main() -> None:
        async with serving((text,)) as served, served.openai() as client:
            assert (await client.chat.completions.create(**HELLO)).choices[0].message.content == text
            stream = await client.chat.completions.create(**HELLO, stream=True)
            chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text

    run(main())


def test_the_name_the_client_used_is_echoed() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            answer = await client.chat.completions.create(model="gpt-5", messages=HELLO["messages"])
        assert answer.model == "gpt-5"

    run(main())


def test_models_are_listed_and_found() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            [listed] = [model async for model in client.models.list()]
            found = await client.models.retrieve("scripted")
        assert listed == found
        assert found.model_extra is not None
        assert found.model_extra["context_length"] == found.model_extra["max_model_len"] == 4096

    run(main())
