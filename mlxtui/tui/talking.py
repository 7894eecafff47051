"""A conversation as lines to read: its turns, the reply that grows, what each answer cost. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mlxtui.dialogue import Conversation, Figures, Turn, unanswered
from mlxtui.tui.figures import count, duration, percent, rate
from mlxtui.tui.markdown import Growing
from mlxtui.tui.text import Line, Tone, joined, wrapped
from mlxtui.tui.transcript import text_lines
from mlxtui.types import ToolCall

WHO: dict[str, tuple[str, Tone]] = {"user": ("you", "accent"), "tool": ("tool result", "prefill")}
ENDS: dict[str, tuple[str, Tone]] = {
    "stop": ("✓ stop", "good"),
    "tool_calls": ("→ calls a tool", "prefill"),
    "length": ("✂ cut off at the token limit", "warn"),
    "stopped": ("■ stopped", "warn"),
    "failed": ("✗ failed", "bad"),
}
GAP = " · "


@dataclass(slots=True)
class Page:
    """Draws one conversation again and again; what has not changed since the last time is not laid out again."""

    _texts: dict[int, Growing] = field(default_factory=dict)

    def lines(
        self, talk: Conversation, model: str, width: int, unfolded: bool, growing: Turn | None, stage: Line
    ) -> list[Line]:
        """`growing` is the answer that is coming in; `stage` says how far it is while it says nothing itself."""
        lines: list[Line] = [*_given(talk, width)]
        for number, turn in enumerate(talk.turns):
            lines += self._turn(number, turn, model, width, unfolded)
        if growing is not None:
            lines += self._turn(len(talk.turns), growing, model, width, unfolded)
            lines[-1:] = [stage] if stage else lines[-1:]
        if calls := unanswered(talk):
            lines += _asks_for(calls[0], width)
        return lines[:-1] if lines and lines[-1] == () else lines

    def _turn(self, number: int, turn: Turn, model: str, width: int, unfolded: bool) -> Iterator[Line]:
        name, tone = WHO.get(turn.role, (model, "good"))
        yield ((f"── {name} ", tone),)
        if turn.role == "assistant":
            yield from self._answer(self._texts.setdefault(number, Growing()), turn, width, unfolded)
        else:
            yield from _rows(text_lines(turn.content), width)
        yield ()

    def _answer(self, text: Growing, turn: Turn, width: int, unfolded: bool) -> Iterator[Line]:
        if turn.reasoning:
            yield from _reasoning(turn.reasoning, width, unfolded)
        if turn.content.strip():
            yield from text.lines(turn.content, width)
        for call in turn.calls:
            yield from wrapped(((f"→ {call.name}", "bold"), (f" {call.arguments}", "")), width)
        if turn.trouble:
            yield from _rows(text_lines(turn.trouble, "bad"), width)
        if turn.ended:
            yield joined([(ENDS.get(turn.ended, (f"✓ {turn.ended}", "good")),), *_cost(turn.figures)], GAP, width)


def _given(talk: Conversation, width: int) -> Iterator[Line]:
    """What is sent with every question."""
    setup = talk.setup
    if setup.system:
        yield (("── system ", "warn"),)
        yield from _rows(text_lines(setup.system, "dim"), width)
        yield ()
    if setup.tools:
        names = ", ".join(str(tool.get("function", {}).get("name")) for tool in setup.tools)
        yield from wrapped((("tools ", "dim"), (names, "")), width)
        yield ()


def _rows(lines: Sequence[Line], width: int) -> Iterator[Line]:
    for line in lines:
        yield from wrapped(line, width)


def _reasoning(text: str, width: int, unfolded: bool) -> Iterator[Line]:
    words = len(text.split())
    if not unfolded:
        yield ((f"▸ reasoning, {words} word{'s' if words != 1 else ''}", "head"), ("  u unfolds", "dim"))
        return
    yield (("▾ reasoning", "head"),)
    for line in _rows(text_lines(text.strip("\n"), "dim"), width - 2):
        yield (("  ", ""), *line)


def _cost(figures: Figures) -> Iterator[Line]:
    if figures.out is not None:
        yield ((count(figures.out), ""), (" tokens", "dim"))
    if figures.ttft is not None:
        yield (("TTFT ", "dim"), (duration(figures.ttft), ""))
    if figures.rate is not None:
        yield ((rate(figures.rate), "decode"), (" tok/s", "dim"))
    if figures.prompt:
        share = figures.cached_share
        cached = ((f" ({percent(share)} cached)", "dim"),) if share is not None else ()
        yield (("prompt ", "dim"), (count(figures.prompt), ""), *cached)


def _asks_for(call: ToolCall, width: int) -> Iterator[Line]:
    yield from wrapped((("type what ", "dim"), (call.name, "bold"), (" gives back, as text or JSON", "dim")), width)
