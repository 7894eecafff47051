"""The prompt cache over HTTP: what is kept, whose it is, and what can be done to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlxtui.engine.replay import ReplayEngine
from mlxtui.errors import NotFound
from mlxtui.kept import Cache, CacheAction, Evicted, Kept
from tests.server.serving import CHAT, HELLO, run, serving

KEPT = Kept("ab12", "r00t", "Hello [/] \u241b[31m", 40, 1000, 3, 10.0, 20.0, False, "memory", "")
GONE = Evicted(15.0, "cd34", "Bye", 20, 500, "passing")


class Caching(ReplayEngine):
    """An engine that keeps one entry, whose last request is the last that ran."""

    kept = KEPT

    async def cache(self, action: CacheAction | None = None, id: str = "") -> Cache:
        if action and id != self.kept.id:
            raise NotFound("no such entry", param="id", code="cache_entry_not_found")
        self.kept = replace(self.kept, pinned=action == "pin" if action else self.kept.pinned)
        entries = () if action == "drop" else (self.kept,)
        return Cache(4000, 1000, entries, {"passing": 1}, (GONE,))


def _engine() -> Caching:
    scripted = ReplayEngine.scripted(["Hi"])
    engine = Caching({}, scripted._info)
    engine._find = scripted._find
    return engine


def test_what_is_kept_and_for_whom() -> None:
    async def main() -> None:
        engine = _engine()
        async with serving(engine=engine) as served, served.http() as http:
            answer = await http.post(CHAT, json=HELLO, headers={"user-agent": "opencode/1.2"})
            request = answer.headers["x-request-id"].removeprefix("req_")
            engine.kept = replace(KEPT, request=f"{request}.1")
            told = (await http.get("/mlxtui/cache")).json()
            assert told["entries"] == [told["entries"][0] | {"request": request, "client": "opencode", "id": "ab12"}]
            assert (told["budget"], told["nbytes"], told["evicted"]) == (4000, 1000, {"passing": 1})
            assert told["recent"][0]["reason"] == "passing"
            assert Cache.from_json(told).entries[0].client == "opencode"
            engine.kept = replace(KEPT, request="forgotten")
            assert (await http.get("/mlxtui/cache")).json()["entries"][0]["client"] == ""

    run(main())


def test_entries_are_pinned_and_dropped() -> None:
    async def main() -> None:
        async with serving(engine=_engine()) as served, served.http() as http:
            pinned = (await http.post("/mlxtui/cache/ab12/pin")).json()
            assert pinned["entries"][0]["pinned"]
            assert not (await http.post("/mlxtui/cache/ab12/unpin")).json()["entries"][0]["pinned"]
            assert (await http.delete("/mlxtui/cache/ab12")).json()["entries"] == []

    run(main())


@pytest.mark.parametrize(("method", "path"), [("POST", "x/pin"), ("POST", "x/unpin"), ("DELETE", "x")])
def test_what_is_not_there_is_a_404_in_our_shape(method: str, path: str) -> None:
    async def main() -> None:
        for engine in (_engine(), None):
            async with serving(engine=engine) as served, served.http() as http:
                answer = await http.request(method, f"/mlxtui/cache/{path}")
                assert answer.status_code == 404
                assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
                assert answer.json()["error"]["code"] == "cache_entry_not_found"

    run(main())


def test_what_another_version_wrote_is_refused() -> None:
    whole = Cache(entries=(KEPT,)).to_json()
    odd: list[dict[str, Any]] = [{}, whole | {"entries": [{"id": "x"}]}, whole | {"more": 1}, whole | {"recent": None}]
    for data in odd:
        with pytest.raises(ValueError, match="this version"):
            Cache.from_json(data)
