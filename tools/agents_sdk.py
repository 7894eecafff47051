"""A session of the OpenAI Agents SDK, run by an interpreter that has it: `python agents_sdk.py URL chat|responses`.

A tool that has to be called, its result answered, a second turn on top. Knows nothing of who records it.
"""

import asyncio
import sys
from typing import Literal

from agents import Agent, ModelSettings, OpenAIProvider, RunConfig, Runner, function_tool, set_tracing_disabled


@function_tool
def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    """Get the current weather in a city."""
    return f"{city}: sunny at 21 degrees {unit}"


async def main(url: str, surface: str) -> None:
    set_tracing_disabled(True)
    config = RunConfig(
        model_provider=OpenAIProvider(base_url=url, api_key="none", use_responses=surface == "responses")
    )
    told = ModelSettings(temperature=0, tool_choice="required", parallel_tool_calls=False, include_usage=True)
    agent = Agent(
        name="Assistant", instructions="You are helpful.", model="model", tools=[get_weather], model_settings=told
    )
    kept = {"auto_previous_response_id": True} if surface == "responses" else {}
    first = await Runner.run(agent, "Call get_weather for Paris.", run_config=config, **kept)
    more = {"previous_response_id": first.last_response_id} if surface == "responses" else {}
    history = "Thank you." if more else [*first.to_input_list(), {"role": "user", "content": "Thank you."}]
    async for _ in Runner.run_streamed(agent, history, run_config=config, **more).stream_events():
        pass


asyncio.run(main(*sys.argv[1:3]))
