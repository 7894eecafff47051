# In: Options. Out: an exit code and a report: does an endpoint keep the promises of the OpenAI API?
# Knows nothing of mlxtui: any server is checked from outside, through the official client.
from __future__ import annotations

from .app import main
from .options import Options

__all__ = ["Options", "main"]
