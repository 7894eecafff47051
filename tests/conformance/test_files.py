"""What a run leaves behind: JUnit, Markdown, a saved run and its comparison, the wire, a curl line for a failure."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from mlxtui_conformance.check import Verdict
from mlxtui_conformance.record import recorded
from mlxtui_conformance.results import Result
from mlxtui_conformance.suite import CHECKS
from mlxtui_conformance.target import Target
from mlxtui_conformance.wire import Exchange

from .fake.hooks import CRASH, Memory, chat, dropping, instead, on, path, refusing
from .fake.server import Server
from .ran import flawed, go, go_to

ASKED = ("models.list", "chat.roles", "chat.n", "discovery.health")
VERDICTS = {  # of a server with one failed must, one failed should, one honest refusal
    "models.list": Verdict.PASS,
    "discovery.health": Verdict.FAIL,
    "chat.roles": Verdict.FAIL,
    "chat.n": Verdict.UNSUPPORTED,
}


@pytest.fixture
def mixed(server: Server) -> str:
    """A server with one failed must, one failed should and one honest refusal."""

    def request(asked: Any, value: Any) -> Any:
        roles = [message["role"] for message in value.get("messages", ())] if chat(asked) else []
        return (
            dropping("messages")(asked, value) if "developer" in roles else refusing(lambda r: r.get("n"))(asked, value)
        )

    return flawed(server, request=request, reply=on(path("/health"), instead(CRASH)))


def test_junit_is_red_where_the_exit_code_is(mixed: str, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    assert go(mixed, select=ASKED, junit=file).code == 1
    suite = Xml.parse(file).getroot().find("testsuite")
    assert suite is not None
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "0", "2"]
    cases = {case.get("name"): case for case in suite}
    assert [*cases] == [check.id for check in CHECKS if check.id in VERDICTS], "in the order of the suite"
    assert {id: [child.tag for child in case] for id, case in cases.items()} == {
        "models.list": [],
        "discovery.health": ["skipped"],
        "chat.roles": ["failure"],
        "chat.n": ["skipped"],
    }
    failure = cases["chat.roles"][0]
    assert str(failure.get("message")).startswith("must fails: expected 200 for a developer message; came back: 400")
    assert "curl: curl -isSN" in str(failure.text)
    assert str(cases["discovery.health"][0].get("message")).startswith("should fails: ")
    assert str(cases["chat.n"][0].get("message")).startswith("unsupported: ")


def test_checks_that_were_not_run_are_no_errors_of_their_own(server: Server, tmp_path: Path) -> None:
    def dying(past: dict[str, int], asked: Any, said: Any) -> Any:
        past["count"] = past.get("count", 0) + 1
        if past["count"] > 12:
            raise ConnectionResetError
        return said

    files = {"junit": tmp_path / "junit.xml", "markdown": tmp_path / "run.md"}
    assert go(flawed(server, reply=Memory(dying)), **files).code == 2
    suite = Xml.parse(files["junit"]).getroot().find("testsuite")
    assert suite is not None
    assert suite.get("errors") == "2", "the check that saw it go, and the run"
    assert suite.get("skipped") == str(len(CHECKS) - 5)
    text = files["markdown"].read_text(encoding="utf-8")
    assert "the server is gone since models.unknown-code" in text
    assert text.count("💀") == 1


def test_junit_of_a_server_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    assert go("ftp://127.0.0.1", junit=file).code == 2
    suite = Xml.parse(file).getroot().find("testsuite")
    assert suite is not None
    assert suite.get("errors") == "1"
    assert "is not there" in str(suite[0][0].get("message"))


def test_markdown_holds_a_strangers_words_as_words(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "run.md"
    said = json.dumps({"error": {"message": "<img src=x> | @all ``` \x1b[31m"}}).encode()
    base = flawed(server, reply=on(path("/health"), instead(type(CRASH)(500, said))))
    assert go(base, select=ASKED, markdown=file).code == 0
    text = file.read_text(encoding="utf-8")
    assert "| conformance | 2 of 2 |" in text
    row = next(line for line in text.splitlines() if line.startswith("| ❌ fail | should | `discovery.health`"))
    assert "\\<img src=x\\> \\|" in row
    assert "@all" not in row
    assert "\x1b" not in text
    assert "````text" in text, "the fence is longer than any in the answer"


def test_a_saved_run_is_the_baseline_of_the_next(server: Server, mixed: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    assert go(mixed, select=ASKED, save=file).code == 1
    saved = json.loads(file.read_text(encoding="utf-8"))
    assert {result["id"]: result["verdict"] for result in saved["results"]} == VERDICTS
    assert saved["conformance"] == [1, 2]
    same = go(mixed, select=ASKED, baseline=file)
    assert (same.code, same.out.splitlines()[-1]) == (0, "nothing is worse than in the baseline"), "an old failure"
    mended = go(server.mount(), select=ASKED, baseline=file)
    assert mended.code == 0
    assert "better than before  chat.roles: fail → pass" in mended.out


def test_what_is_worse_than_in_the_baseline_ends_with_1(server: Server, mixed: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    assert go(server.mount(), select=ASKED, save=file).code == 0
    worse = go(mixed, select=ASKED, baseline=file, json=True)
    assert worse.code == 1
    told = worse.lines[-1]
    assert told == {"kind": "changes", "worse": dict.fromkeys([*VERDICTS][1:], "pass"), "better": {}}
    assert go(mixed, select=("discovery.health",), baseline=file).code == 1, "a should is enough"


def test_a_server_that_was_never_judged_leaves_the_baseline_as_it_was(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    assert go(server.mount(), select=ASKED, save=file).code == 0
    before = file.read_bytes()
    assert go("ftp://127.0.0.1", save=file).code == 2
    assert file.read_bytes() == before


def test_a_run_without_results_is_no_baseline(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text('{"results": []}')
    ran = go("http://127.0.0.1:9", baseline=file)
    assert (ran.code, ran.out) == (2, "")
    assert "has no results" in ran.err


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"baseline": "none.json"}, "--baseline none.json: [Errno 2] No such file"),
        ({"save": "no/such/place"}, "--save no/such/place: [Errno 2] No such file"),
        ({"baseline": "pyproject.toml"}, "--baseline pyproject.toml: "),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_file_that_is_no_good_is_told_before_the_run(fields: dict[str, str], told: str) -> None:
    ran = go("http://127.0.0.1:9", **{name: Path(value) for name, value in fields.items()})
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(told)


def test_the_wire_is_recorded_without_secrets(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "wire.jsonl"
    base = server.mount(key="secret-key")
    header = (("X-Team", "secret-team"),)
    ran = go(base, api_key="secret-key", headers=header, select=("chat.stream.done", "models.list"), record=file)
    assert ran.code == 0
    text = file.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["check"] for line in lines} == {"models.list", "chat.stream.done"}
    assert lines[-1]["response"].endswith("data: [DONE]\n\n")
    assert json.loads(lines[-1]["request"])["stream"] is True
    assert ["authorization", "…"] in lines[0]["request_headers"]
    assert "secret" not in text


def test_a_password_that_a_client_sent_is_not_recorded() -> None:
    asked = (("Authorization", "Basic Ym9iOnB3"), ("accept", "*/*"))
    result = Result(CHECKS[0], Verdict.PASS, 0.0, exchanges=(Exchange("GET", "http://host/v1", "", 0, asked),))
    [line] = recorded(result, Target("http://host/v1", "tiny"))
    assert json.loads(line)["request_headers"] == [["Authorization", "…"], ["accept", "*/*"]]


@pytest.mark.parametrize(
    "url",
    ["https://bob:pw@host/v1", "bob:pw@host", "http://pw@host", "https://host/v1?key=pw@", "host?pw@", "host/#pw@"],
)
def test_a_url_with_a_secret_is_refused_before_it_gets_anywhere(url: str, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("junit", "markdown", "record")}
    ran = go_to(("http://127.0.0.1:9", url), **files)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ("--header" in ran.err) != ("--api-key" in ran.err)
    assert "pw@" not in ran.err
    assert [*tmp_path.iterdir()] == []


def test_an_at_sign_in_a_path_is_no_password() -> None:
    assert "--header" not in go("ftp://127.0.0.1/@team/v1").err


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line_of_a_failure_gets_the_same_answer(server: Server) -> None:
    base = flawed(server, request=on(chat, dropping("messages")))
    ran = go(base, select=("chat.roles",))
    line = next(line for line in ran.out.splitlines() if line.startswith("    curl "))
    answer = subprocess.run(shlex.split(line), check=True, capture_output=True, text=True).stdout
    assert answer.startswith("HTTP/1.1 400 ")
    assert "messages" in answer


def test_no_curl_line_holds_a_secret(server: Server) -> None:
    flaw = on(chat, dropping("messages"))
    base = flawed(server, request=flaw)
    ran = go(base, api_key="secret-key", headers=(("X-Team", "secret-team"),), select=("chat.roles",))
    assert '-H "Authorization: Bearer $OPENAI_API_KEY"' in ran.out
    assert "-H 'X-Team: …'" in ran.out
    assert "secret" not in ran.out


def test_headers_reach_the_server(server: Server, tmp_path: Path) -> None:
    seen: list[str | None] = []

    def look(asked: Any, said: Any) -> Any:
        seen.append(asked.headers.get("x-team"))
        return said

    go(flawed(server, reply=look), headers=(("X-Team", "blue"),), select=("models", "chat.basic", "errors.auth"))
    assert set(seen) == {"blue"}


def test_several_endpoints_are_compared(server: Server, mixed: str) -> None:
    sound = server.mount()
    told = go_to((sound, mixed), select=ASKED)
    assert told.code == 1
    lines = told.out.splitlines()
    assert "conformance                              2 of 2         1 of 2" in lines
    row = next(line for line in lines if "chat.roles" in line)
    assert row.split() == ["must", "chat.roles", "✓", "pass", "✗", "fail"]
    assert lines[-1] == "1 checks pass wherever they ran"
    found = go_to((mixed, sound), select=ASKED, json=True).lines[-1]
    assert found["checks"]["chat.n"] == ["unsupported", "pass"]
    assert found["exits"] == [1, 0]


def test_a_dead_endpoint_among_several_has_a_column_but_no_say(server: Server, mixed: str) -> None:
    ran = go_to(("ftp://127.0.0.1", mixed), select=ASKED)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "models.list" not in ran.out, "it passes wherever it ran"
    row = next(line for line in ran.out.splitlines() if "chat.roles" in line)
    assert row.split() == ["must", "chat.roles", "not", "run", "✗", "fail"]


def test_each_endpoint_may_have_its_model(server: Server) -> None:
    base = server.mount()
    ran = go_to((base, base), models=("maker/tiny", "gone"), select=("chat.basic",))
    assert "B  " + base + "  model gone" in ran.out.splitlines()
    assert ran.code == 1
    ran = go_to((base, base), models=("a", "b", "c"), select=("chat.basic",))
    assert (ran.code, ran.err) == (2, "--model goes once, or once for each URL\n")
