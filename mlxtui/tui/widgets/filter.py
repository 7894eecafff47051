"""The line a filter is typed into: there while it has the focus or holds words."""

from __future__ import annotations

from textual.widgets import Input


class Filter(Input):
    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, id="filter", compact=True)
        self.display = False

    @property
    def words(self) -> str:
        return self.value.strip()

    def open(self) -> None:
        self.display = True
        self.focus()

    def close(self) -> None:
        """Hand the focus on before this; what was typed stays, and stays to be seen."""
        self.display = bool(self.words)

    def clear(self) -> None:
        self.value = ""
        self.close()
