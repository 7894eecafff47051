"""`mlxtui doctor`: looks at this machine and says what is there, what is missing, and what mends it.

Every finding is a line: a mark, what was looked at, what was found, and the remedy where one is needed.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
from rich.console import Console
from rich.text import Text

from mlxtui.models import disk
from mlxtui.settings import EMBEDDED_MODEL, Settings, load_settings
from mlxtui.text import safe_line

Verdict = Literal["ok", "note", "broken"]
MARKS: dict[Verdict, tuple[str, str]] = {"ok": ("✓", "green"), "note": ("!", "yellow"), "broken": ("✗", "red")}
MACOS_NEEDED = 14
GLIBC_NEEDED = (2, 35)


@dataclass(frozen=True, slots=True)
class Finding:
    verdict: Verdict
    subject: str
    found: str
    remedy: str = ""


def run_doctor() -> int:
    """Print all findings; 1 when something is broken, else 0."""
    console = Console(highlight=False, soft_wrap=True)
    broken = False
    for finding in findings(load_settings({})):
        mark, colour = MARKS[finding.verdict]
        line = Text.assemble((f"{mark} ", colour), (f"{finding.subject:<14}", "bold"), safe_line(finding.found))
        console.print(line)
        if finding.remedy:
            console.print(Text(f"  {'':<14}→ {finding.remedy}"))
        broken = broken or finding.verdict == "broken"
    return 1 if broken else 0


def findings(settings: Settings) -> Iterator[Finding]:
    yield Finding("ok", "python", f"{platform.python_version()} at {sys.executable}")
    yield _system()
    yield from _engine()
    yield _memory()
    yield _state(settings.home)
    yield _models(settings)
    yield _terminal()


def _system() -> Finding:
    found = f"{platform.system()} {platform.release()} on {platform.machine()}"
    if sys.platform == "darwin":
        version = platform.mac_ver()[0]
        old = int(version.split(".")[0]) < MACOS_NEEDED or platform.machine() != "arm64"
        remedy = f"MLX needs macOS {MACOS_NEEDED} or later on Apple silicon" if old else ""
        return Finding("broken" if old else "ok", "system", f"macOS {version} on {platform.machine()}", remedy)
    libc, version = platform.libc_ver()
    old = libc == "glibc" and tuple(int(part) for part in version.split(".")[:2]) < GLIBC_NEEDED
    remedy = "MLX's Linux wheels need glibc 2.35 or later (Ubuntu 22.04, Debian 12)" if old else ""
    return Finding("broken" if old else "ok", "system", f"{found}, {libc} {version}", remedy)


def _engine() -> Iterator[Finding]:
    command = [sys.executable, "-P", "-m", "mlxtui.engine.worker.probe"]
    try:
        probe = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        facts: dict[str, Any] = json.loads(probe.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        why = getattr(error, "stderr", None) or str(error)
        yield Finding("broken", "mlx", why.strip().splitlines()[-1], "reinstall: uv sync --reinstall-package mlx")
        return
    if not facts["computes"]:
        yield Finding("broken", "mlx", f"a product on {facts['device']} came out wrong", "update mlx")
        return
    yield Finding("ok", "mlx", f"computes on {facts['device']}")
    if facts["cpu"] and sys.platform == "linux":
        yield _blas(facts["blas"])


def _blas(library: str | None) -> Finding:
    if library:
        return Finding("ok", "blas", f"{library}: fast float32 products on the CPU")
    remedy = "sudo apt-get install libopenblas0-pthread  (prefill gets many times faster)"
    return Finding("note", "blas", "no OpenBLAS: MLX falls back to a reference BLAS", remedy)


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    found = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB are free"
    tight = memory.available < 2**30
    return Finding(
        "note" if tight else "ok", "memory", found, "close something before loading a model" if tight else ""
    )


def _state(home: Path) -> Finding:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            free = shutil.disk_usage(home).free / 2**30
        return Finding("ok", "state", f"{home} can be written, {free:.0f} GiB free")
    except OSError as error:
        return Finding("broken", "state", f"{home}: {error.strerror}", "set MLXTUI_HOME to a directory you own")


def _models(settings: Settings) -> Finding:
    own = disk.beside_it(settings.model_folders)
    names = ", ".join(entry.name for entry in own[:4])
    found = f"embedded {EMBEDDED_MODEL}, and {len(own)} on this machine{': ' + names if names else ''}"
    return Finding("ok", "models", found, "" if own else "get a real one: mlxtui models search qwen3")


def _terminal() -> Finding:
    size = shutil.get_terminal_size()
    found = f"{os.environ.get('TERM', 'none')}, {size.columns}x{size.lines}, {sys.stdout.encoding}"
    if not sys.stdout.isatty():
        return Finding("note", "terminal", "none: output is not a terminal", "the dashboard needs one; serve does not")
    small = size.columns < 60 or size.lines < 20
    return Finding("note" if small else "ok", "terminal", found, "make it at least 60x20" if small else "")
