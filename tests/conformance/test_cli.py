"""`mlxtui check` is the suite's own command line under another name."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from mlxtui.cli import app

from .fake.server import Server


def test_every_flag_is_passed_on(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    asked = ["check", "--select", "models.list,chat.n", "--json", server.mount(), "--header", "X-Team: blue", "--save"]
    ran = CliRunner().invoke(app, [*asked, str(file)])
    assert ran.exit_code == 0, ran.output
    assert [json.loads(line)["kind"] for line in ran.stdout.splitlines()][:2] == ["start", "begin"]
    assert [result["id"] for result in json.loads(file.read_bytes())["results"]] == ["models.list", "chat.n"]


def test_help_is_the_suites_own() -> None:
    ran = CliRunner().invoke(app, ["check", "--help"])
    assert ran.exit_code == 0
    assert ran.stdout.startswith("usage: mlxtui check ")
    assert "(a server of our own)" in " ".join(ran.stdout.split())
    for code in ("0 ", "1 ", "2 ", "130 "):
        assert f"\n  {code}" in ran.stdout


def test_a_wrong_flag_ends_with_2() -> None:
    ran = CliRunner().invoke(app, ["check", "--colour"])
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "unrecognized arguments: --colour" in ran.stderr
