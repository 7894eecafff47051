"""A whole run in this process: options go in, the exit code and what was printed come out."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

from mlxtui_conformance.app import main
from mlxtui_conformance.options import Options

from .fake.server import Defect, Server


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def go(url: str, **fields: Any) -> Ran:
    return go_to((url,) if url else (), **fields)


def go_to(urls: tuple[str, ...], **fields: Any) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    code = main(Options(urls, **fields), out, err)
    return Ran(code, out.getvalue(), err.getvalue())


def flawed(server: Server, caught_by: str = "", **hooks: Any) -> str:
    return server.mount(Defect("flawed", caught_by, **hooks))
