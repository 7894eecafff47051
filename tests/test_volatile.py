"""What agents write for their maker's servers does not reach the model; everything else does, to the letter."""

from __future__ import annotations

import pytest

from mlxtui.types import Message
from mlxtui.volatile import LINES, without_volatile

HEADER = "x-anthropic-billing-header: cc_version=2.1.100.7b4; cc_entrypoint=cli; cch={}; "
RULES = "You are Claude Code.\n\nToday's date is 2026-11-20.\nIs directory a git repo: Yes\n"


def system(content: str) -> tuple[Message, ...]:
    return (Message("system", content), Message("user", "hi"))


@pytest.mark.parametrize("text", ["{header}\n{rules}", "{rules}{header}\n", "{rules}{header}", "{header}\n\n{rules}"])
def test_two_requests_that_differ_in_the_checksum_only_are_one_prompt(text: str) -> None:
    one, two = (without_volatile(system(text.format(header=HEADER.format(h), rules=RULES))) for h in ("eb6c6", "0aaa9"))
    assert one == two
    assert one[0].content.strip("\n") == RULES.strip("\n")


def test_a_message_that_is_nothing_else_stays_as_an_empty_one() -> None:
    assert without_volatile(system(HEADER.format("1"))) == system("")


@pytest.mark.parametrize("content", [RULES, f"see {HEADER}", f" {HEADER}", "x-anthropic: 1"])
def test_what_could_mean_something_stays(content: str) -> None:
    messages = system(content)
    assert all(a is b for a, b in zip(without_volatile(messages), messages, strict=True))


def test_what_people_and_models_say_stays() -> None:
    said = (Message("user", HEADER.format("1")), Message("assistant", HEADER.format("2")))
    assert without_volatile(said) == said


def test_every_line_says_whose_it_is_and_why() -> None:
    assert all(line.agent and line.why and line.starts.endswith(":") for line in LINES)
