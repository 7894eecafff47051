"""The bodies of `/mlxtui/models/*`: which model is meant. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

HUB_ID = r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$"


class WireModelName(BaseModel):
    """One that is on this machine: its id, its path or its name, as GET /mlxtui/models has them."""

    model: Annotated[str, Field(min_length=1, max_length=4096)]


class WireHubId(BaseModel):
    """One on the Hub, like mlx-community/Qwen3-4B-4bit."""

    model: Annotated[str, Field(pattern=HUB_ID, max_length=96)]
