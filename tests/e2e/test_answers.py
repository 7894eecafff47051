"""The official client against the embedded model: real inference, asked the way users ask."""

from __future__ import annotations

import json
import random
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.server import Server, wait_for

MODEL = "mlxtui-tiny"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def tool(name: str, description: str, **properties: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {k: {"type": t} for k, t in properties.items()},
        "required": list(properties),
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


TOOLS: Any = [
    tool("get_time", "Get the current time in a city", city="string"),
    tool("get_weather", "Get the current weather in a city", city="string"),
    tool("send_email", "Send an email", to="string", text="string"),
    tool("add", "Add two numbers", a="number", b="number"),
]


def ask(server: Server, *turns: str | dict[str, Any], **options: Any) -> Any:
    messages = [{"role": "user", "content": turn} if isinstance(turn, str) else turn for turn in turns]
    with server.client() as client:
        return client.chat.completions.create(model=MODEL, messages=messages, temperature=0, **options)  # type: ignore[call-overload]


def streamed(server: Server, *turns: str, **options: Any) -> str:
    messages: Any = [{"role": "user", "content": turn} for turn in turns]
    with (
        server.client() as client,
        client.chat.completions.create(model=MODEL, messages=messages, temperature=0, stream=True, **options) as stream,
    ):
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def test_a_fact_is_known_and_streams_the_same(server: Server) -> None:
    question = "What is the capital of France?"
    answer = ask(server, question)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert streamed(server, question) == answer.choices[0].message.content


def test_a_name_is_recalled_two_turns_later(server: Server) -> None:
    turns: list[Any] = ["My name is Ada."]
    for question in ("What is the capital of Italy?", "What is my name?"):
        turns += [said(ask(server, *turns).choices[0].message.content), question]
    answer = ask(server, *turns)
    assert "Ada" in answer.choices[0].message.content
    assert answer.usage.prompt_tokens_details.cached_tokens > 0


def test_a_tool_is_called_and_its_result_used(server: Server) -> None:
    question = "What is the weather in Oslo?"
    choice = ask(server, question, tools=TOOLS).choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo"})
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": "17 degrees", "sky": "cloudy"}'}
    answer = ask(server, question, choice.message.model_dump(exclude_none=True), result, tools=TOOLS)
    assert answer.choices[0].finish_reason == "stop"
    assert "17" in answer.choices[0].message.content


def test_reasoning_stands_apart_from_the_answer(server: Server) -> None:
    message = ask(server, "Think step by step: what is 2 plus 3?").choices[0].message
    assert message.reasoning_content
    assert message.content
    assert "<think>" not in message.content + message.reasoning_content
    silent = ask(server, "Think step by step: what is 2 plus 3?", reasoning_effort="none").choices[0].message
    assert getattr(silent, "reasoning_content", None) is None


def test_length_is_reported_when_the_limit_cuts(server: Server) -> None:
    answer = ask(server, "Tell me a story.", max_completion_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


def test_a_stop_string_never_shows(server: Server) -> None:
    whole = ask(server, "Count from 1 to 9.").choices[0].message.content
    assert "6" in whole
    cut = ask(server, "Count from 1 to 9.", stop="6").choices[0]
    assert cut.message.content == whole[: whole.index("6")]
    assert cut.finish_reason == "stop"
    assert streamed(server, "Count from 1 to 9.", stop=["6"]) == cut.message.content


def test_a_prompt_longer_than_the_context_is_named_with_both_numbers(server: Server) -> None:
    import openai

    with pytest.raises(openai.BadRequestError) as caught:
        streamed(server, "word " * 40_000)
    assert caught.value.code == "context_length_exceeded"
    assert "32,768" in caught.value.message or "32768" in caught.value.message


def test_thirty_two_streams_at_once_are_what_they_are_alone(server: Server) -> None:
    """Each carries its own nonce; temperature 0."""
    draw = random.Random(7)
    nonces = ["".join(draw.choices("abcdefghjkmnpqrstuvwxyz23456789", k=6)) for _ in range(32)]
    prompts = [f"Repeat exactly: {nonce}" for nonce in nonces]
    alone = [streamed(server, prompt) for prompt in prompts]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda prompt: streamed(server, prompt), prompts))
    assert together == alone
    right = sum(nonce in text for nonce, text in zip(nonces, together, strict=True))
    assert right >= 30, f"only {right} of 32 nonces came back"


