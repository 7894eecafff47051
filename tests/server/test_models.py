"""Models over HTTP: what is told of them, and loading, downloading and removing by a real engine and a real child."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mlxtui import shelf
from mlxtui.client import ServerClient
from mlxtui.engine.process import EngineProcess
from mlxtui.events import Downloading, ModelReady
from mlxtui.models import disk
from mlxtui.reach import NotThere, ServerUnreachable
from mlxtui.server.downloads import AT_ONCE
from mlxtui.settings import Settings
from tests.models.conftest import cache, hub
from tests.models.fake_hub import FakeHub
from tests.models.library import TINY, in_cache, in_folder
from tests.models.test_hub import CHUNK, big
from tests.server.serving import CHAT, Served, chat, run, serving
from tests.server.test_errors import assert_error

__all__ = ["cache", "hub"]
MODELS = "/mlxtui/models"


async def until(served: Served, id: str, status: str) -> Downloading:
    while True:
        for event in served.events:
            if isinstance(event, Downloading) and (event.model, event.status) == (id, status):
                return event
        served._published.clear()
        await served._published.wait()


@asynccontextmanager
async def with_engine(settings: Settings) -> AsyncIterator[tuple[Served, ServerClient]]:
    """A real worker under the real server."""
    told: list[Any] = []
    engine = EngineProcess(settings, lambda event: told[0](event))
    async with serving(engine=engine, settings=settings, start=False) as served:  # type: ignore[arg-type]
        told.append(served.publish)
        await engine.start()
        await served.event(ModelReady)
        client = ServerClient(served.url)
        try:
            yield served, client
        finally:
            await client.close()


def long(scenario: Any) -> None:
    asyncio.run(asyncio.wait_for(scenario, 110))


def test_models_are_listed_exchanged_and_unloaded(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_cache(cache, "org/other", max_position_embeddings=4096)
    folder = in_folder(tmp_path / "mine")
    (in_folder(tmp_path / "broken") / "tokenizer.json").write_text("{")
    settings = Settings(model_folders=(str(tmp_path),), grace=5)

    async def main() -> None:
        async with with_engine(settings) as (served, client), served.http() as http:
            assert [(entry.name, entry.loaded) for entry in await client.models()] == [
                ("mlxtui-tiny", True), ("broken", False), ("mine", False), ("org/other", False),
            ]  # fmt: skip
            assert_error(await http.post(CHAT, json=chat(model="org/other")), 404, "model", "model_not_found")
            answer = await client.change_models("load", "mine")
            assert answer["loaded"]["id"] == "mine"
            assert [entry.name for entry in await client.models() if entry.loaded] == ["mine"]
            assert [model["id"] for model in (await http.get("/v1/models")).json()["data"]] == ["mine"]
            answered = await http.post(CHAT, json=chat(model="mine", max_tokens=3))
            assert answered.status_code == 200
            assert served.bus.state.model.name == "mine"
            with pytest.raises(ServerUnreachable, match=r"model '.*broken' is broken"):
                await client.change_models("load", "broken")
            await served.event(ModelReady, 3)
            assert (await http.get(MODELS)).json()["engine"]["wanted"] == str(folder)
            await asyncio.to_thread(shelf.change, served.url, None, "unload")
            assert "no model is loaded any more" in capsys.readouterr().out
            assert (await http.get("/v1/models")).json()["data"] == []
            refused = await http.post(CHAT, json=chat(model="mine"))
            assert_error(refused, 503, None, "model_not_loaded")
            assert "no model is loaded" in refused.json()["error"]["message"]
            assert served.bus.state.model.status == "unloaded"
            prompt = await http.get(f"/mlxtui/requests/{answered.headers['x-request-id']}/prompt")
            assert_error(prompt, 404, None, "model_changed")
            assert "its model is no longer loaded" in prompt.json()["error"]["message"]

    long(main())


def test_only_what_is_on_this_machine_can_be_loaded(cache: Path, tmp_path: Path) -> None:
    elsewhere = in_folder(tmp_path / "elsewhere")
    snapshot = in_cache(cache, "org/half")
    (snapshot / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-9.safetensors"}}')

    async def main() -> None:
        async with serving() as served, served.http() as http:
            for name in (str(elsewhere), "../elsewhere", "org/none"):
                assert_error(await http.post(f"{MODELS}/load", json={"model": name}), 404, "model", "model_not_found")
            half = await http.post(f"{MODELS}/load", json={"model": "org/half"})
            assert_error(half, 400, "model", "model_unusable")
            assert_error(await http.post(f"{MODELS}/load", json={"model": ""}), 400, "model", None)
            assert_error(await http.post(f"{MODELS}/load", json={"model": "mlxtui-tiny"}), 409, None, "conflict")
            assert_error(await http.post(f"{MODELS}/unload"), 409, None, "conflict")

    run(main())


def test_a_download_tells_its_progress_and_blocks_nobody(hub: FakeHub) -> None:
    hub.add("org/tiny", TINY)

    async def main() -> None:
        async with serving() as served, served.http() as http:
            begun = await http.post(f"{MODELS}/pull", json={"model": "org/tiny"})
            assert (begun.status_code, begun.json()) == (202, {"model": "org/tiny", "status": "running"})
            again = await http.post(f"{MODELS}/pull", json={"model": "org/tiny"})
            assert again.status_code == 202
            assert [each["model"] for each in (await http.get(MODELS)).json()["downloads"]] == ["org/tiny"]
            assert (await http.post(CHAT, json=chat())).status_code == 200
            done = await until(served, "org/tiny", "done")
            assert done.done_bytes == done.total_bytes > 4_000_000
            kept = served.bus.state.downloads["org/tiny"]
            assert (kept.status, kept.done_bytes) == ("done", done.done_bytes)
            assert "org/tiny" in [entry["id"] for entry in (await http.get(MODELS)).json()["models"]]
            assert (await http.get(MODELS)).json()["downloads"] == []

    long(main())


def test_a_download_is_cancelled_and_gone_on_with(hub: FakeHub) -> None:
    id = big(hub)
    hub.stall_at = CHUNK + 4096

    async def main() -> None:
        async with serving() as served, served.http() as http:
            client = ServerClient(served.url)
            await client.change_models("pull", id)
            assert await asyncio.to_thread(hub.stalled.wait, 60)
            assert await client.change_models("pull/cancel", id) == {"model": id, "cancelled": True}
            cancelled = await until(served, id, "cancelled")
            assert "another download goes on from there" in cancelled.detail
            assert await client.change_models("pull/cancel", id) == {"model": id, "cancelled": False}
            hub.stall_at = None
            hub.go_on.set()
            await client.change_models("pull", id)
            done = await until(served, id, "done")
            assert done.done_bytes == done.total_bytes
            await client.close()
            assert (await http.post(f"{MODELS}/remove", json={"model": id})).json()["freed_bytes"] > CHUNK
            assert disk.find(id, disk.on_disk()) is None

    long(main())


def test_what_goes_wrong_with_a_download_is_told(hub: FakeHub) -> None:
    hub.models["org/Some-GGUF"] = {"some.gguf": b"x"}

    async def main() -> None:
        async with serving() as served, served.http() as http:
            await http.post(f"{MODELS}/pull", json={"model": "org/Some-GGUF"})
            failed = await until(served, "org/Some-GGUF", "failed")
            assert failed.detail.startswith("org/Some-GGUF has only GGUF files")
            assert served.bus.state.log[-1].level == "error"
            for wrong in ("no-slash", "a/b/c", "../b", "--help/x", "a/b?c"):
                assert (await http.post(f"{MODELS}/pull", json={"model": wrong})).status_code == 400

    long(main())


def test_a_download_that_prints_no_progress_has_failed_for_that_reason(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("org/tiny", TINY)
    (tmp_path / "sitecustomize.py").write_text("print('a library says hello')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def main() -> None:
        async with serving() as served, served.http() as http:
            await http.post(f"{MODELS}/pull", json={"model": "org/tiny"})
            failed = await until(served, "org/tiny", "failed")
            assert failed.detail == "what the download printed is no progress: 'a library says hello'"

    long(main())


def test_downloads_end_with_the_server(hub: FakeHub) -> None:
    id = big(hub)
    hub.stall_at = CHUNK

    async def main() -> None:
        async with serving() as served, served.http() as http:
            await http.post(f"{MODELS}/pull", json={"model": id})
            assert await asyncio.to_thread(hub.stalled.wait, 60)
        assert (await until(served, id, "cancelled")).model == id

    long(main())


def test_the_hub_is_searched_for_the_dashboard(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.models["org/qwen"] = {}

    async def main() -> None:
        async with serving() as served, served.http() as http:
            client = ServerClient(served.url)
            assert [hit.id for hit in await client.search_hub("qw&en")] == []
            assert [hit.id for hit in await client.search_hub("qwen")] == ["org/qwen"]
            for wrong in ("", "?q=a%00b", "?q=a%1bb", f"?q={'a' * 201}"):
                assert_error(await http.get(f"{MODELS}/search{wrong}"), 400, "q", None)
            monkeypatch.setenv("HF_HUB_OFFLINE", "1")
            with pytest.raises(ServerUnreachable, match="HF_HUB_OFFLINE is set"):
                await client.search_hub("qwen")
            await client.close()

    long(main())


@pytest.mark.parametrize(
    ("printed", "told"), [("Warming up...", "'Warming up...'"), ("", "''"), ('{"models": []}', "'{\"models\": []}'")]
)
def test_a_search_that_prints_no_list_says_what_it_printed(
    printed: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter can be wrapped by something that talks."""
    wrapper = tmp_path / "python"
    wrapper.write_text(f"#!/bin/sh\necho '{printed}'\n")
    wrapper.chmod(0o700)

    async def main() -> None:
        async with serving() as served, served.http() as http:
            monkeypatch.setattr("sys.executable", str(wrapper))
            answer = await http.get(f"{MODELS}/search?q=qwen")
            assert_error(answer, 503, None, "hub_unavailable")
            assert answer.json()["error"]["message"] == f"what the search printed is no list of models: {told}"

    run(main())


