"""The prompt cache as users meet it: follow-ups of a conversation come from it, whatever else was asked in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai

from tests.e2e.server import serving

SYSTEM = {"role": "system", "content": "You answer in one word."}


def _ask(client: openai.OpenAI, messages: list[Any], **options: Any) -> tuple[str, int, int]:
    """The answer, the tokens of the prompt and how many of them were cached."""
    answer = client.chat.completions.create(
        model="mlxtui-tiny", messages=messages, temperature=0, max_tokens=2, reasoning_effort="none", **options
    )
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    return answer.choices[0].message.content or "", usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens or 0


def test_four_conversations_with_eight_side_calls_between_their_turns_all_hit(tmp_path: Path) -> None:
    with serving(tmp_path, "--cache-bytes", str(16 << 20)) as server, server.client() as client:
        talks: list[list[Any]] = [[SYSTEM, _user(f"This is list {n}: " + _words(n, 50))] for n in range(4)]
        known = [0] * 4
        for turn in range(2):
            for n, messages in enumerate(talks):
                answer, prompt, cached = _ask(client, messages)
                assert cached >= known[n], f"turn {turn} of conversation {n}"
                known[n] = prompt - 16  # the template opens an answer otherwise than it writes history
                messages += [{"role": "assistant", "content": answer}, _user(f"And what is word {turn} of it?")]
                for side in range(8):
                    _ask(client, [SYSTEM, _user(f"Title {n}.{turn}.{side}: " + _words(side, 3))])
        assert min(known) > 200


def test_a_conversation_goes_on_after_a_restart_of_the_server(tmp_path: Path) -> None:
    messages: list[Any] = [SYSTEM, _user("This is the list: " + _words(1, 60))]
    with serving(tmp_path) as server, server.client() as client:
        answer, prompt, _ = _ask(client, messages)
        follow_up = [*messages, {"role": "assistant", "content": answer}, _user("And the third word?")]
        warm, *_ = _ask(client, follow_up)
    with serving(tmp_path) as server, server.client() as client:
        assert server.get("/mlxtui/cache").json()["entries"]  # on disk, or read ahead already
        again, _, cached = _ask(client, follow_up)
        assert again == warm
        assert cached >= prompt - 16
        assert server.get("/mlxtui/cache").json()["entries"][0]["where"] == "memory"


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _words(seed: int, count: int) -> str:
    return " ".join(f"w{(seed * 7919 + i * 104729) % 9973}" for i in range(count))
