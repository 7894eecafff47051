"""What will be measured, in which order, and what is refused before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlxtui.bench.options import BadOption, Options, check, is_loopback, numbers
from mlxtui.bench.prompts import hello, long, mark, story
from mlxtui.bench.ready import targets
from mlxtui.bench.results import FLOOR
from mlxtui.bench.rounds import SCENARIOS, chosen, planned

HERE = Options(urls=("127.0.0.1:1", "http://localhost:2/v1"))


def test_endpoints_take_turns_in_beginning() -> None:
    """Each is the first one equally often, and all are asked one right after the other."""
    tasks = chosen(replace(HERE, clients=(1, 8), select=("throughput",)))
    steps = [(step.round, step.task.size, step.who) for step in planned(tasks, ["a", "b", "c"], 4, floor=False)]
    assert steps[:6] == [(1, 1, "a"), (1, 1, "b"), (1, 1, "c"), (1, 8, "a"), (1, 8, "b"), (1, 8, "c")]
    orders = {number: [who for n, size, who in steps if (n, size) == (number, 8)] for number in range(1, 5)}
    assert orders == {1: ["a", "b", "c"], 2: ["b", "c", "a"], 3: ["c", "a", "b"], 4: ["a", "b", "c"]}


def test_the_floor_comes_right_before_what_it_is_compared_with() -> None:
    tasks = chosen(replace(HERE, clients=(1,), select=("throughput", "followup")))
    steps = [(step.task.name, step.who) for step in planned(tasks, ["a"], 1, floor=True)]
    assert steps == [("throughput 1", FLOOR), ("throughput 1", "a"), ("followup 1", "a"), ("followup 4", "a")]


def test_everything_is_chosen_unless_something_is() -> None:
    assert {task.scenario.name for task in chosen(HERE)} == {scenario.name for scenario in SCENARIOS}
    assert [task.name for task in chosen(replace(HERE, select=("disconnect", "gap")))] == ["gap", "disconnect 32"]
    with pytest.raises(BadOption, match="'speed'; it takes throughput, rate"):
        chosen(replace(HERE, select=("speed",)))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"clients": (0, 4)}, "--clients"),
        ({"clients": ()}, "--clients"),
        ({"clients": (1000,)}, "from 1 to 256"),
        ({"rounds": 0}, "--rounds"),
        ({"tokens": 100_000}, "--tokens"),
        ({"prompt_tokens": 1}, "--prompt-tokens"),
        ({"timeout": 0.0}, "--timeout"),
        ({"models": ("a", "b", "c")}, "--model once"),
        ({"urls": ("127.0.0.1:1", "api.example.com")}, "api.example.com is not on this machine.*--yes-remote"),
    ],
)
def test_what_is_out_of_bounds_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadOption, match=words):
        check(replace(HERE, **fields))
    check(HERE)


def test_remote_load_has_to_be_asked_for() -> None:
    check(replace(HERE, urls=("api.example.com",), yes_remote=True))


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "http://[::1]:8080/v1", "https://localhost", "http://127.9.9.9/x"])
def test_this_machine(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url", ["example.com:1", "http://localhost.example.com", "http://10.0.0.1", "http://0.0.0.0:1"]
)
def test_another_machine(url: str) -> None:
    assert not is_loopback(url)


def test_client_counts() -> None:
    assert numbers("32,1, 8,1") == (1, 8, 32)
    with pytest.raises(BadOption, match="not 'many'"):
        numbers("many")


def test_endpoints_have_labels_that_tell_them_apart() -> None:
    options = replace(HERE, urls=("127.0.0.1:1", "127.0.0.1:1/v1", "localhost:2"), models=("m",), api_key="k")
    found = targets(options)
    assert [target.label for target in found] == ["127.0.0.1:1 #1", "127.0.0.1:1 #2", "localhost:2"]
    assert {(target.model, target.key) for target in found} == {("m", "k")}
    assert found[2].base == "http://localhost:2/v1"
    assert found[2].root == "http://localhost:2"


def test_prompts_share_nothing_from_the_first_character_on() -> None:
    """A cached prefix would make a cold prompt lukewarm."""
    prompts = [story("n"), story("n", 1), story("m"), hello("n.side", 1), long("n.long", 100), long("n.retry", 100)]
    opening = [prompt[0]["content"][:4] for prompt in prompts]
    assert len(set(opening)) == len(prompts)
    assert mark("n", 1) == mark("n", 1), "the nonce of an earlier run makes its prompts again"


def test_a_long_prompt_is_about_as_long_as_asked() -> None:
    text = long("n", 8000)[0]["content"]
    assert 8000 <= len(text) <= 8060
    assert long("n", 8000) == long("n", 8000)
    assert long("other", 8000)[0]["content"][20:] != text[20:]
