"""The list of all checks, and the ones that patterns select. The one place that names the areas.

Knows nothing of targets or results.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .areas import (
    agents,
    calls,
    chat,
    concurrency,
    discovery,
    errors,
    limits,
    queues,
    reasoning,
    responses,
    responses_kept,
    responses_stream,
    responses_tools,
    responses_wire,
    sampling,
    state,
    streaming,
    structured,
    tools,
    unicode,
    usage,
)
from .check import Check

# In the order in which a report is read: what is there, what works, what breaks.
AREAS: tuple[tuple[str, tuple[Check, ...]], ...] = (
    ("Discovery", discovery.CHECKS),
    ("Chat", chat.CHECKS),
    ("Chat streaming", streaming.CHECKS),
    ("Stop strings and limits", limits.CHECKS),
    ("Unicode", unicode.CHECKS),
    ("Structured output", structured.CHECKS),
    ("Reasoning", reasoning.CHECKS),
    ("Sampling and log probabilities", sampling.CHECKS),
    ("Tools", tools.CHECKS + calls.CHECKS),
    ("Responses", responses.CHECKS + responses_tools.CHECKS),
    ("Responses streaming", responses_wire.CHECKS + responses_stream.CHECKS),
    ("State", state.CHECKS + responses_kept.CHECKS),
    ("Agents", agents.CHECKS),
    ("Usage and cache", usage.CHECKS),
    ("Concurrency", concurrency.CHECKS + queues.CHECKS),
    ("Errors", errors.CHECKS),
)
CHECKS: tuple[Check, ...] = tuple(check for _, checks in AREAS for check in checks)


@dataclass(frozen=True, slots=True)
class Profile:
    """A selection for one kind of user; `patterns` as in --select."""

    meaning: str
    patterns: tuple[str, ...]


PROFILES = {
    "all": Profile("everything", ("*",)),
    "chat": Profile(
        "chat completions and what belongs to them",
        (
            *("models", "discovery", "chat", "limits", "unicode", "structured", "reasoning", "sampling"),
            *("tools", "usage", "errors", "concurrency"),
        ),
    ),
    "responses": Profile("the Responses API and its state", ("models", "discovery", "responses", "state")),
    "agents": Profile(
        "what coding agents and tool loops lean on, in either API",
        (
            *(
                "agents",
                "models",
                "chat.content-parts",
                "chat.unknown-fields",
                "chat.null-fields",
                "chat.stream",
                "tools",
            ),
            *(
                "limits.context*",
                "limits.max-*",
                "limits.default-max",
                "structured",
                "reasoning.history",
                "responses",
                "state",
            ),
            *(
                "usage.cached",
                "usage.cache-reused",
                "chat.late-system",
                "errors.healthy-after",
                "errors.mid-stream",
                "concurrency.disconnect-frees",
            ),
        ),
    ),
}


class NoSuchCheck(Exception):
    """A pattern that matches no check: a typo must not look like a clean run."""


def matches(check: Check, pattern: str) -> bool:
    """An id, the start of one up to a dot, a level, or a glob over ids."""
    whole = check.id == pattern or check.id.startswith(f"{pattern}.")
    return whole or check.level == pattern or fnmatchcase(check.id, pattern)


def chosen(select: Iterable[str], skip: Iterable[str], profile: str = "all") -> tuple[Check, ...]:
    """The checks of a profile, or those of them any `select` matches, less those any `skip` matches."""
    select, skip = tuple(select), tuple(skip)
    for pattern in (*select, *skip):
        if not any(matches(check, pattern) for check in CHECKS):
            raise NoSuchCheck(pattern)
    wanted = [c for c in CHECKS if any(matches(c, p) for p in PROFILES[profile].patterns)]
    wanted = [c for c in wanted if not select or any(matches(c, p) for p in select)]
    return tuple(c for c in wanted if not any(matches(c, p) for p in skip))
