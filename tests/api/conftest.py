"""Hypothesis' own deadline of 200 ms measures how busy the machine is; pytest's timeout catches what hangs."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")
