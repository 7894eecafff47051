"""Whole runs against servers that are right, wrong, shy, dumb, dead or silent: verdicts, exit codes, print."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from mlxtui_conformance import Options, app, canary, main
from mlxtui_conformance.__main__ import options
from mlxtui_conformance.check import Check, Verdict
from mlxtui_conformance.context import Shared
from mlxtui_conformance.runner import Result, run, run_check
from mlxtui_conformance.suite import CHECKS
from mlxtui_conformance.target import Target

from .conftest import aim
from .fake.hooks import CRASH, HTML, Memory, chat, dropping, instead, on, path, refusing
from .fake.server import Asked, Defect, Said, Server, say


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def go(url: str, **fields: Any) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    code = main(Options(url, **fields), out, err)
    return Ran(code, out.getvalue(), err.getvalue())


def flawed(server: Server, caught_by: str = "", **hooks: Any) -> str:
    return server.mount(Defect("flawed", caught_by, **hooks))


def test_a_right_server_ends_with_0(server: Server) -> None:
    ran = go(server.mount())
    assert ran.code == 0, ran.out
    assert "context 6000  endpoints /chat/completions" in ran.out
    assert "✗" not in ran.out
    assert "\x1b" not in ran.out, "no colours in a pipe"
    assert ran.err == ""


def test_several_checks_at_a_time_find_the_same(server: Server, shared: Shared) -> None:
    found = list(run(CHECKS, aim(server.mount()), shared, concurrency=4))
    assert {result.verdict for result in found} == {Verdict.PASS}
    assert {result.check.id for result in found} == {check.id for check in CHECKS}


def test_a_failed_must_ends_with_1_and_shows_all_there_is_to_know(server: Server) -> None:
    base = flawed(server, request=on(lambda a: chat(a), dropping("messages")))
    ran = go(base, select=("chat.roles", "models"))
    assert ran.code == 1
    for shown in ("expected  200 for a system message", "request   POST", "answer    400", "clause    OpenAPI"):
        assert shown in ran.out
    assert "failed must: models.fields" not in ran.out
    assert "failed must: chat.roles" in ran.out
    assert f"alone     python -m mlxtui_conformance {base} --select chat.roles" in ran.out


def test_a_failed_should_ends_with_0(server: Server) -> None:
    ran = go(flawed(server, reply=on(path("/health"), instead(CRASH))), select=("discovery.health",))
    assert ran.code == 0
    assert "✗ fail" in ran.out


def test_json_lines(server: Server) -> None:
    ran = go(server.mount(), json=True, select=("chat.n", "chat.stream.done"))
    start, *results, end = ran.lines
    assert (start["kind"], start["model"], start["context"]) == ("start", "maker/tiny", 6000)
    assert [r["id"] for r in results] == ["chat.n", "chat.stream.done"]
    assert end["kind"] == "end"
    assert end["exit"] == 0
    assert end["conformance"] == [1, 1]


def test_an_honest_refusal_is_unsupported(server: Server, shared: Shared) -> None:
    """A server without tools and n, that says so, fails nothing in these areas."""
    shy = Defect("shy", "", request=refusing(lambda r: r.get("tools") or r.get("n")))
    target = aim(server.mount(shy))
    asked = [check for check in CHECKS if check.id.startswith("tools.") or check.id == "chat.n"]
    found = {check.id: run_check(check, target, shared).verdict for check in asked}
    assert Verdict.FAIL not in found.values()
    assert found["chat.n"] == found["tools.named"] == found["tools.required"] == Verdict.UNSUPPORTED


REFUSED = ("response_format", "logprobs", "logit_bias", "seed", "top_p", "reasoning_effort")


def test_a_server_without_the_finer_things_fails_nothing(server: Server, shared: Shared) -> None:
    """Honest 400s for forms, figures and effort: unsupported, and nothing that would hide a fault elsewhere."""
    plain = Defect("plain", "", request=refusing(lambda r: any(r.get(name) is not None for name in REFUSED)))
    target = aim(server.mount(plain))
    areas = ("unicode.", "structured.", "reasoning.", "sampling.")
    asked = [check for check in CHECKS if check.id.startswith(areas)]
    found = {check.id: run_check(check, target, shared).verdict for check in asked}
    found.pop("structured.bad-schema-param")  # this server's refusal names no field
    assert Verdict.FAIL not in found.values()
    assert {id for id, verdict in found.items() if verdict == Verdict.UNSUPPORTED} >= {
        *("structured.json-object", "structured.schema", "structured.parse", "structured.keywords"),
        *("sampling.seed", "sampling.top-p", "sampling.logprobs", "sampling.logit-bias", "reasoning.effort"),
    }


def test_a_weak_model_fails_nothing(server: Server, shared: Shared) -> None:
    """Protocol and obedience are apart: a model that only says "." costs capability alone."""
    weak = Defect("weak", "", flags=frozenset({"mumbling"}))
    found = list(run(CHECKS, aim(server.mount(weak)), shared))
    assert [r.check.id for r in found if r.verdict == Verdict.FAIL] == []
    unsure = {r.check.id for r in found if r.verdict == Verdict.INCONCLUSIVE}
    assert {"limits.stop-list", "chat.stream.incremental", "concurrency.no-crosstalk"} <= unsure


def test_a_dead_url_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        ran = go(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert "is not there" in ran.err


@pytest.fixture
def silent() -> Iterator[str]:
    """A port that accepts and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_hanging_server_is_told_in_one_line(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert canary.GREETING + canary.GLANCE + Options().warmup <= 30
    monkeypatch.setattr(canary, "GREETING", 0.1)
    ran = go(silent)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert "no answer within 0.1 s" in ran.err


def test_a_hanging_engine_is_told_in_one_line(server: Server) -> None:
    base = flawed(server, flags=frozenset({"stuck"}))
    ran = go(base, warmup=0.1)
    assert (ran.code, ran.out) == (2, "")
    assert f"{base}/chat/completions is not answered: no answer within 0.1 s" in ran.err


def loading(past: dict[str, int], asked: Asked, said: Said) -> Said:
    """Two chats find the model still loading."""
    past["chats"] = past.get("chats", 0) + chat(asked)
    return say(503, {"error": {"message": "loading"}}) if past["chats"] <= 2 and chat(asked) else said


def test_a_loading_server_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "PAUSE", 0.0)
    assert go(flawed(server, reply=Memory(loading)), select=("chat.basic",)).code == 0

    def for_ever(asked: Asked, said: Said) -> Said:
        return loading({}, asked, said)

    ran = go(flawed(server, reply=for_ever), select=("chat.basic",), warmup=1.0)
    assert ran.code == 2
    assert "is not ready: 503" in ran.err


