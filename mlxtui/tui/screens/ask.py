"""A question with a few answers, each with its key; dismissed with the chosen value, None for staying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from mlxtui.tui.text import one_line


@dataclass(frozen=True, slots=True)
class Choice:
    """`value` None: nothing happens."""

    key: str
    label: str
    value: str | None


class Ask(ModalScreen[str | None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "back", id="ask.back", tooltip="Leave everything as it is"),
    ]

    def __init__(self, question: str, choices: Sequence[Choice], detail: str = "") -> None:
        super().__init__()
        self._question = question
        self._detail = detail
        self._choices = choices

    def compose(self) -> ComposeResult:
        with Vertical(id="ask"):
            yield Static(Content(one_line(self._question)), id="question")
            if self._detail:
                yield Static(Content(one_line(self._detail)), id="detail")
            yield OptionList(*(Option(_label(choice), id=choice.key) for choice in self._choices))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index].value)

    def on_key(self, event: events.Key) -> None:
        for choice in self._choices:
            if event.character == choice.key:
                event.stop()
                self.dismiss(choice.value)
                return


def _label(choice: Choice) -> Content:
    return Content.assemble((f" {choice.key} ", "$accent bold"), f" {one_line(choice.label)}")
