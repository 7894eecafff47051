"""The honest-parameter table: complete against the official client's own types, and in step with validation."""

from __future__ import annotations

from typing import get_type_hints

from openai.types.chat import completion_create_params as chat

from mlxtui.api.chat_wire import WireChat
from mlxtui.api.parameters import CHAT


def test_every_field_the_official_client_can_send_has_a_fate() -> None:
    known = {parameter.name for parameter in CHAT}
    assert len(known) == len(CHAT)
    assert set(get_type_hints(chat.CompletionCreateParamsBase)) - known == set()


def test_what_is_honoured_is_what_is_read() -> None:
    assert {p.name for p in CHAT if p.fate == "honoured"} == set(WireChat.model_fields)
