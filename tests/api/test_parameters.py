"""The honest-parameter table: complete against the official client's own types, and in step with validation."""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

import pytest
from openai.types import completion_create_params as text
from openai.types.chat import completion_create_params as chat
from pydantic import BaseModel

from mlxtui.api.chat_wire import WireChat
from mlxtui.api.completions import WireCompletion
from mlxtui.api.parameters import CHAT, COMPLETIONS, ENDPOINTS, Parameter, parameters_markdown

PAGE = Path(__file__).parents[2] / "docs" / "parameters.md"


@pytest.mark.parametrize(
    ("table", "sent", "read"),
    [(CHAT, chat.CompletionCreateParamsBase, WireChat), (COMPLETIONS, text.CompletionCreateParamsBase, WireCompletion)],
    ids=["chat", "completions"],
)
def test_the_table_is_complete_and_in_step(table: tuple[Parameter, ...], sent: type, read: type[BaseModel]) -> None:
    known = {parameter.name for parameter in table}
    assert len(known) == len(table)
    assert set(get_type_hints(sent)) - known == set()
    assert {p.name for p in table if p.fate == "honoured"} == set(read.model_fields)


def test_the_page_of_parameters_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == parameters_markdown(), "run `just parameters`"


def test_every_row_is_on_the_page() -> None:
    rows = [line for line in parameters_markdown().splitlines() if line.startswith("| `")]
    assert len(rows) == sum(map(len, ENDPOINTS.values()))
    assert "| `best_of` | refused | use n; `1` asks for nothing and is accepted |" in rows
