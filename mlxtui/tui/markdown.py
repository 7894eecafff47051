"""Markdown as lines to read: an answer comes in, as far as it has grown, wrapped and toned Lines go out.

A renderer of our own because Textual's makes a widget of every paragraph: here an answer of any length costs what is on
the screen. Nothing is fetched, followed or executed; HTML is shown as it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from mlxtui.tui.text import Line, Piece, Tone, cells, fit, one_line, prefix, wrapped

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
BULLETS = ("•", "◦", "▪")
GAP = "  "
NARROW = 8
"""Cells that the innermost text has at least, however deep it is nested."""


@dataclass(slots=True)
class Growing:
    """The lines of a text that grows at its end: only its last blocks are parsed again."""

    text: str = ""
    width: int = 0
    _done: int = 0
    _settled: list[Line] = field(default_factory=list)
    _lines: list[Line] = field(default_factory=list)

    def lines(self, text: str, width: int) -> list[Line]:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if (text, width) == (self.text, self.width):
            return self._lines
        if width != self.width or not text.startswith(self.text):
            self._done, self._settled = 0, []
        self.text, self.width = text, width
        self._settle(text[self._done : text.rfind("\n") + 1])
        rest = _nodes(text[self._done :])
        self._lines = [*_after(self._settled), *_blocks(rest, width)] if rest else self._settled
        return self._lines

    def _settle(self, whole: str) -> None:
        """Nothing changes any more before the last block of `whole` lines: a line that still grows may join any."""
        nodes = _nodes(whole)
        last = nodes[-1].map[0] if len(nodes) > 1 and nodes[-1].map else 0
        if last:
            before = "".join(row + "\n" for row in whole.split("\n")[:last])
            self._settled = [*_after(self._settled), *_blocks(_nodes(before), self.width)]
            self._done += len(before)


def _after(lines: list[Line]) -> list[Line]:
    return [*lines, ()] if lines else []


def _nodes(text: str) -> list[SyntaxTreeNode]:
    return SyntaxTreeNode(_PARSER.parse(text)).children


def _blocks(nodes: Iterable[SyntaxTreeNode], width: int, depth: int = 0, tight: bool = False) -> Iterator[Line]:
    for number, node in enumerate(nodes):
        if number and not tight:
            yield ()
        yield from _block(node, max(width, NARROW), depth)


def _block(node: SyntaxTreeNode, width: int, depth: int) -> Iterator[Line]:
    match node.type:
        case "heading":
            yield from _flowed(node, width, ((f"{node.markup if node.markup[0] == '#' else '#'} ", "dim"),), "bold")
        case "bullet_list" | "ordered_list":
            yield from _items(node, width, depth)
        case "blockquote":
            for line in _blocks(node.children, width - 2, depth):
                yield (("▌ ", "dim"), *line)
        case "fence" | "code_block":
            yield from _code(node, width)
        case "hr":
            yield (("─" * width, "dim"),)
        case "table":
            yield from _table(node, width)
        case _:
            yield from _flowed(node, width)


def _flowed(node: SyntaxTreeNode, width: int, first: Line = (), tone: Tone = "") -> Iterator[Line]:
    """The text inside a block, behind `first`."""
    pieces = [piece for child in node.children for piece in _pieces(child, tone)]
    for line in _rows([*first, *pieces]):
        yield from wrapped(line, width)


def _rows(pieces: Iterable[Piece]) -> Iterator[Line]:
    row: list[Piece] = []
    for text, tone in pieces:
        head, *more = text.split("\n")
        row.append((head, tone))
        for part in more:
            yield tuple(row)
            row = [(part, tone)]
    yield tuple(row)


def _pieces(node: SyntaxTreeNode, tone: Tone) -> Iterator[Piece]:
    match node.type:
        case "text" | "html_inline":
            yield node.content, tone
        case "softbreak" | "hardbreak":
            yield "\n", tone  # models mean the breaks they write
        case "code_inline":
            yield node.content, "accent"
        case "image":
            yield f"[image: {node.content}]", "dim"
        case "link":
            yield from _link(node, tone)
        case "s":
            yield from _inside(node, "dim")
        case "strong" | "em":
            yield from _inside(node, "bold" if node.type == "strong" else tone or "em")
        case _:
            yield from _inside(node, tone)


def _inside(node: SyntaxTreeNode, tone: Tone) -> Iterator[Piece]:
    for child in node.children:
        yield from _pieces(child, tone)


def _link(node: SyntaxTreeNode, tone: Tone) -> Iterator[Piece]:
    """What it is called, and where it leads: a name alone may lie."""
    said = [*_inside(node, tone)]
    yield from said
    target = str(node.attrs.get("href", ""))
    if "".join(text for text, _ in said) != target:
        yield f" <{target}>", "dim"


def _items(node: SyntaxTreeNode, width: int, depth: int) -> Iterator[Line]:
    start = int(node.attrs.get("start", 1))
    ordered = node.type == "ordered_list"
    tight = all(p.hidden for item in node.children for p in item.children if p.type == "paragraph")
    for number, item in enumerate(node.children):
        mark = f"{start + number}. " if ordered else f"{BULLETS[depth % len(BULLETS)]} "
        if number and not tight:
            yield ()
        for row, line in enumerate(
            _blocks(item.children, width - len(mark), depth + 1, tight) if item.children else [()]
        ):
            yield ((mark, "accent") if row == 0 else (" " * len(mark), ""), *line)


def _code(node: SyntaxTreeNode, width: int) -> Iterator[Line]:
    if language := (node.info or "").strip():
        yield (("┌ ", "dim"), (language, "dim"))
    for row in node.content.removesuffix("\n").split("\n"):
        for line in _cut(row.expandtabs(4), width - 2):
            yield (("│ ", "dim"), (line, "code"))


def _cut(row: str, width: int) -> Iterator[str]:
    """Code is cut where the line ends: its spaces mean something."""
    row = one_line(row)
    while (cut := prefix(row, width)) < len(row):
        yield row[:cut]
        row = row[cut:]
    yield row


def _table(node: SyntaxTreeNode, width: int) -> Iterator[Line]:
    """Columns as wide as their cells; if that is too wide, all of them narrower, and cells are cut."""
    rows = [[_cell(cell) for cell in row.children] for part in node.children for row in part.children]
    count = max(map(len, rows))
    wanted = [max(cells(row[index]) for row in rows if index < len(row)) for index in range(count)]
    room = width - len(GAP) * (count - 1)
    while sum(wanted) > max(room, count):
        wanted[wanted.index(max(wanted))] -= 1
    for number, row in enumerate(rows):
        padded = (piece for index, cell in enumerate(row) for piece in _padded(cell, wanted[index], number == 0))
        yield (*padded,)[:-1]
        if number == 0:
            yield ((GAP.join("─" * size for size in wanted), "dim"),)


def _cell(node: SyntaxTreeNode) -> Line:
    return tuple((one_line(text), tone) for child in node.children for text, tone in _pieces(child, ""))


def _padded(cell: Line, width: int, head: bool) -> Iterator[Piece]:
    room = width
    for text, tone in cell:
        if (size := cells(((text, tone),))) > room:
            text, size = fit(text, room), room
        room -= size
        yield text, "bold" if head else tone
    yield " " * room, ""
    yield GAP, ""
