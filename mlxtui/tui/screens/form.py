"""A form over the screen: fields with what stands in them come in; what is made of them goes out, None for leaving.

What is wrong is said in the form, and it stays until it is right. It knows nothing of what the fields mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static, TextArea

from mlxtui.errors import UserError
from mlxtui.text import safe_text
from mlxtui.tui.text import one_line

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Field:
    """`rows` more than 1: a text of many lines. `hint` is shown while it is empty."""

    name: str
    label: str
    text: str = ""
    hint: str = ""
    rows: int = 1
    secret: bool = False


class Form(ModalScreen[Made | None], Generic[Made]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "back", id="form.back", tooltip="Leave everything as it is"),
        Binding("ctrl+s", "save", "save", id="form.save", priority=True, tooltip="Take what stands here"),
    ]

    def __init__(self, title: str, fields: Sequence[Field], made: Callable[[Mapping[str, str]], Made]) -> None:
        """`made` gets the texts by name and raises UserError for what is wrong."""
        super().__init__()
        self._title = title
        self._fields = fields
        self._made = made

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="form", can_focus=False) as box:
            box.border_title = Content(one_line(self._title))
            box.border_subtitle = "enter or ^s takes it · tab next · esc back"
            for field in self._fields:
                yield from _row(field)
            yield Static(Content(""), id="wrong")

    def on_mount(self) -> None:
        self.query(Input if self._fields[0].rows == 1 else TextArea).first().focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_save()

    def action_save(self) -> None:
        texts = {}
        for field in self._fields:
            box = self.query_one(f"#{field.name}", Input if field.rows == 1 else TextArea)
            texts[field.name] = box.value if isinstance(box, Input) else box.text  # type: ignore[attr-defined]
        try:
            made = self._made(texts)
        except UserError as error:
            self.query_one("#wrong", Static).update(Content(safe_text(str(error))))
            return
        self.dismiss(made)


def _row(field: Field) -> ComposeResult:
    text = safe_text(field.text)
    with Horizontal(classes="field"):
        yield Label(Content(field.label))
        if field.rows == 1:
            yield Input(one_line(text), placeholder=field.hint, password=field.secret, id=field.name, compact=True)
        else:
            area: Any = TextArea(text, id=field.name, compact=True, placeholder=Content(field.hint))
            area.styles.height = field.rows
            yield area
