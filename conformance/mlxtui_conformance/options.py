"""Options: what a command line turns into, here and in `mlxtui check`. Knows nothing of how they are parsed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Options:
    """One call. Times are in seconds; empty `select` means every check of the profile, no `total` no end."""

    urls: tuple[str, ...] = ()
    api_key: str | None = None
    headers: tuple[Header, ...] = ()
    insecure: bool = False
    models: tuple[str, ...] = ()  # one for all URLs, or one for each
    profile: str = "all"
    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    timeout: float = 60.0
    total: float | None = None
    warmup: float = 15.0
    concurrency: int = 1
    json: bool = False
    junit: Path | None = None
    markdown: Path | None = None
    save: Path | None = None
    baseline: Path | None = None
    record: Path | None = None
    list_only: bool = False
    explain: str | None = None
    until_eof: bool = False
    program: str = "python -m mlxtui_conformance"
