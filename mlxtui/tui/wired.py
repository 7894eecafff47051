"""What went over the wire as lines to read: the request with its headers and JSON, the answer as it was sent. Pure.

GET /mlxtui/requests/{id} and /wire come in, Lines go out. Bounded, and what is left out is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mlxtui.tui.figures import size
from mlxtui.tui.text import Line, Piece
from mlxtui.tui.transcript import text_lines

MOST = 200_000
"""Characters of one body that are shown: nobody reads more of it here, and all of it has to be wrapped."""
MARGIN = 9
"""Cells left of an answer's events, where their times stand."""
OUR_OWN = ("remote-addr",)
"""Headers that nobody sent: the server's framework adds them."""


def sent_lines(told: Mapping[str, Any], wire: Mapping[str, Any], trouble: str | None) -> list[Line]:
    """The request."""
    request = wire.get("request") or {}
    if not request:
        return [((trouble or "…", "dim"),)]
    lines: list[Line] = [(("POST ", "bold"), (str(request.get("path")), "bold"))]
    lines += _headers(request.get("headers") or ())
    if (unread := request.get("unread")) is not None:
        return [*lines, (("no JSON object; as it came:", "bad"),), (), *_bounded(str(unread))]
    return [*lines, *_bounded(json.dumps(told.get("request"), ensure_ascii=False, indent=2))]


def answer_sent_lines(wire: Mapping[str, Any], live: bool, trouble: str | None) -> list[Line]:
    """The answer: events each with the time it was sent at, seconds after the request came."""
    response = wire.get("response") or {}
    if not response.get("status"):
        return [((trouble or ("nothing has been sent yet…" if live else "nothing was sent"), "dim"),)]
    headers = response.get("headers") or ()
    lines: list[Line] = [((f"HTTP/1.1 {response['status']}", "bold"),), *_headers(headers)]
    streams = str(dict(headers).get("content-type", "")).startswith("text/event-stream")
    chunks = response.get("chunks") or []
    lines += [*_events(chunks, response)] if streams else _whole(chunks)
    return [*lines, *_end(response, live)]


def _headers(headers: Sequence[Sequence[str]]) -> list[Line]:
    shown = sorted(((n, v) for n, v in headers if n not in OUR_OWN), key=lambda header: header[0].startswith("x-"))
    return [
        *(((f"{name}: ", "dim"), (str(value), "dim" if name.startswith("x-") else "")) for name, value in shown),
        (),
    ]


def _whole(chunks: Sequence[Sequence[Any]]) -> list[Line]:
    text = "".join(str(chunk[2]) for chunk in chunks)
    with suppress(ValueError):  # cut, or no JSON: as it was sent
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    return _bounded(text)


def _events(chunks: Sequence[Sequence[Any]], response: Mapping[str, Any]) -> Iterator[Line]:
    expected = room = 0
    for number, t, text in chunks:
        if number > expected:
            yield (
                (" " * MARGIN, ""),
                (f"… {number - expected} writes are not kept …", "warn"),
            )
        expected, at = number + 1, f"{t:7.3f}  "
        for line in str(text).rstrip("\n").split("\n"):
            if line:
                yield ((at, "dim"), *_field(line))
                at = " " * MARGIN
        room += len(text)
        if room > MOST:
            yield (
                (" " * MARGIN, ""),
                (f"… cut here: {size(response['bytes'])} were sent …", "warn"),
            )
            return


def _field(line: str) -> tuple[Piece, ...]:
    name, colon, value = line.partition(":")
    return ((line, "dim"),) if not name else ((name + colon, "prefill"), (value, ""))


def _bounded(text: str) -> list[Line]:
    cut: list[Line] = [((f"… {size(len(text) - MOST)} more", "warn"),)] if len(text) > MOST else []
    return [*text_lines(text[:MOST]), *cut]


def _end(response: Mapping[str, Any], live: bool) -> list[Line]:
    """How it ended, where that is not plain to see."""
    left_out = response.get("left_out") or 0
    lines: list[Line] = [((f"{size(left_out)} in the middle are not kept", "warn"),)] if left_out else []
    if not response.get("complete") and not live:
        lines.append((("the connection ended here, before the answer did", "bad"),))
    return [(), *lines] if lines else []
