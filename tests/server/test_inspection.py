"""One request from the side: what it goes on from, its prompt and answer token by token, its bytes on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from quart import request

from mlxtui.engine.interface import Job, Miss, Output, Prefill, Spelling
from mlxtui.engine.replay import ReplayEngine
from mlxtui.recorded import RecordedPiece, RecordedRun
from mlxtui.server.wire import FIRST, LAST
from mlxtui.settings import Settings
from mlxtui.types import TextPrompt
from tests.server.serving import CHAT, Gate, chat, run, serving


def test_the_chain_of_a_response_is_told_the_latest_first() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            ids: list[str] = []
            for turn in ("one", "two", "three"):
                asked: dict[str, Any] = {
                    "model": "scripted",
                    "input": turn,
                    "previous_response_id": (ids or [None])[-1],
                }
                answer = await http.post("/v1/responses", json=asked)
                ids.append(answer.json()["id"])
            request = answer.headers["x-request-id"]
            inspected = (await http.get(f"/mlxtui/requests/{request}")).json()
            assert inspected["chain"] == [ids[1], ids[0]]
            await http.delete(f"/v1/responses/{ids[0]}")
            inspected = (await http.get(f"/mlxtui/requests/{request}")).json()
            assert inspected["chain"] == [ids[1]]

    run(main())


class Spelt(ReplayEngine):
    """Each character of a prompt is a token of the bytes it has; "<" and ">" are special."""

    async def tokenize(self, prompt: Any) -> tuple[str, tuple[int, ...]]:
        text = prompt.text if isinstance(prompt, TextPrompt) else "".join(f"<{m.content}>" for m in prompt.messages)
        return text, tuple(byte for byte in text.encode())

    async def spell(self, tokens: tuple[int, ...]) -> tuple[Spelling, ...]:
        return tuple(Spelling(bytes([token]), chr(token) in "<>") for token in tokens)


def test_the_prompt_is_told_token_by_token() -> None:
    async def main() -> None:
        engine = Spelt.scripted(prompt_tokens=7, cached_tokens=3)
        async with serving(engine=engine) as served, served.http() as http:
            said = [{"role": "system", "content": "hé"}, {"role": "user", "content": "é!"}]
            answer = await http.post(CHAT, json=chat(messages=said))
            told = (await http.get(f"/mlxtui/requests/{answer.headers['x-request-id']}/prompt")).json()
        assert "".join(told["texts"]) == "<hé><é!>"
        assert told["counts"] == [1, 1, 2, 1, 1, 2, 1, 1]  # é has two bytes, tokens here
        assert sum(told["counts"]) == len(told["ids"])
        assert {chr(id) for id in told["special"]} == {"<", ">"}
        assert told["fields"] == [[1, 4, "messages[0].content", "system"], [6, 9, "messages[1].content", "user"]]
        assert (told["cached"], told["rendered"], told["prompts"]) == (3, 7, 1)

    run(main())


BILLING = "x-anthropic-billing-header: cch={};\n"


class Missing(Spelt):
    """Every prompt parts from an earlier one after as many tokens as `at` says."""

    at = 0

    async def run(self, job: Job) -> AsyncGenerator[tuple[Output, ...], None]:
        async for outputs in super().run(job):
            yield tuple(replace(o, miss=Miss("parted", self.at)) if isinstance(o, Prefill) else o for o in outputs)

    async def detokenize(self, tokens: tuple[int, ...]) -> str:
        return bytes(tokens).decode()


@pytest.mark.parametrize(
    ("policy", "at", "shown", "where"),
    [
        ("drop", 4, "<be kind><hi>", "messages[0].content"),
        ("keep", 31, f"<{BILLING.format(1)}be kind><hi>", "messages[0].content"),
    ],
)
def test_lines_that_the_model_does_not_read_are_nowhere(policy: str, at: int, shown: str, where: str) -> None:
    async def main() -> None:
        engine = Missing.scripted()
        engine.at = at
        settings = Settings(volatile_lines=policy)
        async with serving(engine=engine, settings=settings) as served, served.http() as http:
            said = [{"role": "system", "content": BILLING.format(1) + "be kind"}, {"role": "user", "content": "hi"}]
            answer = await http.post(CHAT, json=chat(messages=said))
            request = f"/mlxtui/requests/{answer.headers['x-request-id']}"
            told = (await http.get(f"{request}/prompt")).json()
            assert (await http.get(request)).json()["miss"]["where"] == where
            applied = (await http.post("/apply-template", json=chat(messages=said))).json()["prompt"]
            counted = (await http.post("/v1/responses/input_tokens", json={"input": said})).json()["input_tokens"]
        assert ("".join(told["texts"]), applied, counted) == (shown, shown, len(shown))
        assert [role for *_, role in told["fields"]] == ["system", "user"]

    run(main())


def test_a_request_that_never_became_a_prompt_says_so() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            answer = await http.post(CHAT, json=chat(messages=[{"role": "stranger", "content": "hi"}]))
            request = answer.headers["x-request-id"]
            for what in ("prompt", "raw"):
                told = await http.get(f"/mlxtui/requests/{request}/{what}")
                assert (told.status_code, told.json()["error"]["code"]) == (404, "no_prompt")
            assert (await http.get("/mlxtui/requests/nobody/wire")).status_code == 404

    run(main())


def test_the_raw_output_keeps_the_markup_and_the_end() -> None:
    async def main() -> None:
        engine = Spelt.scripted(())
        tokens = tuple(b"<think>hm</think>ok")
        pieces = [RecordedPiece(0.001, chr(token), (token,)) for token in tokens] + [RecordedPiece(0.001, "", (62,))]
        engine._find = lambda _: RecordedRun(prompt_tokens=7, pieces=tuple(pieces), finish="stop")
        async with serving(engine=engine) as served, served.http() as http:
            answer = await http.post(CHAT, json=chat())
            assert answer.json()["choices"][0]["message"]["content"] == "ok"
            told = (await http.get(f"/mlxtui/requests/{answer.headers['x-request-id']}/raw")).json()
        assert "".join(told["texts"]) == "<think>hm</think>ok>"
        assert told["ids"] == [*tokens, 62]
        assert (told["left_out"], told["opens_in"]) == (0, "content")

    run(main())


def test_without_a_tokenizer_the_pieces_are_the_raw_output() -> None:
    async def main() -> None:
        async with serving(("Hel", "lo")) as served, served.http() as http:
            answer = await http.post(CHAT, json=chat())
            request = answer.headers["x-request-id"]
            told = (await http.get(f"/mlxtui/requests/{request}/raw")).json()
            refused = await http.get(f"/mlxtui/requests/{request}/prompt")
        assert (told["texts"], told["counts"], told["special"]) == (["Hel", "lo"], [1, 1], [])
        assert "no tokenizer" in refused.json()["error"]["message"]

    run(main())


def test_the_raw_pieces_are_in_the_live_output_too() -> None:
    async def main() -> None:
        gate = Gate(1)
        async with serving(("<think>", "a", "</think>", "b"), pace=gate) as served, served.http() as http:
            asked = asyncio.create_task(http.post(CHAT, json=chat()))
            await gate.reached.wait()
            (exchange,) = served.ledger.live()
            async with http.stream("GET", f"/mlxtui/requests/{exchange.id}/output") as output:
                gate.open.set()
                lines = [line async for line in output.aiter_lines()]
            await asked
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        pieces = [text for event in events for text, _ in event.get("pieces", ())]
        assert pieces == ["<think>", "a", "</think>", "b"]
        assert [event["text"] for event in events if "channel" in event] == ["a", "b"]

    run(main())


def test_the_wire_shows_what_was_sent_and_no_secret() -> None:
    async def main() -> None:
        settings = Settings(api_key="sk-secret")
        async with serving(settings=settings) as served, served.http() as http:
            key = {"authorization": "Bearer sk-secret"}
            answer = await http.post(CHAT, json=chat(stream=True), headers=key)
            request = answer.headers["x-request-id"]
            wire = (await http.get(f"/mlxtui/requests/{request}/wire", headers=key)).json()
            chunks = wire["response"]["chunks"]
            rest = (await http.get(f"/mlxtui/requests/{request}/wire?after={len(chunks) - 1}", headers=key)).json()
        assert wire["request"]["path"] == CHAT
        assert ["authorization", "[redacted]"] in wire["request"]["headers"]
        assert "sk-secret" not in json.dumps(wire)
        assert wire["response"]["status"] == 200
        assert "".join(text for _, _, text in chunks) == answer.text
        assert (wire["response"]["complete"], wire["response"]["left_out"]) == (True, 0)
        assert rest["response"]["chunks"] == chunks[-1:]

    run(main())


def test_the_wire_shows_a_body_that_is_no_json() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            headers = {"content-type": "application/json"}
            answer = await http.post(CHAT, content=b'{"model": oops}', headers=headers)
            wire = (await http.get(f"/mlxtui/requests/{answer.headers['x-request-id']}/wire")).json()
        assert wire["request"]["unread"] == '{"model": oops}'
        assert wire["response"]["status"] == 400
        assert "".join(text for _, _, text in wire["response"]["chunks"]) == answer.text

    run(main())


def test_the_wire_keeps_the_beginning_and_the_end() -> None:
    async def main() -> None:
        pieces = [f"{n:06} " + "x" * 400 for n in range(1500)]
        async with serving(pieces) as served, served.http() as http:
            answer = await http.post(CHAT, json=chat(stream=True))
            exchange = served.ledger.get(answer.headers["x-request-id"].removeprefix("req_"))
            assert exchange is not None
            response = exchange.wire.to_json()["response"]
        text = "".join(text for _, _, text in response["chunks"])
        assert response["bytes"] == len(answer.content)
        assert response["left_out"] == len(answer.content) - len(text.encode()) > 0
        assert "000000 x" in text
        assert text.endswith("data: [DONE]\n\n")
        assert exchange.wire.nbytes <= FIRST + LAST

    run(main())


def test_what_is_in_force_is_told_whoever_set_it() -> None:
    async def main() -> None:
        settings = Settings(temperature=0.25)
        async with serving(settings=settings) as served, served.http() as http:
            answer = await http.post(CHAT, json=chat(top_p=0.5, max_tokens=9))
            told = (await http.get(f"/mlxtui/requests/{answer.headers['x-request-id']}")).json()["in_force"]
        assert (told["temperature"], told["top_p"], told["max_tokens"]) == (0.25, 0.5, 9)
        assert "seed" not in told

    run(main())


def test_nothing_of_a_request_outlives_it_where_that_is_wanted() -> None:
    async def main() -> None:
        gate = Gate(1)
        async with (
            serving(("one", "two"), pace=gate, settings=Settings(keep_requests=0)) as served,
            served.http() as http,
        ):
            asked = asyncio.create_task(http.post(CHAT, json=chat()))
            await gate.reached.wait()
            (exchange,) = served.ledger.live()
            running = await http.get(f"/mlxtui/requests/{exchange.id}")
            gate.open.set()
            await asked
            ended = await http.get(f"/mlxtui/requests/{exchange.id}")
        assert (running.status_code, ended.status_code) == (200, 404)

    run(main())


def test_a_replayed_request_is_found_however_often_it_came_before() -> None:
    async def main() -> None:
        async with serving(settings=Settings(keep_requests=1)) as served, served.http() as http:

            @served.app.before_request
            async def replay() -> None:
                request.scope["mlxtui.replayed_id"] = "again"  # type: ignore[typeddict-unknown-key]

            found = []
            for _ in range(4):
                await http.post(CHAT, json=chat())
                found.append((await http.get("/mlxtui/requests/again")).status_code)
        assert found == [200] * 4

    run(main())
