"""Under which keys reasoning goes out is the operator's choice; that it was thought, and counted, is not."""

from __future__ import annotations

from typing import Any

import pytest

from mlxtui.settings import Settings
from tests.server.serving import CHAT, HELLO, Served, chat, run, serving, sse

THOUGHT = ("<think>", "hm", "</think>", "yes")
BOTH = {"reasoning_content", "reasoning"}
CHOICES = pytest.mark.parametrize(
    ("choice", "keys"),
    [("both", BOTH), ("reasoning_content", {"reasoning_content"}), ("reasoning", {"reasoning"}), ("off", set())],
)


async def whole(served: Served) -> dict[str, Any]:
    async with served.http() as http:
        answer: dict[str, Any] = (await http.post(CHAT, json=HELLO)).json()
    return answer


async def streamed(served: Served) -> list[Any]:
    async with served.http() as http, http.stream("POST", CHAT, json=chat(stream=True)) as response:
        return await sse(response)


@CHOICES
def test_a_whole_answer_has_the_keys_that_were_chosen(choice: str, keys: set[str]) -> None:
    async def main() -> None:
        async with serving(THOUGHT, settings=Settings(reasoning_keys=choice)) as served:
            answer = await whole(served)
        message = answer["choices"][0]["message"]
        assert {key: message[key] for key in BOTH & message.keys()} == dict.fromkeys(keys, "hm")
        assert message["content"] == "yes"
        assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0

    run(main())


@CHOICES
def test_a_stream_has_the_keys_that_were_chosen(choice: str, keys: set[str]) -> None:
    async def main() -> None:
        async with serving(THOUGHT, settings=Settings(reasoning_keys=choice)) as served:
            events = await streamed(served)
        deltas = [event["choices"][0]["delta"] for event in events if isinstance(event, dict)]
        assert [delta for delta in deltas if BOTH & delta.keys()] == ([dict.fromkeys(keys, "hm")] if keys else [])
        assert "".join(delta.get("content") or "" for delta in deltas) == "yes"
        assert events[-1] == "[DONE]"

    run(main())


def test_silence_about_reasoning_keeps_the_connection_alive() -> None:
    """What is not sent must not look like a server that hangs."""

    async def main() -> None:
        async with serving(THOUGHT, settings=Settings(reasoning_keys="off")) as served:
            assert ": keepalive" in await streamed(served)
        async with serving(THOUGHT, settings=Settings(reasoning_keys="both")) as served:
            assert ": keepalive" not in await streamed(served)

    run(main())
