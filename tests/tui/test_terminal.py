"""The dashboard notices when its terminal is gone."""

from __future__ import annotations

import os
import pty
import sys

import pytest

from mlxtui.tui.terminal import hung_up


def test_a_closed_window_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr(sys, "__stdin__", stdin)
        assert not hung_up()
        os.close(master)
        assert hung_up()
    assert not hung_up()


def test_no_terminal_at_all_is_nothing_to_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdin__", None)
    assert not hung_up()
