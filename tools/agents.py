"""`python -m tools.agents`: what agent clients really send, recorded, cut down, put beside the checks that use it.

Each client runs against the small server of tests/conformance, which calls the tool that a prompt names. Its requests
are kept, with long texts shortened and ids, paths and times replaced, in conformance/mlxtui_conformance/clients/. The
clients are no part of the project: tell where they are; those that are not told keep their files.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.conformance.fake.chat import MODEL
from tests.conformance.fake.server import Asked, Defect, Server

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "conformance" / "mlxtui_conformance" / "clients"
TOLD = 120  # characters kept of a text
IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|ses_\w+")
TIME = re.compile(r"\b1[5-9]\d{11}\b")
CODEX = """model = "model"
model_provider = "local"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.local]
name = "local"
base_url = "@URL@"
wire_api = "responses"
"""
OPENCODE = """{"provider": {"local": {"npm": "@ai-sdk/openai-compatible", "name": "local",
"options": {"baseURL": "@URL@", "apiKey": "none"},
"models": {"model": {"name": "model", "tool_call": true, "limit": {"context": 32768, "output": 4096}}}}},
"model": "local/model", "autoupdate": false, "share": "disabled"}"""


class Cutter:
    """Makes a request small and anonymous: texts are cut, ids counted in the order in which they come."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.ids: dict[str, str] = {}

    def cut(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.cut(below) for name, below in value.items()}
        if isinstance(value, list):
            return [self.cut(below) for below in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = TIME.sub("1700000000000", text.replace(self.home, "/home/user"))
        text = IDS.sub(lambda found: self.ids.setdefault(found[0], f"id-{len(self.ids) + 1}"), text)
        return text if len(text) <= TOLD or text[:1] == "{" else f"{text[:TOLD]}…"


def apart(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that the next one holds whole: the same fields, and a history that goes on."""
    pairs = zip(requests, [*requests[1:], None], strict=True)
    return [one for one, after in pairs if after is None or not _within(one["body"], after["body"])]


def _within(one: dict[str, Any], after: dict[str, Any]) -> bool:
    (name,) = one.keys() & {"input", "messages"}
    return one.keys() == after.keys() and bool(after[name][: len(one[name])] == one[name])


def record(name: str, argv: list[str], files: dict[str, str], version: str) -> None:
    """Run one client in an empty project and write what it sent; `files` are put there before, @URL@ filled in."""
    kept: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as home, Server() as server:
        cutter = Cutter(home)

        def keep(asked: Asked, body: Any) -> Any:
            small = cutter.cut(body | {"model": "model"})
            kept.append({"path": asked.path.removeprefix("/v1"), "body": small})
            return small | {"model": MODEL}

        url = server.mount(Defect("recorder", "", request=keep))
        place = Path(home) / "project"
        place.mkdir()
        for path, text in files.items():
            (place / path).write_text(text.replace("@URL@", url))
        environ = os.environ | {
            "HOME": home,
            "PWD": str(place),
            "CODEX_HOME": str(place),
            "XDG_CONFIG_HOME": f"{home}/.config",
        }
        argv = [word.replace("@URL@", url) for word in argv]
        subprocess.run(argv, cwd=place, env=environ, stdin=subprocess.DEVNULL, timeout=180, check=False)
    if not kept:
        raise SystemExit(f"{name} sent nothing")
    shape = {"client": version, "requests": apart(kept)}
    (TARGET / f"{name}.json").write_text(json.dumps(shape, indent=1, ensure_ascii=False) + "\n")
    print(f"{name}: {len(shape['requests'])} of {len(kept)} requests")


def said(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__)
    for client in ("codex", "opencode", "agents-python"):
        cli.add_argument(f"--{client}", help="its program")
    given = cli.parse_args()
    TARGET.mkdir(exist_ok=True)
    if given.codex:
        argv = [given.codex, "exec", "--skip-git-repo-check", "Call exec_command to see a.txt."]
        record("codex", argv, {"config.toml": CODEX, "a.txt": "hello"}, said([given.codex, "--version"]))
    if given.opencode:
        argv = [given.opencode, "run", "Use the read tool on a.txt."]
        version = f"opencode {said([given.opencode, '--version'])}"
        record("opencode", argv, {"opencode.json": OPENCODE, "a.txt": "hello"}, version)
    if given.agents_python:
        version = "openai-agents " + said(
            [given.agents_python, "-c", "from importlib.metadata import version; print(version('openai-agents'))"]
        )
        for surface in ("responses", "chat"):
            script = str(ROOT / "tools" / "agents_sdk.py")
            record(f"agents-{surface}", [given.agents_python, "-P", script, "@URL@", surface], {}, version)


if __name__ == "__main__":
    main()
