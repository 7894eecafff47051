"""What screens ask of the app, as messages that bubble up: they do not know how it is done."""

from __future__ import annotations

from typing import Literal

from textual.message import Message

SnippetKind = Literal["curl", "python"]


class CancelAsked(Message):
    def __init__(self, request: str) -> None:
        super().__init__()
        self.request = request


class CopyAsked(Message):
    def __init__(self, request: str, kind: SnippetKind) -> None:
        super().__init__()
        self.request = request
        self.kind = kind
