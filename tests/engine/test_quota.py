"""Who has to go: what agents ask on the side never costs a conversation, and no conversation costs all others."""

from __future__ import annotations

import random

import pytest

from mlxtui.engine.interface import ChatPrompt
from mlxtui.engine.wire import AskCache, CacheTold, Declined
from mlxtui.engine.worker.cache.entry import Origin, origin_of
from mlxtui.engine.worker.cache.keys import tokens_of
from mlxtui.engine.worker.cache.prefix import MAX_ENTRIES, PrefixCache
from mlxtui.engine.worker.cache.told import told
from mlxtui.engine.worker.memory import cache_budget
from mlxtui.kept import Cache
from mlxtui.types import Message, TextPrompt
from tests.engine.conftest import Models
from tests.engine.drive import Drive, prompt
from tests.engine.test_cache import BYTES, _kv, _Module, _recurrent

SYSTEM = prompt(99, 100)


def _cache(max_tokens: int) -> PrefixCache:
    return PrefixCache(_Module(), max_tokens * BYTES)


def _ask(cache: PrefixCache, root: str, tokens: list[int], key: str = "") -> int:
    """One request from fetch to store; returns how much of it was found."""
    found = cache.fetch(tokens[:-1], Origin(root, key=key))
    cache.store(tokens, _kv(len(tokens)), Origin(root, key=key))
    return found.length


@pytest.mark.parametrize("shared", [SYSTEM, []], ids=["same system prompt", "nothing in common"])
def test_side_calls_never_cost_a_conversation(shared: list[int]) -> None:
    """Far more of them than fit, between all turns, also before any conversation has come back."""
    cache = _cache(max_tokens=5000)
    talks = {f"talk{n}": [*shared, *prompt(n, 400)] for n in range(4)}
    sides = iter(range(1000, 10_000))
    for turn in range(6):
        for root, tokens in talks.items():
            assert _ask(cache, root, tokens) >= (len(tokens) - 60 if turn else 0)
            tokens += prompt(turn, 60)
            for number in [next(sides) for _ in range(8)]:
                _ask(cache, f"side{number}", [*shared, *prompt(number, 40)])
    assert set(cache.evicted) == {"passing"}
    assert cache.nbytes <= cache.max_bytes


def test_countless_tiny_side_calls_do_not_either() -> None:
    cache = _cache(max_tokens=1_000_000)
    talk = prompt(1, 400)
    for _ in range(2):
        _ask(cache, "talk", talk)
    for number in range(2 * MAX_ENTRIES):
        _ask(cache, f"side{number}", prompt(1000 + number, 20))
    assert _ask(cache, "talk", [*talk, 1, 2, 3]) == len(talk)
    assert len(cache) <= MAX_ENTRIES


def test_conversations_go_in_the_order_of_their_last_use() -> None:
    cache = _cache(max_tokens=1000)
    talks = {root: prompt(n, 300) for n, root in enumerate("abc")}
    for root in "abcab":
        _ask(cache, root, talks[root])
    _ask(cache, "d", prompt(7, 300))
    assert [_found(cache, talks[root]) for root in "abc"] == [300, 300, 0]
    assert cache.evicted == {"budget": 1}


def test_a_conversation_over_its_quota_loses_its_own_branches() -> None:
    cache = _cache(max_tokens=1000)
    other, stem = prompt(1, 200), prompt(2, 100)
    _ask(cache, "other", other)
    for branch in range(9):
        _ask(cache, "greedy", [*stem, *prompt(10 + branch, 50)])
    assert _found(cache, other) == 200
    assert set(cache.evicted) == {"quota"}
    assert _found(cache, [*stem, *prompt(18, 50)]) == 150


def test_what_a_later_turn_holds_nearly_all_of_goes_first() -> None:
    """Answers come back in another form than they were generated in: the old turn's entry is a branch, but no use."""
    cache = _cache(max_tokens=1000)
    stem, other = prompt(2, 300), prompt(1, 250)
    _ask(cache, "other", other)
    _ask(cache, "talk", [*stem, *prompt(3, 40)])
    _ask(cache, "talk", [*stem, *prompt(4, 90)])
    _ask(cache, "new", prompt(5, 250))
    assert cache.evicted == {"outgrown": 1}
    assert _found(cache, other) == 250
    assert _found(cache, [*stem, *prompt(4, 90)]) == 390


