"""The shapes of requests to `/v1/conversations` on the wire. Source: OpenAI's API reference, "Conversations"."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlxtui.api.chat_wire import Wire
from mlxtui.api.responses_items_wire import AnyItem
from mlxtui.api.responses_wire import Metadata

MOST_ITEMS = 20
"""At a time, as OpenAI has it."""


class WireMetadata(Wire):
    metadata: Annotated[Metadata, Field(max_length=16)] | None = None


class WireNewConversation(WireMetadata):
    items: Annotated[list[AnyItem], Field(max_length=MOST_ITEMS)] | None = None


class WireNewItems(Wire):
    items: Annotated[list[AnyItem], Field(max_length=MOST_ITEMS)]
