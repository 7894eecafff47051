"""What screens ask of the app, as messages that bubble up: they do not know how it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from textual.message import Message

SnippetKind = Literal["curl", "python"]


class CancelAsked(Message):
    def __init__(self, request: str) -> None:
        super().__init__()
        self.request = request


class PriorityAsked(Message):
    """`by`: one step up (-1) or down (1) in the order of `types.PRIORITIES`."""

    def __init__(self, request: str, by: int) -> None:
        super().__init__()
        self.request = request
        self.by = by


class TextCopyAsked(Message):
    """Put `text` on the clipboard, and show it."""

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self.title = title
        self.text = text


class InspectAsked(Message):
    def __init__(self, request: str) -> None:
        super().__init__()
        self.request = request


class CopyAsked(Message):
    def __init__(self, request: str, kind: SnippetKind) -> None:
        super().__init__()
        self.request = request
        self.kind = kind


class ExportAsked(Message):
    """Write `what` to a file, in one of the forms: by its suffix, what it is called and how it is made."""

    def __init__(self, what: str, forms: Mapping[str, tuple[str, Callable[[], str]]]) -> None:
        super().__init__()
        self.what = what
        self.forms = forms
