"""Does an endpoint keep the promises of the OpenAI API? Options go in, a report and an exit code come out.

Knows nothing of mlxtui: any server is checked from outside, through the official client.
"""

from __future__ import annotations

from .app import main
from .options import Options

__all__ = ["Options", "main"]
