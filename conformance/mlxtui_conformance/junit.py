"""Runs become JUnit XML, as CI systems read it. Knows nothing of HTTP.

A failed must is a failure and the check during which a target died an error. All else that is no pass is skipped with
its reason, a failed should as well. A baseline changes the exit code, never the file: it tells of this run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from .check import Level, Verdict
from .options import Options
from .report import alone, told
from .results import Result, Run

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 §2.2


def junit(runs: Sequence[Run], options: Options) -> str:
    """A testsuite for each run."""
    suites = Xml.Element("testsuites", name="OpenAI API conformance")
    suites.extend(_suite(run, options) for run in runs)
    Xml.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(suites, encoding="unicode") + "\n"


def _suite(run: Run, options: Options) -> Xml.Element:
    cases = [_case(result, run, options) for result in run.results]
    if run.trouble and not run.interrupted:
        cases.append(_gone(run))
    kinds = [case.find(kind) is not None for case in cases for kind in ("failure", "error", "skipped")]
    failures, errors, skipped = (str(sum(kinds[at::3])) for at in range(3))
    suite = Xml.Element("testsuite", name=_legal(run.url), tests=str(len(cases)), failures=failures, errors=errors)
    suite.set("skipped", skipped)
    suite.set("time", f"{sum(result.seconds for result in run.results):.3f}")
    suite.extend(cases)
    return suite


def _case(result: Result, run: Run, options: Options) -> Xml.Element:
    check = result.check
    kind = f"conformance.{check.id.partition('.')[0]}"
    case = Xml.Element("testcase", classname=kind, name=check.id, time=f"{result.seconds:.3f}")
    if result.verdict != Verdict.PASS:
        trouble = Xml.SubElement(case, element(result), message=_legal(reason(result)), type=check.level.value)
        assert run.canary is not None  # or there were no results
        target = run.canary.target
        lines = told(result, target, alone(options, run.url, target, check))
        trouble.text = _legal("\n".join([check.meaning, *(f"{name}: {text}" for name, text in lines)]))
    return case


def element(result: Result) -> str:
    """What a verdict that is no pass is called in JUnit."""
    if result.verdict == Verdict.UNREACHABLE and not result.unrun:
        return "error"
    return "failure" if result.verdict == Verdict.FAIL and result.check.level == Level.MUST else "skipped"


def reason(result: Result) -> str:
    """Why a check did not pass, on one line."""
    if result.verdict == Verdict.FAIL:
        return f"{result.check.level.value} fails: expected {result.expected}; came back: {result.got}"
    return f"{result.verdict.value}: {result.got}"


def _gone(run: Run) -> Xml.Element:
    case = Xml.Element("testcase", classname="conformance", name="the run", time="0")
    Xml.SubElement(case, "error", message=_legal(run.trouble))
    return case


def _legal(text: str) -> str:
    return FORBIDDEN.sub("\ufffd", text)
