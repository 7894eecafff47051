"""`mlxtui models`: what is on this machine and on the Hub, in the terminal.

Names come in; lines for a person, or JSON for a program, go out. The server downloads by running `pull` with --json.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

from mlxtui.client import ModelAction, ServerClient
from mlxtui.errors import UserError
from mlxtui.models import disk
from mlxtui.models.entry import Entry
from mlxtui.settings import load_settings
from mlxtui.text import safe_line
from mlxtui.tui.figures import size

PACE = 0.25  # seconds between two lines of progress


def show_list(as_json: bool) -> None:
    entries = disk.on_disk(load_settings({}).model_folders)
    if as_json:
        print(json.dumps([entry.to_json() for entry in entries], ensure_ascii=False, indent=2))
        return
    width = max(len(entry.name) for entry in entries)
    print(f"{'model':<{width}}  {'size':>8}  {'weights':<9}  {'context':>9}  {'memory':<7}  architecture")
    for entry in entries:
        print(_line(entry, width))
    if len(entries) == 1:
        print("\nGet a real one:  mlxtui models search qwen3   then   mlxtui models pull ID")


def _line(entry: Entry, width: int) -> str:
    context = f"{entry.context_length:,}" if entry.context_length else "-"
    again = f"; go on with: mlxtui models pull {entry.id}" if entry.source == "hub" else ""
    trouble = f"  ({entry.trouble}{again})" if entry.trouble else ""
    return (
        f"{safe_line(entry.name):<{width}}  {size(entry.size_bytes):>8}  {entry.quantisation or '-':<9}  "
        f"{context:>9}  {entry.fit:<7}  {safe_line(entry.architecture) or '-'}{safe_line(trouble)}"
    )


def remove(id: str, yes: bool) -> None:
    """Raises:
    UserError: it is not there, not ours to delete, or the person was not there to be asked.
    """
    entry = disk.find(id, disk.on_disk(load_settings({}).model_folders))
    if entry is None:
        raise disk.unknown(id)
    if not yes and entry.source == "hub":
        _ask(f"Delete {safe_line(entry.id)} ({size(entry.size_bytes)}) from {safe_line(entry.path)}? [y/N] ")
    freed = disk.remove(entry)
    print(f"removed {safe_line(entry.id)}, {size(freed)} are free again")


def search(text: str, as_json: bool) -> None:
    """Raises:
    UserError: offline, or the Hub does not answer.
    """
    from mlxtui.models.hub import search as find_on_hub

    hits = find_on_hub(text)
    if as_json:
        print(json.dumps([hit.to_json() for hit in hits], ensure_ascii=False, indent=2))
        return
    if not hits:
        print(f"no MLX model has {safe_line(text, 80)!r} in its name; try fewer letters")
        return
    width = max(len(hit.id) for hit in hits)
    print(f"{'model':<{width}}  {'size':>8}  {'memory':<7}  {'downloads':>10}  updated")
    for hit in hits:
        weights = size(hit.weights_bytes) if hit.weights_bytes else "-"
        print(f"{safe_line(hit.id):<{width}}  {weights:>8}  {hit.fit or '-':<7}  {hit.downloads:>10,}  {hit.updated}")
    print("\nGet one:  mlxtui models pull ID")


def pull(id: str, as_json: bool) -> int:
    """The exit code: 0 when all of it is here, 130 when the person stopped it.

    Raises:
        UserError: as `models.fetch.pull`.
    """
    from mlxtui.models import fetch

    if as_json:
        print(json.dumps({"path": str(fetch.pull(id, _in_json()))}), flush=True)
        return 0
    with Progress(*Progress.get_default_columns(), DownloadColumn(binary_units=True), TransferSpeedColumn()) as bars:
        bar = bars.add_task(safe_line(id), total=None)
        try:
            path = fetch.pull(id, lambda done, total: bars.update(bar, completed=done, total=total))
        except KeyboardInterrupt:
            bars.stop()
            have = size(int(bars.tasks[bar].completed))
            print(f"\nstopped; {have} are kept, and the same command goes on from there: mlxtui models pull {id}")
            return 130
    print(f"{safe_line(id)} is at {safe_line(str(path))}\nServe it:  mlxtui up {safe_line(id)}")
    return 0


def _in_json() -> Callable[[int, int], None]:
    """Prints progress a few times a second, and the last of it always."""
    last = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PACE or done == total:
            last = now
            print(json.dumps({"done": done, "total": total}), flush=True)

    return tell


def change(url: str, api_key: str | None, action: ModelAction, id: str = "") -> None:
    """Raises:
    UserError: nothing answers there, or the server refused.
    """
    answer = asyncio.run(_changed(url, api_key, action, id))
    loaded = answer.get("loaded")
    print(f"loaded: {safe_line(loaded['id'])}" if loaded else "no model is loaded any more")


async def _changed(url: str, api_key: str | None, action: ModelAction, id: str) -> dict[str, Any]:
    client = ServerClient(url, api_key)
    try:
        return await client.change_models(action, id)
    finally:
        await client.close()


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise UserError("nobody is there to be asked: say --yes")
    if input(question).strip().lower() not in ("y", "yes"):
        raise UserError("nothing was removed")
