"""Putting text on the clipboard by the system's own tool. Where there is none, the app asks the terminal (OSC 52)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

TOOLS: tuple[tuple[str, list[str], str | None], ...] = (
    ("pbcopy", [], None),
    ("wl-copy", [], "WAYLAND_DISPLAY"),
    ("xclip", ["-selection", "clipboard"], "DISPLAY"),
    ("xsel", ["--clipboard", "--input"], "DISPLAY"),
)


def system_copy(text: str, environ: Mapping[str, str]) -> str | None:
    """The name of the tool that took `text`, None if there is none that works here."""
    if environ.get("SSH_CONNECTION"):
        return None  # the clipboard one wants is on the other machine
    for tool, arguments, needs in TOOLS:
        path = shutil.which(tool)
        if path is None or (needs and not environ.get(needs)):
            continue
        try:
            subprocess.run(
                [path, *arguments],
                input=text.encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=2,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return tool
    return None