def test_only_so_many_searches_run_at_once(hub: FakeHub) -> None:
    hub.stall_searches = True

    async def main() -> None:
        async with serving() as served, served.http() as http:
            asked = [asyncio.create_task(http.get(f"{MODELS}/search?q=qwen")) for _ in range(AT_ONCE + 1)]
            (refused,), others = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert_error(refused.result(), 429, None, "rate_limit_exceeded")
            hub.go_on.set()
            assert [answer.status_code for answer in await asyncio.gather(*others)] == [200] * AT_ONCE
            assert (await http.get(f"{MODELS}/search?q=qwen")).status_code == 200

    long(main())


def test_the_draft_model_in_use_is_not_removed(cache: Path) -> None:
    draft = in_cache(cache, "org/draft")

    async def main() -> None:
        async with serving(settings=Settings(draft_model="org/draft")) as served, served.http() as http:
            refused = await http.post(f"{MODELS}/remove", json={"model": "org/draft"})
            assert_error(refused, 409, None, "conflict")
            assert "is the draft model" in refused.json()["error"]["message"]
        assert draft.exists()

    run(main())


def test_removing_refuses_what_is_not_there_or_not_ours(cache: Path) -> None:
    async def main() -> None:
        async with serving() as served:
            client = ServerClient(served.url)
            with pytest.raises(NotThere):
                await client.change_models("remove", "org/none")
            with pytest.raises(ServerUnreachable, match="part of mlxtui"):
                await client.change_models("remove", "mlxtui-tiny")
            await client.close()

    run(main())


def test_management_needs_the_key_and_refuses_other_sites(cache: Path) -> None:
    async def main() -> None:
        async with serving(settings=Settings(api_key="k")) as served, served.http() as http:
            for path in ("load", "unload", "pull", "pull/cancel", "remove"):
                assert (await http.post(f"{MODELS}/{path}", json={"model": "a/b"})).status_code == 401
            key = {"authorization": "Bearer k"}
            foreign = await http.post(f"{MODELS}/unload", headers=key | {"origin": "https://evil.example"})
            assert foreign.status_code == 403
            form: httpx2.Response = await http.post(f"{MODELS}/pull", data={"model": "a/b"}, headers=key)
            assert form.status_code == 415

    run(main())
