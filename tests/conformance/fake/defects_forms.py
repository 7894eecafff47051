"""What can be wrong with text beyond ASCII, forced JSON, reasoning and sampling, each with its check."""

from __future__ import annotations

import json
from typing import Any

from .brain import Json
from .hooks import (
    CRASH,
    body,
    deltas,
    dropping,
    edited,
    first_choice,
    instead,
    on,
    on_error,
    refusing,
    setting,
    text_of,
)
from .server import Asked, Defect


def content(change: Any) -> Any:
    """Alter the text of a whole answer."""
    return first_choice(lambda c: c["message"].update(content=change(c["message"]["content"] or "")))


def latin(text: str) -> str:
    return text.encode().decode("latin-1")


def unjoined(text: str) -> str:
    return text.replace("\u200d", "")


def halves(asked: Asked, parts: list[Json]) -> list[Json]:
    """Emoji leave as two surrogates, one after the other; put together they are whole."""
    sent = []
    for part in parts:
        text = part["choices"][0]["delta"].get("content") if part["choices"] else None
        for unit in _units(text) if text else (None,):
            copy = json.loads(json.dumps(part))
            if unit is not None:
                copy["choices"][0]["delta"]["content"] = unit
            sent.append(copy)
    return sent


def _units(text: str) -> list[str]:
    raw = text.encode("utf-16-be")
    return [raw[at : at + 2].decode("utf-16-be", "surrogatepass") for at in range(0, len(raw), 2)]


def bytes_counted(asked: Asked, answer: Json) -> Any:
    """An escape counts as the six characters it is written in."""
    return edited(lambda a: a["usage"].update(prompt_tokens=int(asked.headers["content-length"])))(asked, answer)


UNICODE = (
    Defect("mojibake", "unicode.echo", completion=content(latin)),
    Defect("joiners-lost", "unicode.echo", completion=content(unjoined)),
    Defect("question-marks", "unicode.echo", completion=content(lambda t: t.encode("ascii", "replace").decode())),
    Defect("half-emoji", "unicode.stream", chunks=halves),
    Defect(
        "lost-in-stream",
        "unicode.stream",
        chunks=deltas(lambda at, d: d.update(content=d.get("content", "").replace("🦜", "\ufffd"))),
    ),
    Defect("escapes-read-raw", "unicode.escapes", completion=bytes_counted),
    Defect(
        "surrogate-crash",
        "unicode.broken-request",
        reply=on(lambda a: "\ud83d" in text_of(body(a)), instead(CRASH)),
    ),
    Defect("nul-crash", "unicode.broken-request", reply=on(lambda a: "\0" in text_of(body(a)), instead(CRASH))),
    Defect("not-utf-8-crash", "unicode.broken-request", reply=on(lambda a: a.malformed, instead(CRASH))),
)


def form_of(asked: Asked) -> str:
    return str((body(asked).get("response_format") or {}).get("type", ""))


def schema_of(asked: Asked) -> Json:
    found: Json = (body(asked).get("response_format") or {}).get("json_schema", {}).get("schema", {})
    return found


def within(kind: str) -> Any:
    return lambda asked: form_of(asked) == kind


def rewritten(change: Any) -> Any:
    """Alter the object in the text of a whole answer with a schema."""

    def edit(text: str) -> str:
        value = json.loads(text)
        change(value)
        return json.dumps(value)

    return on(within("json_schema"), content(edit))


def without_keyword(name: str) -> Any:
    """The schema is read as if this keyword was not there."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(below) for key, below in value.items() if key != name}
        return [strip(below) for below in value] if isinstance(value, list) else value

    return lambda asked, request: strip(request)


def endless(choice: Json) -> None:
    choice["finish_reason"] = "length"
    choice["message"]["content"] += "\n" * 60


def lenient(asked: Asked, request: Any) -> Any:
    """A form that is none is read as no form at all."""
    form = request.get("response_format") if isinstance(request, dict) else None
    known = form is None or form["type"] == "json_object" or isinstance(form.get("json_schema", {}).get("schema"), dict)
    return request if known else {**request, "response_format": None}


def late_form(asked: Asked, request: Any) -> Any:
    """No form for streams."""
    return {**request, "response_format": None} if isinstance(request, dict) and request.get("stream") else request


def obliging(asked: Asked, answer: Json) -> Any:
    """A model that answers in JSON wherever the prompt has the word, though nobody holds it to that."""
    return content(lambda t: '{"hello": "you"}' if "JSON" in text_of(body(asked)) else t)(asked, answer)


STRUCTURED = (
    Defect("object-ignored", "structured.json-object", request=dropping("response_format")),
    Defect("object-by-chance", "structured.json-object", request=dropping("response_format"), completion=obliging),
    Defect(
        "object-fenced",
        "structured.json-object",
        completion=on(within("json_object"), content(lambda t: f"```json\n{t}\n```")),
    ),
    Defect("object-array", "structured.json-object", completion=on(within("json_object"), content(lambda t: f"[{t}]"))),
    Defect("schema-ignored", "structured.schema", request=dropping("response_format")),
    Defect("schema-as-object", "structured.schema", request=setting(response_format={"type": "json_object"})),
    Defect("schema-extras", "structured.schema", completion=rewritten(lambda v: v.update(thoughts="none"))),
    Defect("schema-lacking", "structured.schema", completion=rewritten(lambda v: v.pop("over"))),
    Defect("schema-strings", "structured.schema", completion=rewritten(lambda v: v.update(force="5"))),
    Defect("never-ends", "structured.ends", completion=on(within("json_schema"), first_choice(endless))),
    Defect("trailing-blanks", "structured.ends", completion=on(within("json_schema"), content(lambda t: t + " " * 40))),
    Defect("bad-form-passed-over", "structured.bad-schema", request=lenient),
    Defect(
        "bad-schema-crash",
        "structured.bad-schema",
        reply=on(lambda a: schema_of(a) == {"type": "conformance"}, instead(CRASH)),
    ),
    Defect("bad-form-unnamed", "structured.bad-schema-param", reply=on_error(lambda e: e.update(param="body"))),
    Defect("stream-unformed", "structured.stream", request=late_form),
    Defect("stream-cut-short", "structured.stream", chunks=lambda asked, parts: [*parts[:1], *parts[2:]]),
    Defect("sdk-schema-refused", "structured.parse", request=refusing(lambda r: "'title'" in str(r))),
    Defect("sdk-schema-lost", "structured.parse", completion=rewritten(lambda v: v.update(kind="fog"))),
    Defect("not-unheard", "structured.keywords", request=without_keyword("not")),
    Defect("pattern-unheard", "structured.keywords", request=without_keyword("pattern")),
    Defect("minimum-unheard", "structured.keywords", request=without_keyword("minimum")),
)

FORMS = UNICODE + STRUCTURED
