"""Whole runs against servers that are right, wrong, shy, dumb, dead or silent: verdicts, exit codes, print."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from mlxtui_conformance import canary, session
from mlxtui_conformance.arguments import options
from mlxtui_conformance.check import Check, Verdict
from mlxtui_conformance.context import Shared
from mlxtui_conformance.options import Options
from mlxtui_conformance.results import Result
from mlxtui_conformance.runner import run, run_check
from mlxtui_conformance.suite import CHECKS
from mlxtui_conformance.target import Target

from .conftest import aim
from .fake.hooks import CRASH, HTML, Memory, body, calls, chat, dropping, edited, instead, on, path, refusing
from .fake.server import Asked, Defect, Said, Server, say
from .ran import flawed, go


def ended(news: Iterable[Check | Result]) -> list[Result]:
    return [item for item in news if isinstance(item, Result)]


def test_a_right_server_ends_with_0(server: Server) -> None:
    ran = go(server.mount(), concurrency=4)
    assert ran.code == 0, ran.out
    assert "context 6000  endpoints /chat/completions" in ran.out
    assert "✗" not in ran.out
    assert "\x1b" not in ran.out, "no colours in a pipe"
    assert ran.err == ""


def test_several_checks_at_a_time_find_the_same(server: Server, shared: Shared) -> None:
    found = ended(run(CHECKS, aim(server.mount()), shared, concurrency=4))
    assert {result.verdict for result in found} == {Verdict.PASS}
    assert {result.check.id for result in found} == {check.id for check in CHECKS}


def test_a_failed_must_ends_with_1_and_shows_all_there_is_to_know(server: Server) -> None:
    base = flawed(server, request=on(lambda a: chat(a), dropping("messages")))
    ran = go(base, select=("chat.roles", "models"))
    assert ran.code == 1
    for shown in ("expected  200 for a system message", "curl      curl -isSN", "answer    400", "clause    OpenAPI"):
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
    start, *news, end = ran.lines
    assert (start["kind"], start["model"], start["context"]) == ("start", "maker/tiny", 6000)
    told = [(line["kind"], line["id"]) for line in news]
    assert told == [(kind, id) for id in ("chat.n", "chat.stream.done") for kind in ("begin", "result")]
    assert [(c["id"], c["level"]) for c in start["checks"]] == [("chat.n", "should"), ("chat.stream.done", "must")]
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
    found = ended(run(CHECKS, aim(server.mount(weak)), shared))
    assert [r.check.id for r in found if r.verdict == Verdict.FAIL] == []
    unsure = {r.check.id for r in found if r.verdict == Verdict.INCONCLUSIVE}
    assert {"limits.stop-list", "chat.stream.incremental", "concurrency.no-crosstalk"} <= unsure


def test_a_tool_that_is_not_there_is_the_models_slip(server: Server, shared: Shared) -> None:
    """Named by nobody but the model; a server that was told to force a name has to keep to it."""
    inventing = Defect("inventing", "", completion=calls(lambda call: call["function"].update(name="get_lost")))
    target = aim(server.mount(inventing))
    found = {c.id: run_check(c, target, shared).verdict for c in CHECKS if c.id.startswith("tools.")}
    assert {id for id, verdict in found.items() if verdict == Verdict.FAIL} == {"tools.named", "tools.required"}
    assert found["tools.auto"] == found["tools.parallel"] == Verdict.INCONCLUSIVE


def test_agents_are_more_lenient_than_the_specification(server: Server, shared: Shared) -> None:
    """What no agent trips over fails the checks of chat, not those of agents."""

    def careless(parts: list[Any]) -> None:
        for part in parts:
            part["object"] = "chat.completion"
            for choice in part["choices"]:
                choice["delta"]["role"] = "assistant"

    target = aim(server.mount(Defect("careless", "", chunks=on(chat, edited(careless)))))
    found = {c.id: run_check(c, target, shared).verdict for c in CHECKS if c.id.startswith(("agents.", "chat.stream."))}
    assert found["chat.stream.strict"] == found["chat.stream.role-once"] == Verdict.FAIL
    assert {verdict for id, verdict in found.items() if id.startswith("agents.")} == {Verdict.PASS}


def test_a_number_out_of_range_that_is_answered_is_the_request_shown(server: Server, shared: Shared) -> None:
    (ranges,) = [check for check in CHECKS if check.id == "errors.ranges"]
    result = run_check(ranges, aim(server.mount(Defect("one-only", "", request=dropping("n")))), shared)
    assert result.got == "n=0: 200"
    assert result.shown is not None
    assert '"n":0' in result.shown.sent


def test_a_failure_shows_the_request_it_is_about(server: Server, shared: Shared) -> None:
    bare = Defect("bare", "", reply=on(lambda a: a.malformed, instead(say(400, {"error": "bad"}))))
    (envelope,) = [check for check in CHECKS if check.id == "errors.envelope"]
    result = run_check(envelope, aim(server.mount(bare)), shared)
    assert result.verdict == Verdict.FAIL
    assert result.shown is not None
    assert result.shown.brief()[1] == '400 application/json {"error": "bad"}'


def test_a_server_that_breaks_on_schemas_is_asked_for_a_long_answer_without_one(server: Server, shared: Shared) -> None:
    def broken(asked: Asked, frames: list[bytes]) -> list[bytes]:
        return [b'data: {"error": "no such kernel"}\n\n'] if asked.body.get("response_format") else frames

    (asked,) = [check for check in CHECKS if check.id == "limits.default-max"]
    target = aim(server.mount(Defect("broken", "", frames=broken)))
    assert run_check(asked, target, shared).verdict == Verdict.PASS


def test_an_end_that_no_larger_limit_moves_may_be_that_of_the_context(server: Server, shared: Shared) -> None:
    def small(asked: Asked, request: Any) -> Any:
        return {**request, "max_completion_tokens": min(512, request.get("max_completion_tokens", 512))}

    (asked,) = [check for check in CHECKS if check.id == "limits.default-max"]
    target = replace(aim(server.mount(Defect("small", "", request=on(chat, small)))), context=None)
    assert run_check(asked, target, shared).verdict == Verdict.INCONCLUSIVE
    target = replace(
        aim(server.mount(Defect("default", "", request=lambda a, r: {"max_tokens": 512, **r}))), context=None
    )
    assert run_check(asked, target, Shared(shared.transport)).verdict == Verdict.FAIL


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
    assert f"the server is gone since models.unknown-code; {len(CHECKS) - 5} checks were not run" in ran.out
    assert "unreachable" in ran.out.splitlines()[-4]


def test_a_server_that_dies_of_the_last_check_is_told(server: Server) -> None:
    """The check sees a stream that just ends; that nobody is there any more is seen by looking once again."""

    def dying(past: dict[str, bool], asked: Asked, said: Said) -> Said:
        if past.get("dead"):
            raise ConnectionResetError
        past["dead"] = bool(body(asked).get("logit_bias"))
        return replace(said, frames=()) if past["dead"] else said

    ran = go(flawed(server, reply=Memory(dying)), select=("models.list", "errors.mid-stream"))
    assert ran.code == 2
    assert "✗ fail         must   errors.mid-stream" in ran.out
    assert "the server is gone since errors.mid-stream: http" in ran.out


def test_a_check_that_runs_out_of_time_fails_and_the_run_goes_on(server: Server, shared: Shared) -> None:
    slow: list[Check] = [check for check in CHECKS if check.id in ("chat.n", "chat.model-echo")]
    base = flawed(server, flags=frozenset({"stuck-on-n"}))
    target = aim(base)
    hasty = Target(base, target.model, None, None, type(target.limits)(check=1.0))
    found = {result.check.id: result for result in ended(run(slow, hasty, shared))}
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
    assert go(base, models=("maker/tiny",), select=("chat.basic",)).code == 0


def test_an_interrupt_prints_what_is_known(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(checks: Any, target: Any, shared: Any, *limits: Any) -> Iterator[Check | Result]:
        yield run_check(checks[0], target, shared)
        yield checks[1]
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "run", interrupted)
    ran = go(server.mount())
    assert ran.code == 130
    assert f"interrupted after 1 of {len(CHECKS)} checks, during models.fields" in ran.out
    assert "conformance    1 of 1" in ran.out


def test_a_run_ends_with_who_started_it(server: Server) -> None:
    """Its standard input closes when they are gone, however they went; what is known by then is told. Children of
    a script's background job begin with SIGINT ignored."""
    released = threading.Event()

    def stuck(asked: Asked, said: Said) -> Said:
        return said if not asked.path.startswith("/v1/models/") or released.wait(60) else CRASH

    base = flawed(server, reply=stuck)
    command = [sys.executable, "-m", "mlxtui_conformance", base, "--json", "--until-eof", "--select", "models"]
    deaf = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=deaf) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        lines = (json.loads(line) for line in child.stdout)
        assert [next(lines)["kind"] for _ in range(3)] == ["start", "begin", "result"]
        child.stdin.close()
        end = [*lines][-1]
        released.set()
    assert (end["kind"], end["interrupted"], child.returncode) == ("end", True, 130)


