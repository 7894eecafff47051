"""One request from the side: what it goes on from."""

from __future__ import annotations

from typing import Any

from tests.server.serving import run, serving


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
