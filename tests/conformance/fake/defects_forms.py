"""What can be wrong with text beyond ASCII, forced JSON, reasoning and sampling, each with its check."""

from __future__ import annotations

import json
from typing import Any

from .brain import Json
from .hooks import CRASH, body, deltas, edited, first_choice, instead, on, text_of
from .server import Asked, Defect


def content(change: Any) -> Any:
    """Alter the text of a whole answer."""
    return first_choice(lambda c: c["message"].update(content=change(c["message"]["content"] or "")))


def latin(text: str) -> str:
    return text.encode().decode("latin-1")


def unjoined(text: str) -> str:
    return text.replace("\u200d", "")


def halves(asked: Asked, parts: list[Json]) -> list[Json]:
    """Emoji leave as two surrogates, one after the other; put together they are whole."""
    sent = []
    for part in parts:
        text = part["choices"][0]["delta"].get("content") if part["choices"] else None
        for unit in _units(text) if text else (None,):
            copy = json.loads(json.dumps(part))
            if unit is not None:
                copy["choices"][0]["delta"]["content"] = unit
            sent.append(copy)
    return sent


def _units(text: str) -> list[str]:
    raw = text.encode("utf-16-be")
    return [raw[at : at + 2].decode("utf-16-be", "surrogatepass") for at in range(0, len(raw), 2)]


def bytes_counted(asked: Asked, answer: Json) -> Any:
    """An escape counts as the six characters it is written in."""
    return edited(lambda a: a["usage"].update(prompt_tokens=int(asked.headers["content-length"])))(asked, answer)


UNICODE = (
    Defect("mojibake", "unicode.echo", completion=content(latin)),
    Defect("joiners-lost", "unicode.echo", completion=content(unjoined)),
    Defect("question-marks", "unicode.echo", completion=content(lambda t: t.encode("ascii", "replace").decode())),
    Defect("half-emoji", "unicode.stream", chunks=halves),
    Defect(
        "lost-in-stream",
        "unicode.stream",
        chunks=deltas(lambda at, d: d.update(content=d.get("content", "").replace("🦜", "\ufffd"))),
    ),
    Defect("escapes-read-raw", "unicode.escapes", completion=bytes_counted),
    Defect(
        "surrogate-crash",
        "unicode.broken-request",
        reply=on(lambda a: "\ud83d" in text_of(body(a)), instead(CRASH)),
    ),
    Defect("nul-crash", "unicode.broken-request", reply=on(lambda a: "\0" in text_of(body(a)), instead(CRASH))),
    Defect("not-utf-8-crash", "unicode.broken-request", reply=on(lambda a: a.malformed, instead(CRASH))),
)

FORMS = UNICODE
