"""Text on its way to the terminal: untrusted strings come in, harmless lines of toned pieces go out.

A Line is plain data, so frames can be compared; what a tone looks like is the style sheet's business. Nothing here
knows widgets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from rich.cells import cell_len, set_cell_size

from mlxtui.text import safe_text

Tone = Literal["", "dim", "bold", "good", "warn", "bad", "accent", "decode", "prefill", "head", "em", "code"]
TONES: tuple[Tone, ...] = ("dim", "bold", "good", "warn", "bad", "accent", "decode", "prefill", "head", "em", "code")
Piece = tuple[str, Tone]
Line = tuple[Piece, ...]


def one_line(text: str) -> str:
    """`text` made safe for one line on the screen: a line feed shows as its picture, a tab as a space."""
    if text.isprintable():
        return text  # nearly always, and quick: controls, bidi marks and surrogates are none
    return safe_text(text).replace("\n", "\u240a").replace("\t", " ")


def fit(text: str, width: int, right: bool = False) -> str:
    """`text`, made safe, in exactly `width` cells: cut with an ellipsis or padded."""
    text = one_line(text)
    missing = width - cell_len(text)
    if missing < 0:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    return " " * missing + text if right else text + " " * missing


def match_of(words: str, text: str, at: int, by: int) -> int | None:
    """Where `words` stand in `text`, in any case: the next place after `at`, or the one before it (`by` -1); around."""
    pattern = re.compile(re.escape(words), re.IGNORECASE)
    if by > 0:
        found = pattern.search(text, at + 1) or pattern.search(text)
        return found.start() if found else None
    places = [found.start() for found in pattern.finditer(text)]
    return next((place for place in reversed(places) if place < at), places[-1] if places else None)


def plain(line: Line) -> str:
    return "".join(text for text, _ in line)


def cells(line: Line) -> int:
    """The width of a line on the screen."""
    return sum(cell_len(text) for text, _ in line)


def joined(parts: list[Line], gap: str, width: int) -> Line:
    """As many of `parts` as fit, from the left, with `gap` between them; the first is always there."""
    line = parts[0] if parts else ()
    for part in parts[1:]:
        longer: Line = (*line, (gap, ""), *part)
        if cells(longer) > width:
            break
        line = longer
    return line


def wrapped(line: Line, width: int) -> Iterator[Line]:
    """`line` broken at spaces (or inside words that are too long) into lines of at most `width` cells."""
    line = tuple((one_line(text), tone) for text, tone in line)
    if len(line) == 1 and cells(line) == len(line[0][0]):
        text, tone = line[0]
        yield from (((part, tone),) for part in _sliced(text, width))
        return
    row: list[Piece] = []
    room = width
    for text, tone in line:
        for word in _words(text, width):
            size = cell_len(word)
            if size > room and row:
                yield tuple(row)
                row, room, word = [], width, word.lstrip(" ")
                size = cell_len(word)
            row.append((word, tone))
            room -= size
    yield tuple(row)


def _sliced(text: str, width: int) -> Iterator[str]:
    """The quick way, for text of one cell a character: prompts are long."""
    while len(text) > width > 0:
        space = text.rfind(" ", 1, width + 1)
        cut = space if space > 0 else width
        yield text[:cut]
        text = text[cut:].removeprefix(" ") if space > 0 else text[cut:]
    yield text


def _words(text: str, width: int) -> Iterator[str]:
    """Words with the spaces before them; none is wider than `width` cells."""
    for word in re.findall(r" *[^ ]+| +$", text):
        while cell_len(word) > width > 0:
            cut = prefix(word, width)
            yield word[:cut]
            word = word[cut:]
        yield word


def prefix(word: str, width: int) -> int:
    """How many characters of `word` fill at most `width` cells; at least one."""
    if word.isascii():
        return width
    taken = 0
    for count, char in enumerate(word):
        taken += cell_len(char)
        if taken > width:
            return max(1, count)
    return len(word)
