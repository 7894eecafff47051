"""The OpenAI Agents SDK as a real client: a function tool in a loop, on responses that the server keeps.

Runs where it is installed: `uv run --with openai-agents pytest tests/e2e/test_agents_sdk.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.e2e.server import Server

agents: Any = pytest.importorskip("agents", reason="the Agents SDK is not installed (openai-agents)")
pytestmark = pytest.mark.filterwarnings("default")


def test_a_function_tool_runs_in_its_loop_and_the_next_turn_goes_on_from_it(server: Server) -> None:
    asked: list[str] = []

    @agents.function_tool  # type: ignore[untyped-decorator]
    def get_weather(city: str) -> str:
        """Get the current weather in a city."""
        asked.append(city)
        return '{"temperature": 21, "condition": "sunny"}'

    async def talk() -> tuple[Any, Any]:
        async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=100) as client:
            model = agents.OpenAIResponsesModel(model="mlxtui-tiny", openai_client=client)
            # Required until it has called: then the SDK leaves the choice to the model.
            settings = agents.ModelSettings(tool_choice="required", temperature=0, max_tokens=100, store=True)
            agent = agents.Agent(name="Weather", model=model, tools=[get_weather], model_settings=settings)
            first = await agents.Runner.run(
                agent, "What's the weather in Paris?", auto_previous_response_id=True, max_turns=4
            )
            friend = agents.Agent(name="Friend", model=model, model_settings=agents.ModelSettings(temperature=0))
            question = "What is the capital of France?"
            return first, await agents.Runner.run(friend, question, previous_response_id=first.last_response_id)

    agents.set_tracing_disabled(True)
    first, second = asyncio.run(talk())
    assert asked == ["Paris"]
    assert "21" in first.final_output
    assert "Paris" in second.final_output
