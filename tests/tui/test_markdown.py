"""Markdown as lines: what is meant can be seen, it fits, and it is the same however it grew."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxtui.tui.markdown import Growing
from mlxtui.tui.text import Line, cells, plain

WHOLE = """\
# Title with *stress*

Some **bold**, `code`, ~~gone~~ and [a name](http://a.example/b), <https://c.example>.
The next line stays one.

* one
  * two, which is long enough that it does not fit on one line
    1. deep
* three

7. seven

8. eight
   ```python
   def f(x):
       return x
   ```

> quoted
>> twice

| a | b |
|---|---|
| 1 | **two** |
| a cell of many words | 日本語日本語日本語日本語 |

---
![a fox](fox.png) <b>html</b>
"""


def lines(text: str, width: int = 44) -> list[Line]:
    return Growing().lines(text, width)


def drawn(text: str, width: int = 44) -> str:
    return "\n".join(plain(line).rstrip() for line in lines(text, width))


def test_everything_has_its_look() -> None:
    assert drawn(WHOLE) == (
        "# Title with stress\n\n"
        "Some bold, code, gone and a name\n"
        "<http://a.example/b>, https://c.example.\n"
        "The next line stays one.\n\n"
        "• one\n"
        "  ◦ two, which is long enough that it does\n"
        "    not fit on one line\n"
        "    1. deep\n"
        "• three\n\n"
        "7. seven\n\n"
        "8. eight\n\n"
        "   ┌ python\n"
        "   │ def f(x):\n"
        "   │     return x\n\n"
        "▌ quoted\n"
        "▌\n"
        "▌ ▌ twice\n\n"
        "a                     b\n"
        "────────────────────  ──────────────────────\n"
        "1                     two\n"
        "a cell of many words  日本語日本語日本語日 …\n\n"
        "────────────────────────────────────────────\n\n"
        "[image: a fox] <b>html</b>"
    )


def test_tones() -> None:
    [line] = lines("a **b** *c* `d`")
    toned = [(text.strip(), tone) for text, tone in line if text.strip()]
    assert toned == [("a", ""), ("b", "bold"), ("c", "em"), ("d", "accent")]


def test_code_keeps_its_spaces_and_is_cut_not_wrapped() -> None:
    assert drawn("```\n  a  b\tc\n" + "x" * 30 + "\n```", 20) == "│   a  b  c\n│ " + "x" * 18 + "\n│ " + "x" * 12


@pytest.mark.parametrize("width", [1, 9, 24, 60])
def test_growing_by_a_character_ends_where_the_whole_does(width: int) -> None:
    grown = Growing()
    for end in range(len(WHOLE) + 1):
        grown.lines(WHOLE[:end], width)
    assert grown.lines(WHOLE, width) == lines(WHOLE, width)
    assert grown.lines("something else", width) == lines("something else", width)


PARTS = [
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "# ",
    "* ",
    "1. ",
    "> ",
    "```",
    "| a | b |\n|---|---|\n",
    "    ",
    "**",
    "`",
    "[x](y)",
]
PARTS += ["word ", "日本", "[/foo]", "\x1b[2J", "\x00", "\u202e", "---", "<b>", "&amp;", "\\", "===", "\t", "- "]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PARTS), max_size=30), st.integers(8, 50))
def test_no_text_breaks_it_or_the_screen(parts: list[str], width: int) -> None:
    grown = Growing()
    for end in range(len(parts) + 1):
        for line in grown.lines("".join(parts[:end]), width):
            assert "\n" not in plain(line)
    for line in lines("".join(["word ", *parts]), 50):
        assert cells(line) <= 50


@pytest.mark.parametrize("code", ["x" * 1_000, "a  b" * 300, "日本語 x" * 200, "é" * 500])
def test_a_long_line_of_code_is_cut_and_stays_whole(code: str) -> None:
    lines = Growing().lines(f"```\n{code}\n```\n", 40)
    assert all(cells(line) <= 40 for line in lines)
    assert "".join(plain(line).removeprefix("│ ") for line in lines) == code