def test_a_server_that_dies_on_the_way_ends_with_2(server: Server) -> None:
    def dying(past: dict[str, int], asked: Asked, said: Said) -> Said:
        past["count"] = past.get("count", 0) + 1
        if past["count"] > 12:
            raise ConnectionResetError
        return said

    ran = go(flawed(server, reply=Memory(dying)))
    assert ran.code == 2
    assert ran.out.count("! unreachable") == 1, "one line for the check that saw it go"
    assert "unreachable" in ran.out.splitlines()[-4]


def test_a_check_that_runs_out_of_time_fails_and_the_run_goes_on(server: Server, shared: Shared) -> None:
    slow: list[Check] = [check for check in CHECKS if check.id in ("chat.n", "chat.model-echo")]
    base = flawed(server, flags=frozenset({"stuck-on-n"}))
    target = aim(base)
    hasty = Target(base, target.model, None, None, type(target.limits)(check=1.0))
    found = {result.check.id: result for result in run(slow, hasty, shared)}
    assert found["chat.n"].verdict == Verdict.FAIL
    assert found["chat.n"].expected == "an answer within 1 s"
    assert found["chat.model-echo"].verdict == Verdict.PASS


def test_a_key_is_asked_for_and_never_shown(server: Server) -> None:
    base = server.mount(key="secret-key")
    bare = go(base)
    assert bare.code == 2
    assert "--api-key" in bare.err
    ran = go(base, api_key="secret-key", json=True, select=("errors", "models"))
    assert ran.code == 0
    assert "secret-key" not in ran.out


def test_a_server_that_answers_anything_is_flagged(server: Server) -> None:
    base = flawed(server, reply=on(path("-canary"), instead(say(200, {}))))
    assert "! a nonsense path is answered with 200" in go(base, select=("models.list",)).out


def test_without_a_model_list_a_model_must_be_named(server: Server) -> None:
    base = flawed(server, reply=on(path("/models"), instead(HTML)))
    assert "name one with --model" in go(base).err
    assert go(base, model="maker/tiny", select=("chat.basic",)).code == 0


def test_an_interrupt_prints_what_is_known(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(checks: Any, target: Any, shared: Any, concurrency: int) -> Iterator[Result]:
        yield run_check(checks[0], target, shared)
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "run", interrupted)
    ran = go(server.mount())
    assert ran.code == 130
    assert "interrupted after 1 checks" in ran.out
    assert "conformance    1 of 1" in ran.out


def test_a_typo_is_no_clean_run(server: Server) -> None:
    ran = go(server.mount(), select=("chat.steam",))
    assert ran.code == 2
    assert "no check matches 'chat.steam'" in ran.err


def test_list_and_explain_need_no_server() -> None:
    listed = go("", list_only=True, select=("models",)).out
    assert listed.splitlines()[0] == "Discovery"
    assert "must   models.list" in listed
    assert "  responses   " in listed
    assert "sampling.seed" not in go("", list_only=True, profile="responses").out
    assert "no profile 'chats'; there are all, chat" in go("", list_only=True, profile="chats").err
    told = go("", explain="concurrency.disconnect-frees").out
    assert "Three clients in a row" in told
    assert go("", explain="nothing").code == 2
    assert go("").code == 2


def test_the_command_line_becomes_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert options(["URL"]) == Options("URL")
    assert options(["U", "--profile", "agents"]).profile == "agents"
    given = options(["U", "--select", "a,b", "--select", "c", "--skip", "opt", "--json", "--timeout", "5"])
    assert given == Options("U", select=("a", "b", "c"), skip=("opt",), json=True, timeout=5.0)
