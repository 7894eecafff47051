"""What people do with openai-python, done in its strict mode: parse, stream, run tools, draw two, ask for logprobs.

The model need not obey: schemas and required calls hold it, and everything that could go on for ever has an end.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

import openai
from openai.types.chat import ChatCompletionMessageFunctionToolCall as Call
from pydantic import BaseModel, Field

from tests.e2e.server import Server

ASK: Any = [{"role": "user", "content": "What is the weather in Oslo?"}]
OPTIONS: Any = {"model": "default", "messages": ASK, "temperature": 0, "max_completion_tokens": 400}


class Wind(BaseModel):
    compass: Literal["north", "east", "south", "west"]
    beaufort: Annotated[int, Field(ge=0, le=12)]


class Report(BaseModel):
    city: Annotated[str, Field(max_length=12)]
    dry: bool
    winds: Annotated[list[Wind], Field(min_length=1, max_length=2)]
    note: Annotated[str, Field(max_length=8)] | None


class Weather(BaseModel):
    """Get the current weather in a city."""

    city: Annotated[str, Field(max_length=12)]
    days: Literal[1, 2, 3]


WEATHER = openai.pydantic_function_tool(Weather, name="get_weather")


def test_parse_gives_a_model(server: Server) -> None:
    with server.client() as client:
        answer = client.chat.completions.parse(**OPTIONS, response_format=Report)
    [choice] = answer.choices
    assert choice.finish_reason == "stop"
    assert isinstance(choice.message.parsed, Report)


def test_parse_gives_the_arguments_of_a_call(server: Server) -> None:
    with server.client() as client:
        answer = client.chat.completions.parse(**OPTIONS, tools=[WEATHER], tool_choice="required")
    [choice] = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls
    assert all(isinstance(call.function.parsed_arguments, Weather) for call in choice.message.tool_calls)


def test_a_stream_with_a_response_format_grows_into_a_model(server: Server) -> None:
    with server.client() as client, client.chat.completions.stream(**OPTIONS, response_format=Report) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    parts = [event.delta for event in events if event.type == "content.delta"]
    [done] = [event for event in events if event.type == "content.done"]
    assert len(parts) > 1
    assert "".join(parts) == done.content == final.choices[0].message.content
    assert isinstance(done.parsed, Report)
    assert done.parsed == final.choices[0].message.parsed


def test_a_stream_with_tools_tells_each_call_as_it_grows(server: Server) -> None:
    asked: Any = OPTIONS | {"tools": [WEATHER], "tool_choice": "required", "stream_options": {"include_usage": True}}
    with server.client() as client, client.chat.completions.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    grown = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    calls = final.choices[0].message.tool_calls or []
    assert [event.arguments for event in done] == [call.function.arguments for call in calls]
    assert "".join(event.arguments_delta for event in grown if event.index == 0) == calls[0].function.arguments
    assert all(isinstance(call.function.parsed_arguments, Weather) for call in calls)
    assert final.usage is not None
    assert final.usage.total_tokens == final.usage.prompt_tokens + final.usage.completion_tokens


def get_weather(call: Call) -> dict[str, Any]:
    """The message that answers a call."""
    asked = Weather.model_validate_json(call.function.arguments)
    said = json.dumps({"city": asked.city, "temperature": "17 degrees", "sky": "cloudy"})
    return {"role": "tool", "tool_call_id": call.id, "content": said}


def functions(message: Any) -> list[Call]:
    return [call for call in message.tool_calls or () if isinstance(call, Call)]


def test_tools_are_run_until_there_is_an_answer(server: Server) -> None:
    messages = list(ASK)
    with server.client() as client:
        for choice in ("required", "none"):
            asked: Any = OPTIONS | {"messages": messages, "tool_choice": choice}
            message = client.chat.completions.create(**asked, tools=[WEATHER]).choices[0].message
            messages += [message, *map(get_weather, functions(message))]
    assert [getattr(m, "role", None) or m["role"] for m in messages[:3]] == ["user", "assistant", "tool"]
    assert message.content
    assert not functions(message)


def test_tools_are_run_by_many_at_once(server: Server) -> None:
    """The same loop, asynchronous and streamed, for several users."""

    async def one(client: openai.AsyncOpenAI) -> Any:
        messages = list(ASK)
        for choice in ("required", "none"):
            asked: Any = OPTIONS | {"messages": messages, "tool_choice": choice, "tools": [WEATHER]}
            async with client.chat.completions.stream(**asked) as stream:
                message = (await stream.get_final_completion()).choices[0].message
            messages += [message.to_dict(), *map(get_weather, functions(message))]
        return message

    async def main() -> list[Any]:
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True
        ) as client:
            return await asyncio.gather(*(one(client) for _ in range(4)))

    for message in asyncio.run(main()):
        assert message.content
        assert not functions(message)


def test_two_choices_are_drawn_apart_and_again(server: Server) -> None:
    asked: Any = OPTIONS | {"n": 2, "temperature": 1.5, "seed": 7, "response_format": Report}
    with server.client() as client:
        whole = client.chat.completions.parse(**asked)
        with client.chat.completions.stream(**asked) as stream:
            streamed = stream.get_final_completion()
    assert [choice.index for choice in whole.choices] == [0, 1]
    reports = [choice.message.parsed for choice in whole.choices]
    assert reports[0] != reports[1]
    assert reports == [choice.message.parsed for choice in streamed.choices]


def test_logprobs_stand_for_every_token_streamed_or_not(server: Server) -> None:
    asked: Any = OPTIONS | {"logprobs": True, "top_logprobs": 3, "reasoning_effort": "none"}
    with server.client() as client:
        whole = client.chat.completions.create(**asked)
        with client.chat.completions.stream(**asked) as stream:
            streamed = stream.get_final_completion()
    for answer in (whole, streamed):
        [choice] = answer.choices
        assert choice.logprobs is not None
        tokens = choice.logprobs.content or []
        said = b"".join(bytes(token.bytes or ()) for token in tokens).decode()
        assert said.removesuffix("<|im_end|>") == choice.message.content
        assert all(len(token.top_logprobs) == 3 for token in tokens)
        assert all(token.logprob <= 0 for token in tokens)
        assert answer.choices[0].finish_reason == "stop"
