"""Each check becomes a pytest item: pytest selects, runs and reports. Knows nothing of what a check does.

A failed must fails; a failed should or opt is an xfail, so that a build is red exactly when `mlxtui
check` would be, unless --runxfail makes them count; unsupported and inconclusive are skips.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .arguments import header
from .canary import Unusable, examine
from .check import Check, Level, Verdict
from .context import Shared
from .junit import reason
from .options import Options
from .report import alone, told
from .results import Result
from .runner import in_order, run_check
from .suite import PROFILES, chosen
from .target import Limits, Target, base_url, unfit
from .visible import visible
from .wire import transport

SUITE = Path(__file__).with_name("suite.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "conformance of an OpenAI-compatible endpoint, beside --base-url")
    add, usual = group.addoption, Options()
    add("--conformance-api-key", metavar="KEY", default=os.environ.get("OPENAI_API_KEY"), help="or $OPENAI_API_KEY")
    add("--conformance-header", metavar="'NAME: VALUE'", action="append", type=header, default=[], help="repeatable")
    add("--conformance-insecure", action="store_true", help="take any TLS certificate")
    add("--conformance-model", metavar="ID", help="default: the first one listed")
    add("--conformance-profile", choices=list(PROFILES), default=usual.profile, help="a set of checks")
    add("--conformance-timeout", metavar="S", type=float, default=usual.timeout, help="seconds for each check")


def pytest_configure(config: pytest.Config) -> None:
    url = config.getoption("base_url")
    if not (url or config.option.help or config.option.collectonly):
        raise pytest.UsageError("--base-url URL names the endpoint to check")
    if url and (reason := unfit(url)):
        raise pytest.UsageError(reason.replace(" --", " --conformance-"))
    for level in Level:
        config.addinivalue_line("markers", f"{level.value}: a check of this level")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return Suite.from_parent(parent, path=file_path) if file_path == SUITE else None


class Suite(pytest.File):
    """All checks of a profile, and the one endpoint they are for."""

    def collect(self) -> Iterator[pytest.Item]:
        for check in in_order(chosen((), (), self.config.getoption("conformance_profile"))):
            yield Claim.from_parent(self, name=check.id, check=check)

    def setup(self) -> None:
        option = self.config.getoption
        self.options = Options(
            urls=(option("base_url"),),
            api_key=option("conformance_api_key"),
            headers=tuple(option("conformance_header")),
            insecure=option("conformance_insecure"),
            models=tuple(filter(None, [option("conformance_model")])),
        )
        self.wire = transport(self.options.insecure)
        self.shared = Shared(self.wire)
        self.target = self._seen()

    def _seen(self) -> Target:
        given, limits = self.options, Limits(check=self.config.getoption("conformance_timeout"))
        aimed = Target(base_url(given.urls[0]), "", given.api_key, None, limits, given.headers, given.insecure)
        try:
            return examine(aimed, self.shared, next(iter(given.models), None), given.warmup).target
        except Unusable as reason:
            pytest.exit(visible(str(reason)), returncode=2)

    def teardown(self) -> None:
        self.wire.close()


class Broken(Exception):
    """A clause that does not hold."""

    def __init__(self, result: Result) -> None:
        super().__init__(visible(reason(result)))
        self.result = result


class Claim(pytest.Item):
    """One check."""

    parent: Suite

    def __init__(self, *, check: Check, **usual: Any) -> None:
        super().__init__(**usual)
        self.check = check
        self.add_marker(check.level.value)

    def runtest(self) -> None:
        result = run_check(self.check, self.parent.target, self.parent.shared)
        match result.verdict:
            case Verdict.UNREACHABLE:
                pytest.exit(visible(reason(result)), returncode=2)
            case Verdict.UNSUPPORTED | Verdict.INCONCLUSIVE:
                pytest.skip(visible(reason(result)))
            case Verdict.FAIL if self.check.level != Level.MUST:
                pytest.xfail(visible(reason(result)))
        if result.verdict == Verdict.FAIL:
            raise Broken(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, Broken):
            return super().repr_failure(excinfo, style)
        suite, result = self.parent, excinfo.value.result
        lines = told(result, suite.target, alone(suite.options, suite.options.urls[0], suite.target, self.check))
        return "\n".join([self.check.meaning, "", *(f"{name:<10}{visible(text)}" for name, text in lines)])

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.check.id