def test_a_typo_is_no_clean_run(server: Server) -> None:
    ran = go(server.mount(), select=("chat.steam",))
    assert ran.code == 2
    assert "no check matches 'chat.steam'" in ran.err


def test_list_and_explain_need_no_server() -> None:
    facts = [json.loads(line) for line in go("", list_only=True, json=True).out.splitlines()]
    assert [fact["id"] for fact in facts] == [check.id for check in CHECKS]
    assert all(fact["area"] and fact["clause"] and fact["profiles"] for fact in facts)
    listed = go("", list_only=True, select=("models",)).out
    assert listed.splitlines()[0] == "Discovery"
    assert "must   models.list" in listed
    assert "  responses   " in listed
    assert "chat responses agents" in listed
    assert "sampling.seed" not in go("", list_only=True, profile="responses").out
    assert "no profile 'chats'; there are all, chat" in go("", list_only=True, profile="chats").err
    told = go("", explain="concurrency.disconnect-frees").out
    assert "Three clients in a row" in told
    assert "Area: Concurrency\nProfiles: all, chat, agents\nClause: " in told
    assert go("", explain="nothing").code == 2
    assert go("").code == 2


def test_a_reader_that_has_had_enough_is_no_crash() -> None:
    command = [sys.executable, "-m", "mlxtui_conformance", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 141


def test_the_command_line_becomes_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert options(["URL"]) == Options(("URL",))
    assert options(["U", "--profile", "agents", "V"]) == Options(("U", "V"), profile="agents")
    given = options(["U", "--select", "a,b", "--select", "c", "--skip", "opt", "--json", "--timeout", "5"])
    assert given == Options(("U",), select=("a", "b", "c"), skip=("opt",), json=True, timeout=5.0)
    given = options(["--header", "X-Org: mine", "--header", "X-Empty:", "U"])
    assert given.headers == (("X-Org", "mine"), ("X-Empty", ""))


@pytest.mark.parametrize(
    "wrong",
    [
        ["--header", "no colon"],
        ["--header", "X: a\r\nY: b"],
        ["--timeout", "0"],
        ["--total", "inf"],
        ["--concurrency", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_ends_with_2_and_names_the_flag(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        options(["U", *wrong])
    assert end.value.code == 2
    assert f"argument {wrong[0]}:" in capsys.readouterr().err.splitlines()[-1]
