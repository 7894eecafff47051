"""Two recorded requests or responses side by side: equal or not, and where they differ, as lines for a person.

What differs on every run (ids, times, fingerprints, lengths) is made equal first. Pure: values in, text out.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mlxtui.recorded import RecordedEvent, RecordedExchange, RecordedRequest, RecordedResponse

VOLATILE_HEADERS = frozenset({"date", "server", "x-request-id", "content-length", "connection", "transfer-encoding"})
TIMES = frozenset({"created", "created_at", "completed_at", "expires_at"})
_ID = re.compile(r"(chatcmpl|cmpl|resp|msg|fc|rs|call|conv|item)[-_][0-9A-Za-z+]{6,}")


def normal(value: Any, ids: dict[str, str] | None = None) -> Any:
    """`value` with times zeroed and each id replaced by its kind and the number of its first appearance in `ids`."""
    ids = {} if ids is None else ids
    match value:
        case str():
            return _ID.sub(lambda found: _numbered(found, ids), value)
        case list() | tuple():
            return [normal(child, ids) for child in value]
        case dict():
            return {key: _field(key, child, ids) for key, child in value.items()}
    return value


def _field(key: str, value: Any, ids: dict[str, str]) -> Any:
    if key in TIMES and isinstance(value, int | float):
        return 0
    return "" if key == "system_fingerprint" else normal(value, ids)


def _numbered(found: re.Match[str], ids: dict[str, str]) -> str:
    kind = found[1]
    fresh = f"{kind}#{1 + sum(name.startswith(kind + '#') for name in ids.values())}"
    return ids.setdefault(found[0], fresh)


def same_ids(recorded: RecordedResponse, actual: RecordedResponse) -> dict[str, str]:
    """Which id of the recorded answer is which of today's: they come in the same order."""
    before, now = (dict.fromkeys(found[0] for found in _ID.finditer(_whole(r))) for r in (recorded, actual))
    return dict(zip(before, now, strict=False))


def with_ids(text: str, ids: Mapping[str, str]) -> str:
    """The text of a later request, with today's ids in place of the recorded ones."""
    return _ID.sub(lambda found: ids.get(found[0], found[0]), text)


def _whole(response: RecordedResponse) -> str:
    if response.events is None:
        return response.body.decode("utf-8", "replace")
    return "\n".join(sent.data if isinstance(sent.data, str) else _compact(sent.data) for sent in response.events)


def request_key(method: str, path: str, body: bytes) -> str:
    """Equal for requests that ask the same; a null on the first level of a JSON body is nothing."""
    return "\n".join(_request_lines(RecordedRequest(method, path, (), body)))


def response_lines(response: RecordedResponse) -> list[str]:
    """The response without what differs on every run: status, headers, then the body or an event a line."""
    headers = [f"{name}: {value}" for name, value in sorted(response.headers) if name not in VOLATILE_HEADERS]
    lines = [f"status {response.status}", *headers]
    if response.events is None:
        return [*lines, *_body_lines(normal(_parsed(response.body)))]
    ids: dict[str, str] = {}
    for sent in sorted(response.events, key=_choice):
        kind = f"event {sent.event}: " if sent.event else "data: "
        lines.append(kind + (sent.data if isinstance(sent.data, str) else _compact(normal(sent.data, ids))))
    return lines


def _choice(sent: RecordedEvent) -> float:
    """Chunks of several choices come in the order of chance; within one choice, and after all of them, in theirs."""
    match sent.data:
        case {"choices": [{"index": int(index)}]}:
            return index
    return float("inf")


def response_diff(recorded: RecordedResponse, actual: RecordedResponse) -> list[str]:
    """Lines of a diff, none when they are equal; of an answer that its client left only what it saw is compared."""
    if recorded.status is None or (recorded.cancelled and recorded.events is None):
        return []
    expected, got = response_lines(recorded), response_lines(actual)
    if recorded.cancelled:
        got = got[: len(expected)]
    return _diff(expected, got, "recorded", "now")


def nearest(
    request: RecordedRequest, exchanges: Iterable[RecordedExchange]
) -> tuple[RecordedExchange, list[str]] | None:
    """The recorded exchange whose request is most like this one, and how they differ; None if there are none."""
    asked = _request_lines(request)
    scored = [
        (difflib.SequenceMatcher(None, lines, asked, autojunk=False).ratio(), -number, exchange, lines)
        for number, exchange in enumerate(exchanges)
        if (lines := _request_lines(exchange.request))
    ]
    if not scored:
        return None
    _, _, best, lines = max(scored, key=lambda entry: entry[:2])
    return best, _diff(lines, asked, "recorded", "asked")


def _request_lines(request: RecordedRequest) -> list[str]:
    body = normal(_parsed(request.body))
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if value is not None}
    return [f"{request.method} {request.path.rstrip('/')}", *_body_lines(body, sort=True)]


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")


def _body_lines(body: Any, *, sort: bool = False) -> list[str]:
    if isinstance(body, str):
        return body.splitlines()
    return json.dumps(body, indent=2, ensure_ascii=False, sort_keys=sort).splitlines()


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _diff(before: list[str], after: list[str], name: str, other: str) -> list[str]:
    return list(difflib.unified_diff(before, after, name, other, lineterm="", n=2))
