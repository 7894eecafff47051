"""What one frame shows: the state and the time it is drawn for. Handed down by the app four times a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mlxtui.client import Link
from mlxtui.state import State
from mlxtui.tui.text import Line


@dataclass(frozen=True, slots=True)
class View:
    """`now` is the server's clock. `url` is where the dashboard looks for the server, which it has started itself if
    `own`."""

    state: State
    now: float
    link: Link
    url: str
    own: bool = True
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Painted:
    """What a panel shows: a title for its border and its lines."""

    lines: list[Line]
    title: str = ""


@runtime_checkable
class Live(Protocol):
    """A screen that changes with the state."""

    def draw(self, view: View) -> None: ...
