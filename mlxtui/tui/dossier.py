"""One request with all that is known of it as a document: JSON for programs, Markdown for people. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlxtui.row import Row
from mlxtui.state import flat
from mlxtui.text import safe_text
from mlxtui.tui.figures import count, duration, percent, rate
from mlxtui.tui.inspected import Inspected
from mlxtui.tui.parted import notes
from mlxtui.tui.spelled import Spelled
from mlxtui.tui.text import one_line, plain
from mlxtui.tui.transcript import answer_lines, message_lines
from mlxtui.tui.wired import answer_sent_lines, sent_lines


def request_json(known: Inspected, row: Row | None) -> str:
    """What the server told, as it told it."""
    told = {**known.body, "prompt": known.prompt_told, "raw": known.raw_told, "wire": known.wire}
    told |= {"figures": flat(row) if row is not None else None, "missing": known.trouble}
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def request_markdown(known: Inspected, row: Row | None, now: float) -> str:
    return "\n".join(_document(known, row, now)) + "\n"


def _document(known: Inspected, row: Row | None, now: float) -> Iterator[str]:
    yield f"# Request {one_line(known.request)}\n"
    if row is not None:
        yield from _figures(row, now)
    yield from _table("Sampling in force", known.body.get("in_force"))
    body = known.body.get("request")
    yield from _section("Messages", _text(message_lines(body if isinstance(body, dict) else {})))
    yield from _prompt(known)
    error = row.error if row is not None else None
    yield from _section("Output", _text(answer_lines(known.answer, error, known.live)))
    if known.raw.texts:
        yield from _section(f"Raw output, {count(known.raw.tokens)} tokens", "".join(known.raw.texts))
    yield from _section("Wire: the request", _text(sent_lines(known.body, known.wire, known.trouble.get("wire"))))
    answered = answer_sent_lines(known.wire, known.live, known.trouble.get("wire"))
    yield from _section("Wire: the answer", _text(answered))


def _figures(row: Row, now: float) -> Iterator[str]:
    queue, prefill, decode = row.phases(now)
    values = {
        "endpoint": row.endpoint,
        "client": row.client,
        "model": row.model,
        "state": row.outcome or row.state,
        "status": row.status or None,
        "error": row.error,
        "prompt tokens": count(row.prompt_tokens),
        "from the cache": f"{count(row.cached_tokens)} ({percent(row.cached_share())})",
        "output tokens": count(row.completion_tokens),
        "tokens a second": rate(row.rate(now)),
        "time to first token": duration(row.ttft),
        "queue, prefill, decode": ", ".join(map(duration, (queue, prefill, decode))),
    }
    yield from _rows(values)


def _table(title: str, values: Any) -> Iterator[str]:
    if isinstance(values, Mapping) and values:
        yield f"## {title}\n"
        yield from _rows(values)


def _rows(values: Mapping[str, Any]) -> Iterator[str]:
    yield "| | |\n|---|---|"
    for name, value in values.items():
        if value is not None:
            yield f"| {_cell(name)} | {_cell(value)} |"
    yield ""


def _cell(value: Any) -> str:
    return one_line(str(value)).replace("|", "\\|")


def _prompt(known: Inspected) -> Iterator[str]:
    """As the model got it, in two parts: what came from the cache, and what was computed."""
    prompt = known.prompt
    if not prompt.texts:
        yield from _section("Prompt", known.trouble.get("prompt", "was not asked for"))
        return
    told, miss = known.prompt_told, known.body.get("miss")
    cached = told.get("cached") or 0
    said = [plain(line).strip(" ━▲✂") for lines in notes(told, miss, prompt.tokens).values() for line in lines]
    yield f"## Prompt, {count(prompt.tokens)} tokens\n"
    yield from (f"* {safe_text(line)}" for line in said)
    yield ""
    if cached:
        yield from _fenced("From the cache:", _between(prompt, 0, cached))
    yield from _fenced("Computed:", _between(prompt, cached, prompt.tokens))


def _between(spelled: Spelled, start: int, end: int) -> str:
    texts = zip(spelled.texts, spelled.starts, strict=False)
    return "".join(text for text, at in texts if start <= at < end)


def _section(title: str, text: str) -> Iterator[str]:
    yield from _fenced(f"## {title}", text)


def _fenced(title: str, text: str) -> Iterator[str]:
    """In a fence that is longer than any run of backticks in the text, so that nothing in it is markup."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{title}\n\n{fence}text\n{safe_text(text)}\n{fence}\n"


def _text(lines: Any) -> str:
    return "\n".join(plain(line) for line in lines)
