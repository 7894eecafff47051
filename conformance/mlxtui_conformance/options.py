"""Options: what a command line turns into, here and in `mlxtui check`. Knows nothing of how they are parsed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """One run. Times are in seconds; empty `select` means every check of the profile."""

    url: str = ""
    api_key: str | None = None
    model: str | None = None
    profile: str = "all"
    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    timeout: float = 60.0
    warmup: float = 15.0
    concurrency: int = 1
    json: bool = False
    list_only: bool = False
    explain: str | None = None
    program: str = "python -m mlxtui_conformance"
