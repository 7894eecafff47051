"""What there is to check, as a list, and what one check means. Knows nothing of servers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TextIO

from .check import Check
from .suite import AREAS, PROFILES, NoSuchCheck, chosen


def listing(checks: Sequence[Check], out: TextIO, as_json: bool = False) -> None:
    """The checks by area, then the profiles; as JSON an object a line with all there is to know of each."""
    wanted = set(checks)
    for area, members in AREAS:
        shown = [check for check in members if check in wanted]
        if as_json:
            for check in shown:
                print(json.dumps(_facts(area, check), ensure_ascii=False), file=out)
        elif shown:
            print(area, *(_line(check) for check in shown), sep="\n  ", file=out)
    if not as_json:
        profiles = (f"{name:<10} {len(chosen((), (), name)):>3} checks: {p.meaning}" for name, p in PROFILES.items())
        print("Profiles", *profiles, sep="\n  ", file=out)
        print("† needs the model's help: without it the verdict is inconclusive", file=out)


def _line(check: Check) -> str:
    needs = "†" if check.asks_model else " "
    return f"{check.level.value:<6} {check.id:<33} {needs} {' '.join(profiles(check)):<21} {check.meaning}"


def profiles(check: Check) -> list[str]:
    """The profiles, but "all", that a check belongs to."""
    return [name for name in PROFILES if name != "all" and check in chosen((), (), name)]


def _facts(area: str, check: Check) -> dict[str, object]:
    return {
        "id": check.id,
        "area": area,
        "level": check.level.value,
        "meaning": check.meaning,
        "details": check.details,
        "clause": check.clause,
        "profiles": profiles(check),
        "asks_model": check.asks_model,
        "alone": check.alone,
    }


def explain(id: str, out: TextIO) -> None:
    """All about one check. Raises NoSuchCheck."""
    found = next(((area, check) for area, members in AREAS for check in members if check.id == id), None)
    if found is None:
        raise NoSuchCheck(id)
    area, check = found
    print(f"{check.id}  ({check.level.value})\n\n{check.meaning}", file=out)
    if check.details:
        print(f"\n{check.details}", file=out)
    print(f"\nArea: {area}\nProfiles: {', '.join(['all', *profiles(check)])}\nClause: {check.clause}", file=out)
    if check.asks_model:
        print("Needs the model's help: without it the verdict is inconclusive.", file=out)
    if check.alone:
        print("Runs by itself, after the others: it measures the server.", file=out)
