"""The screens that a number switches to, in the order of their keys. A new screen is one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual.binding import Binding
from textual.screen import Screen

from mlxtui.client import ServerClient
from mlxtui.tui.screens.home import HomeScreen


@dataclass(frozen=True, slots=True)
class Place:
    """`mode` names the screen in key maps; `build` makes it when it is first shown, and is where it is imported.

    `acts`: all it is there for is to make the server do something, so a read-only dashboard goes without it.
    """

    key: str
    mode: str
    name: str
    tooltip: str
    build: Callable[[ServerClient], Screen[Any]]
    acts: bool = False

    def binding(self) -> Binding:
        return Binding(
            self.key, f"go('{self.mode}')", self.name, show=False, id=f"app.{self.mode}", tooltip=self.tooltip
        )


def _chat(client: ServerClient) -> Screen[Any]:
    from mlxtui.tui.screens.chat import ChatScreen  # its Markdown and its files are not there for the first paint

    return ChatScreen(client)


def _check(client: ServerClient) -> Screen[Any]:
    from mlxtui.tui.screens.check import CheckScreen

    return CheckScreen(client)


def _logs(_: ServerClient) -> Screen[Any]:
    from mlxtui.tui.screens.logs import LogsScreen

    return LogsScreen()


def _plots(_: ServerClient) -> Screen[Any]:
    from mlxtui.tui.screens.plots import PlotsScreen

    return PlotsScreen()


def _cache(client: ServerClient) -> Screen[Any]:
    from mlxtui.tui.screens.cache import CacheScreen

    return CacheScreen(client)


def _models(client: ServerClient) -> Screen[Any]:
    from mlxtui.tui.screens.models import ModelsScreen

    return ModelsScreen(client)


PLACES = (
    Place("1", "home", "Requests", "Requests, the home screen", lambda _: HomeScreen()),
    Place("2", "models", "Models", "Models: on this machine and on the Hub", _models),
    Place("3", "chat", "Chat", "Chat with the model", _chat, acts=True),
    Place("4", "check", "Check", "Check: does an endpoint keep its promises?", _check, acts=True),
    Place("5", "cache", "Cache", "Cache: what is kept of prompts", _cache),
    Place("6", "logs", "Logs", "Logs: what the server said", _logs),
    Place("7", "plots", "Plots", "Plots: the last five minutes", _plots),
)
