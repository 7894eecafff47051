"""Recorded sessions as files: what clients asked, what the model emitted, what the server answered, one JSON a line.

The values of `recorded` go in and come out; a line is written when it is complete and never touched again, so a
killed server leaves a valid file. Secrets of headers and queries never reach the disk. Knows no server, no engine.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mlxtui.errors import UserError
from mlxtui.recorded import (
    Header,
    Headers,
    RecordedCalls,
    RecordedEvent,
    RecordedExchange,
    RecordedFailure,
    RecordedPiece,
    RecordedRequest,
    RecordedResponse,
    RecordedRun,
    Recording,
)
from mlxtui.types import Logprob, TokenLogprob

VERSION = 1
REDACTED = "[redacted]"
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key"})
_KINDS = TypeAdapter(RecordedExchange)
_SECRET_QUERY = re.compile(r"(?i)(?<=[?&])(api[-_]?key|key|token|access_token)=[^&]*")


class Writer:
    """Appends to a new file that only its owner may read; `secrets` are blotted out wherever they stand."""

    def __init__(self, path: Path, secrets: Iterable[str] = ()) -> None:
        """Raises:
        UserError: the file is already a recording, or can't be written.
        """
        self._path = path
        self._secrets = tuple(filter(None, secrets))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
            used = path.stat().st_size > 0
        except OSError as error:
            raise UserError(f"can't record to {path}: {error.strerror}") from error
        if used:
            raise UserError(f"{path} exists already; recordings are never overwritten: choose another name")

    def header(self, header: Header) -> None:
        self._lines([{"mlxtui_recording": VERSION, **asdict(header)}])

    def exchange(self, exchange: RecordedExchange) -> None:
        self._lines(_lines(redacted(exchange)))

    def _lines(self, lines: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(self._blotted(line), ensure_ascii=False) + "\n" for line in lines)
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:  # \ud800 is JSON's escape too
            file.write(text)

    def _blotted(self, value: Any) -> Any:
        match value:
            case str():
                for secret in self._secrets:
                    value = value.replace(secret, REDACTED)
                return value
            case Mapping():
                return {key: self._blotted(child) for key, child in value.items()}
            case list() | tuple():
                return [self._blotted(child) for child in value]
        return value


def write(path: Path, recording: Recording) -> None:
    """A whole recording in place of `path`, at once or not at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)
    writer = Writer(beside)
    writer.header(recording.header)
    for exchange in recording.exchanges:
        writer.exchange(exchange)
    beside.replace(path)


def redacted(exchange: RecordedExchange) -> RecordedExchange:
    """The exchange without the credentials of its headers and query."""
    request, response = exchange.request, exchange.response
    path = _SECRET_QUERY.sub(rf"\1={REDACTED}", request.path)
    return replace(
        exchange,
        request=replace(request, path=path, headers=without_secrets(request.headers)),
        response=replace(response, headers=without_secrets(response.headers)),
    )


def without_secrets(headers: Headers) -> Headers:
    """Those that carry credentials keep only their names."""
    return tuple((name, REDACTED if name.lower() in SECRET_HEADERS else value) for name, value in headers)


