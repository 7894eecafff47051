"""Where pytest finds us: `pytest --pyargs mlxtui_conformance` loads the plugin, any other run loads nothing at all."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    named = (argument.partition("::")[0] for argument in args)
    if any(name in (__package__, f"{__package__}.suite") or name.endswith(f"{__package__}/suite.py") for name in named):
        from . import pytest_plugin

        # pytest-base-url and many a conftest have the same flag for the same thing: then theirs is taken.
        if not hasattr(parser.parse_known_args(args), "base_url"):
            text = "http://host:port of the endpoint to check, or its API root when that is not /v1"
            parser.addoption("--base-url", metavar="URL", help=text)
        early_config.pluginmanager.register(pytest_plugin, pytest_plugin.__name__)
