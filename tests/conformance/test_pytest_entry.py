"""`pytest --pyargs mlxtui_conformance --base-url URL`, as somebody's CI runs it: a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

from .fake.hooks import CRASH, dropping, instead, on, path, refusing
from .fake.server import Server
from .ran import flawed

ASKED = "(chat.n and not null) or chat.roles or models.list or discovery.health"


def pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Where the wheel is installed pytest finds the entry by itself; here it is named, whatever was installed when."""
    command = [sys.executable, "-m", "pytest", "-p", "mlxtui_conformance.pytest_entry", "-p", "no:cacheprovider"]
    (folder / "pytest.ini").write_text("[pytest]\n")  # whatever lies above the folder is not ours
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "OPENAI"))}
    return subprocess.run(
        [*command, "-W", "error", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )


def of_the_suite(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return pytest(folder, "--pyargs", "mlxtui_conformance", "--base-url", url, "-k", ASKED, *arguments)


def test_each_check_is_an_item(server: Server, tmp_path: Path) -> None:
    base = flawed(server, request=refusing(lambda r: r.get("n")), reply=on(path("/health"), instead(CRASH)))
    file = tmp_path / "junit.xml"
    ran = of_the_suite(tmp_path, base, "--junitxml", str(file))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = {case.get("name"): [child.get("type") for child in case] for case in Xml.parse(file).iter("testcase")}
    assert found == {
        "models.list": [],
        "discovery.health": ["pytest.xfail"],
        "chat.roles": [],
        "chat.n": ["pytest.skip"],
    }


def test_a_failed_must_is_shown_as_the_suite_shows_it(server: Server, tmp_path: Path) -> None:
    ran = of_the_suite(tmp_path, flawed(server, request=dropping("messages")))
    assert ran.returncode == 1
    assert "1 failed, 2 passed, 1 skipped" in ran.stdout
    for shown in ("expected  200 for a system message", "curl      curl -isSN", "clause    OpenAPI"):
        assert shown in ran.stdout
    assert "Traceback" not in ran.stdout


def test_shoulds_count_with_runxfail_and_levels_are_markers(server: Server, tmp_path: Path) -> None:
    base = flawed(server, reply=on(path("/health"), instead(CRASH)))
    ran = of_the_suite(tmp_path, base, "--runxfail", "-m", "should")
    assert ran.returncode == 1
    assert "1 failed, 1 passed" in ran.stdout


def test_a_check_is_named_by_its_id(tmp_path: Path) -> None:
    ran = pytest(tmp_path, "--pyargs", "mlxtui_conformance.suite::chat.n", "--collect-only", "-q")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[0].endswith("::chat.n")


def test_a_server_that_is_not_there_ends_the_run_with_2(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        ran = of_the_suite(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert ran.returncode == 2
    assert "is not there: " in ran.stdout


def test_a_run_without_a_url_says_what_is_missing(tmp_path: Path) -> None:
    ran = pytest(tmp_path, "--pyargs", "mlxtui_conformance")
    assert ran.returncode == 4
    assert "--base-url URL names the endpoint to check" in ran.stderr + ran.stdout


def test_a_url_with_a_password_is_refused(tmp_path: Path) -> None:
    ran = of_the_suite(tmp_path, "https://bob:pw@host")
    assert ran.returncode == 4
    assert "--conformance-header" in ran.stderr + ran.stdout


OWN = """
import sys

def test_own(pytestconfig):
    assert pytestconfig.getoption("base_url") == "x"
    assert [name for name in ("mlxtui_conformance.suite", "openai") if name in sys.modules] == []
"""


def test_the_flag_of_another_plugin_is_shared_and_other_runs_load_nothing(server: Server, tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--base-url')\n")
    (tmp_path / "test_own.py").write_text(OWN)
    ran = pytest(tmp_path, "-p", "theirs", "--base-url", "x")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = of_the_suite(tmp_path, server.mount(), "-p", "theirs")
    assert ran.returncode == 0, ran.stdout + ran.stderr
