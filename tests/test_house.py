"""The rules of the house, held by tests: sizes, start-up cost, words every module opens with."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "mlxtui", ROOT / "conformance" / "mlxtui_conformance")
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
HEAVY_FOR_CLI = ("textual", "mlx", "mlx_lm", "quart", "openai", "transformers")
HEAVY_FOR_TUI = ("mlx", "mlx_lm", "quart", "openai", "transformers")


def functions() -> list[tuple[int, str]]:
    """(lines, where) of every function in both packages."""
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                lines = node.end_lineno - node.lineno + 1
                found.append((lines, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"))
    return sorted(found, reverse=True)


def test_modules_fit_on_a_few_screens() -> None:
    sizes = sorted(
        ((len(p.read_text(encoding="utf-8").splitlines()), p.relative_to(ROOT)) for p in MODULES), reverse=True
    )
    print("largest modules:", *(f"{lines} {path}" for lines, path in sizes[:5]), sep="\n  ")
    assert [path for lines, path in sizes if lines > 400] == []


def test_functions_are_short() -> None:
    sizes = functions()
    lengths = [lines for lines, _ in sizes]
    p90 = quantiles(lengths, n=10)[-1]
    print(f"{len(lengths)} functions: median {median(lengths)}, p90 {p90}, longest:", *sizes[:5], sep="\n  ")
    assert median(lengths) <= 8
    assert p90 <= 25
    assert [where for lines, where in sizes if lines > 50] == []


def test_no_process_of_ours_imports_from_where_it_is_started() -> None:
    """`-m` alone puts the current directory first: a quart.py that lies there would run."""
    words = [
        (path.name, list(map(ast.unparse, getattr(node, "elts", None) or getattr(node, "args", []))))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.List | ast.Tuple | ast.Call)
    ]
    started = [(name, each) for name, each in words if "'-m'" in each]
    assert len(started) >= 6
    assert [name for name, each in started if "'-P'" not in each] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_opens_with_what_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not source or source.startswith(('"""', 'r"""', "# "))


@pytest.mark.parametrize(
    ("module", "heavy"), [("mlxtui.cli", HEAVY_FOR_CLI), ("mlxtui.tui.app", HEAVY_FOR_TUI)], ids=["cli", "tui"]
)
def test_starting_up_loads_nothing_heavy(module: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {set(heavy)!r}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert loaded == []