def test_why_a_prompt_was_not_reused_is_told_with_field_and_text(server: Server) -> None:
    nonce, question = f"{random.getrandbits(64):x}", "What is the capital of France?"
    rules = f"You are {nonce}. Answer what you are asked, in full sentences, and stay friendly. Today is "
    with server.client() as client:
        for day in ("Monday.", "Tuesday."):
            turns: Any = [{"role": "system", "content": rules + day}, {"role": "user", "content": question}]
            raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=turns, max_tokens=1)
        details = raw.parse().usage.prompt_tokens_details  # type: ignore[union-attr]
        told = client.get(f"{server.url}/mlxtui/requests/{raw.headers['x-request-id']}", cast_to=object)
    miss: Any = told["miss"]  # type: ignore[index]
    assert (miss["reason"], miss["where"]) == ("parted", "messages[0].content")
    assert miss["at"] == details.cached_tokens
    assert miss["was"].startswith("Monday") or miss["now"].startswith("Tuesday")


def test_the_log_names_the_field_that_cost_a_long_prompt_its_cache_but_not_its_words(server: Server) -> None:
    nonce, notes = f"{random.getrandbits(64):x}", "The harbour opens at seven and closes late. " * 40
    for day in ("Monday", "Tuesday"):
        rules = {"role": "system", "content": f"You are {nonce}. Help with the notes you are given, in short words."}
        with server.client() as client:
            raw = client.chat.completions.with_raw_response.create(
                model=MODEL,
                messages=[rules, {"role": "user", "content": f"{day}. {notes} When?"}],  # type: ignore[list-item]
                max_tokens=1,
            )
    parted = re.compile(rf"{raw.headers['x-request-id'].removeprefix('req_')[:6]}  parts after token \d+ in (.+)")
    wait_for(lambda: parted.search(server.out.read_text()))
    assert parted.findall(server.out.read_text()) == ["messages[1].content"]
    assert "the prompt parts from the nearest earlier one" in server.out.read_text()
    assert "Tuesday" not in server.out.read_text()


def test_a_prompt_can_be_seen_as_the_model_got_it(server: Server) -> None:
    turns: Any = [{"role": "system", "content": "Be brief. 👋"}, {"role": "user", "content": "What is 2 plus 3?"}]
    with server.client() as client:
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=turns)
        path = f"{server.url}/mlxtui/requests/{raw.headers['x-request-id']}"
        prompt, output = (client.get(f"{path}/{what}", cast_to=object) for what in ("prompt", "raw"))
    answer: Any = raw.parse()
    assert answer.usage.prompt_tokens == prompt["rendered"] == len(prompt["ids"]) == sum(prompt["counts"])
    text = "".join(prompt["texts"])
    assert "system\nBe brief. 👋<|im_end|>" in text
    starts = [sum(prompt["counts"][:n]) for n in range(len(prompt["counts"]))]
    for start, end, path, role in prompt["fields"]:
        said = "".join(t for t, at in zip(prompt["texts"], starts, strict=True) if start <= at < end)
        assert said.strip() == turns[int(path[9])]["content"]
        assert role == turns[int(path[9])]["role"]
    assert answer.choices[0].message.content in "".join(output["texts"])
    assert output["texts"][-1] == "<|im_end|>"
    assert answer.usage.completion_tokens == len(output["ids"])


def test_a_billing_header_that_changes_costs_no_cache_and_no_other_answer(server: Server) -> None:
    rules = f"You are {random.getrandbits(64):x}. Answer what you are asked, in full sentences, and stay friendly."
    asked: Any = {"role": "user", "content": "What is the capital of France?"}
    headers = ["", *(f"x-anthropic-billing-header: cc_version=2.1.100.7b4; cch={h};\n" for h in ("eb6c6", "0aaa9"))]
    answers = [ask(server, {"role": "system", "content": header + rules}, asked) for header in headers]
    assert len({answer.choices[0].message.content for answer in answers}) == 1
    assert len({answer.usage.prompt_tokens for answer in answers}) == 1
    assert answers[2].usage.prompt_tokens_details.cached_tokens == answers[2].usage.prompt_tokens - 1
