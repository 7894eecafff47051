"""Where a message is written: enter sends it, ctrl+j begins a new line. It does not know to whom it goes."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from mlxtui.text import safe_text


class Composer(TextArea):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "send", key_display="⏎", id="chat.send", tooltip="Send the message"),
        Binding(
            "ctrl+j,shift+enter,alt+enter",
            "newline",
            "new line",
            key_display="^j",
            id="chat.newline",
            tooltip="A new line",
        ),
        Binding("f1", "app.help", "help", id="chat.help", tooltip="The keys of this screen, where ? is a letter"),
    ]

    class Sent(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, highlight_cursor_line=False, compact=True)

    async def _on_key(self, event: events.Key) -> None:
        """TextArea would take enter for itself before any binding sees it."""
        if event.key == "enter":
            event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        """A terminal says \\r for a line's end; what else it says must not steer it when it is drawn."""
        event.prevent_default()
        await super()._on_paste(events.Paste(safe_text(event.text.replace("\r\n", "\n").replace("\r", "\n"))))

    def fill(self, text: str) -> None:
        """Put a text in to be changed, the cursor at its end."""
        self.text = safe_text(text)
        self.move_cursor(self.document.end)

    def action_newline(self) -> None:
        self.insert("\n")

    def action_send(self) -> None:
        if self.text.strip():
            self.post_message(self.Sent(self.text.strip("\n")))
            self.text = ""