def test_one_long_conversation_may_fill_the_budget() -> None:
    cache = _cache(max_tokens=1000)
    talk = prompt(1, 700)
    _ask(cache, "talk", talk)
    _ask(cache, "other", prompt(2, 100))
    assert _ask(cache, "talk", [*talk, *prompt(3, 100)]) == 700
    assert not cache.evicted


def test_memory_that_requests_need_is_given_whoever_holds_it() -> None:
    cache = _cache(max_tokens=1000)
    _ask(cache, "a", prompt(1, 300))
    _ask(cache, "b", prompt(2, 300))
    cache.shrink(0)
    assert (len(cache), cache.nbytes, cache.evicted) == (0, 0, {"memory": 2})


def test_the_accounts_hold_whatever_comes() -> None:
    """Any order of requests: what is counted is what is there, within the budget, and what is found is right."""
    draw = random.Random(4)
    cache = _cache(max_tokens=900)
    roots = {f"r{n}": prompt(n % 3, 30) for n in range(12)}
    reasons: set[str] = set()
    for _ in range(600):
        root = draw.choice(list(roots))
        roots[root] = [*roots[root][: draw.randrange(20, 400)], *prompt(draw.randrange(50), draw.randrange(1, 40))]
        _ask(cache, root, roots[root])
        assert cache.nbytes == sum(len(entry.key) // 4 * BYTES for entry in cache.entries) <= cache.max_bytes
        assert all(len(tokens_of(entry.key)) == entry.caches[0].offset for entry in cache.entries)
        reasons |= set(cache.evicted)
    assert reasons >= {"budget", "outgrown"}


def _found(cache: PrefixCache, tokens: list[int]) -> int:
    return cache.fetch(tokens).length


def _chat(*messages: Message) -> ChatPrompt:
    return ChatPrompt(messages)


def test_turns_of_a_conversation_have_one_root() -> None:
    system, hello = Message("system", "Be brief."), Message("user", "Hello \x1b[31m\n there " + "x" * 200)
    first = origin_of("j1", _chat(system, hello))
    later = origin_of("j2", _chat(system, hello, Message("assistant", "Hi"), Message("user", "Bye")))
    assert later.root == first.root
    assert origin_of("j3", _chat(system, Message("user", "Give it a title"))).root != first.root
    assert origin_of("j4", _chat(hello)).root != first.root
    assert first.opening.startswith("Hello ␛[31m there xxx")
    assert (len(first.opening), first.opening[-1], first.job) == (80, "…", "j1")


def test_conversations_that_a_client_calls_one_share_a_quota() -> None:
    """Each turn opens otherwise, as with the time in it: such a one pushes out its own turns, not other people's."""
    for key, left in ("k", 300), ("", 0):
        cache = _cache(max_tokens=1000)
        _ask(cache, "talk", prompt(1, 300))
        for turn in range(5):
            _ask(cache, f"turn{turn}", prompt(100 + turn, 300), key)
        assert _found(cache, prompt(1, 300)) == left


def test_a_conversation_is_outgrown_by_its_own_turns_only_whatever_its_key() -> None:
    """Clients give all their conversations one key; what those have in common is the system prompt."""
    cache = _cache(max_tokens=1000)
    _ask(cache, "oldest", prompt(1, 300))
    for talk in (2, 3):
        _ask(cache, f"talk{talk}", [*prompt(99, 170), *prompt(talk, 40)], "k")
    _ask(cache, "newest", prompt(4, 350))
    assert cache.evicted == {"budget": 1}
    assert _found(cache, prompt(1, 300)) == 0


def test_a_key_makes_conversations_a_family_and_no_key_leaves_them_apart() -> None:
    one, other = _chat(Message("user", "It is noon.")), _chat(Message("user", "It is one."))
    assert origin_of("j", one, "k").family == origin_of("j", other, "k").family != origin_of("j", one, "l").family
    assert origin_of("j", one).family != origin_of("j", other).family
    assert origin_of("j", one, "k").root == origin_of("j", one).root


def test_texts_that_begin_alike_have_one_root() -> None:
    head = "def add(a, b):\n" * 30
    assert origin_of("j", TextPrompt(head + "x")).root == origin_of("j", TextPrompt(head + "y")).root
    assert origin_of("j", TextPrompt((1, 2, 3))).root != origin_of("j", TextPrompt((1, 2, 4))).root
    assert origin_of("j", TextPrompt((1, 2, 3))).opening == ""


def test_the_budget_is_a_quarter_of_what_the_weights_leave() -> None:
    assert cache_budget(12 << 30) == 3 << 30
    assert cache_budget(-5) == 64 << 20


@pytest.mark.parametrize(("kind", "room"), [("plain", 5), ("recurrent", 11)])
def test_four_conversations_among_side_calls_all_hit(models: Models, kind: str, room: int) -> None:
    """The whole scheduler on real caches, with room for the conversations but not for all the side calls."""
    model = models(kind)
    probe = Drive(model)
    probe.run(prompt(1, 300), 1)
    drive = Drive(model, cache_bytes=probe.scheduler.cache.nbytes * room)
    talks = {f"talk{n}": prompt(n, 200) for n in range(4)}
    for turn in range(3):
        for root, tokens in talks.items():
            got = drive.run(list(tokens), 4, origin=Origin(root))
            assert got.cached >= (len(tokens) - 31 if turn else 0)
            tokens += [*got.tokens, *prompt(turn, 25)]
            for side in range(8):
                drive.run(
                    prompt(1000 * turn + 10 * len(tokens) + side, 24), 2, origin=Origin(f"side{side}{turn}{root}")
                )
    assert drive.scheduler.cache.evicted["passing"]


def test_what_can_not_be_cut_keeps_its_copies_within_the_quota() -> None:
    cache = PrefixCache(_Module(), 16 * 12)
    cache.store(prompt(1, 40), _recurrent(), Origin("other"))
    for length in range(20, 40):
        cache.store(prompt(2, length), _recurrent(), Origin("talk"))
    assert cache.fetch(prompt(1, 50)).length == 40
    assert cache.fetch(prompt(2, 39)).length == 39


def _told(cache: PrefixCache, *asked: str) -> Cache:
    answer = told(cache, None, AskCache(7, *asked))  # type: ignore[arg-type]
    assert isinstance(answer, CacheTold)
    assert answer.ticket == 7
    return answer.cache


def test_a_pinned_entry_goes_last_and_keeps_its_pin_as_it_grows() -> None:
    cache = _cache(max_tokens=1000)
    talk = prompt(1, 300)
    _ask(cache, "talk", talk)
    entry = _told(cache).entries[0]
    assert _told(cache, "pin", entry.id).entries[0].pinned
    talk += prompt(2, 50)
    _ask(cache, "talk", talk)
    for number in range(9):
        _ask(cache, f"other{number}", prompt(10 + number, 300))
    assert _found(cache, talk) == 350
    assert [kept.pinned for kept in _told(cache).entries if kept.id == entry.id] == [True]
    cache.shrink(0)
    assert (len(cache), _told(cache).recent[0].id) == (0, entry.id)


def test_what_is_told_of_the_cache() -> None:
    cache = _cache(max_tokens=1000)
    cache.store(prompt(1, 100), _kv(100), Origin("r00t", "Hello", "job1"))
    _ask(cache, "other", prompt(2, 50))
    now = _told(cache)
    assert (now.budget, now.nbytes) == (1000 * BYTES, 150 * BYTES)
    newest, oldest = now.entries
    assert (oldest.tokens, oldest.nbytes, oldest.root, oldest.opening, oldest.request, oldest.where) == (
        *(100, 100 * BYTES, "r00t", "Hello", "job1", "memory"),
    )
    left = _told(cache, "drop", newest.id)
    assert ([kept.id for kept in left.entries], left.evicted) == ([oldest.id], {"dropped": 1})
    assert (left.recent[0].id, left.recent[0].reason) == (newest.id, "dropped")
    assert isinstance(told(cache, None, AskCache(1, "drop", newest.id)), Declined)