def read(path: Path) -> Recording:
    """The recording in `path`.

    Raises:
        UserError: there is none, it has no readable header, or a newer version wrote it.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"can't read the recording {path}: {error.strerror}") from error
    header = _header(path, lines[0] if lines else b"")
    exchanges, parts, damage = [], dict[str, list[dict[str, Any]]](), None
    for number, line in enumerate(lines[1:], 2):
        try:
            part = json.loads(line.decode("utf-8"))
            parts.setdefault(part["id"], []).append(part)
            if part["type"] == "response":
                exchanges.append(_checked(_exchange(parts.pop(part["id"]))))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            damage = f"{path} line {number} is damaged and ends the recording: {error!r}"
            break
    exchanges.sort(key=lambda exchange: exchange.t)
    return Recording(header, tuple(exchanges), damage)


def _header(path: Path, line: bytes) -> Header:
    try:
        fields = json.loads(line.decode("utf-8"))
        version = fields.pop("mlxtui_recording")
        if version == VERSION:
            return Header(fields["created"], fields["server"], fields["model"], fields.get("note", ""))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is no recording: its first line is no header") from error
    raise UserError(f"{path} is a recording of version {version}; this mlxtui reads version {VERSION}: update it")


def _lines(exchange: RecordedExchange) -> Iterator[dict[str, Any]]:
    request, response, run = exchange.request, exchange.response, exchange.run
    yield _line(
        exchange.t, exchange.id, "request",
        method=request.method, path=request.path, headers=_pairs_out(request.headers), **_body_out(request.body),
    )  # fmt: skip
    for one in (*((run,) if run else ()), *exchange.further):
        for line in _run_lines(exchange.id, one):
            yield line | ({"choice": one.choice} if one.choice else {})
    answer: dict[str, Any] = {"status": response.status, "headers": _pairs_out(response.headers)}
    if response.cancelled:
        answer["cancelled"] = True
    if response.events is None:
        answer |= _body_out(response.body)
    else:
        answer["events"] = [[e.dt, e.event, e.data] for e in response.events]
    yield _line(exchange.ended, exchange.id, "response", **answer)


def _run_lines(id: str, run: RecordedRun) -> Iterator[dict[str, Any]]:
    if run.prompt_tokens is not None:
        counts = {"prompt_tokens": run.prompt_tokens, "cached_tokens": run.cached_tokens}
        yield _line(run.t, id, "prompt", **counts, opens_in=run.opens_in)
        pieces = [[p.dt, p.text, list(p.tokens), *([_logprobs_out(p)] if p.logprobs else ())] for p in run.pieces]
        yield _line(run.t, id, "pieces", pieces=pieces, finish=run.finish)
    for calls in run.calls:
        yield _line(run.t, id, "calls", text=calls.text, calls=list(calls.calls))
    if run.failure:
        yield _line(run.t, id, "failure", **asdict(run.failure))


def _line(t: float, id: str, type: str, **fields: Any) -> dict[str, Any]:
    return {"t": round(t, 4), "id": id, "type": type, **fields}


def _exchange(parts: list[dict[str, Any]]) -> RecordedExchange:
    kinds = {part["type"]: part for part in parts}
    asked, answered = kinds["request"], kinds["response"]
    events = answered.get("events")
    return RecordedExchange(
        id=asked["id"],
        t=float(asked["t"]),
        ended=float(answered["t"]),
        request=RecordedRequest(asked["method"], asked["path"], _pairs_in(asked["headers"]), _body_in(asked)),
        response=RecordedResponse(
            status=answered["status"],
            headers=_pairs_in(answered["headers"]),
            body=_body_in(answered),
            events=None if events is None else tuple(RecordedEvent(float(dt), event, d) for dt, event, d in events),
            cancelled=answered.get("cancelled", False),
        ),
        run=_run([part for part in parts if not part.get("choice")]),
        further=tuple(run for n in _choices(parts) if (run := _run([p for p in parts if p.get("choice") == n]))),
    )


def _choices(parts: list[dict[str, Any]]) -> list[int]:
    return sorted({part["choice"] for part in parts if part.get("choice")})


def _checked(exchange: RecordedExchange) -> RecordedExchange:
    """Raises:
    ValueError: a value does not fit its field.
    """
    try:
        return _KINDS.validate_python(asdict(exchange))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _run(parts: list[dict[str, Any]]) -> RecordedRun | None:
    told = [part for part in parts if part["type"] in ("prompt", "pieces", "calls", "failure")]
    if not told:
        return None
    run = RecordedRun(float(told[0]["t"]), choice=told[0].get("choice", 0))
    for part in told:
        match part["type"]:
            case "prompt":
                counts = part["prompt_tokens"], part["cached_tokens"]
                run = replace(run, prompt_tokens=counts[0], cached_tokens=counts[1], opens_in=part["opens_in"])
            case "pieces":
                pieces = tuple(_piece(*piece) for piece in part["pieces"])
                run = replace(run, pieces=pieces, finish=part["finish"])
            case "calls":
                run = replace(run, calls=(*run.calls, RecordedCalls(part["text"], tuple(part["calls"]))))
            case "failure":
                fields = {name: part[name] for name in RecordedFailure.__dataclass_fields__}
                run = replace(run, failure=RecordedFailure(**fields))
    return run


def _logprobs_out(piece: RecordedPiece) -> list[list[Any]]:
    """For each token itself and the likeliest: text, bytes in hexadecimal, logprob."""
    return [[[t.token, t.raw.hex(), t.logprob] for t in (lp.drawn, *lp.top)] for lp in piece.logprobs]


def _piece(dt: float, text: str, tokens: list[int], logprobs: Iterable[Any] = ()) -> RecordedPiece:
    told = ([TokenLogprob(t, bytes.fromhex(raw), float(p)) for t, raw, p in ts] for ts in logprobs)
    return RecordedPiece(float(dt), text, tuple(tokens), tuple(Logprob(drawn, tuple(top)) for drawn, *top in told))


def _pairs_out(headers: Headers) -> dict[str, str] | list[list[str]]:
    """An object where no name comes twice."""
    return dict(headers) if len(dict(headers)) == len(headers) else [list(pair) for pair in headers]


def _pairs_in(headers: dict[str, str] | list[list[str]]) -> Headers:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((str(name), str(value)) for name, value in pairs)


def _body_out(body: bytes) -> dict[str, Any]:
    """JSON as JSON, if reading it back gives the same; other text as text, other bytes in base64."""
    if not body:
        return {}
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        return {"body": value}
    except (ValueError, RecursionError):
        pass
    try:
        return {"body_text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _body_in(line: Mapping[str, Any]) -> bytes:
    if "body" in line:
        return json.dumps(line["body"], ensure_ascii=False).encode()
    if "body_text" in line:
        return str(line["body_text"]).encode()
    return base64.b64decode(line.get("body_base64", ""))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(value := dict(pairs)) != len(pairs):
        raise ValueError("a name comes twice")
    return value
