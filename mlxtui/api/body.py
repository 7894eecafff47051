"""Bytes of a request body go in, a JSON object that is safe to pass on comes out, or the error that names the fault.

Python's json accepts NaN, infinities, lone surrogates and any depth; tokenizers, templates and pickles do not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mlxtui.errors import InvalidRequest

MAX_DEPTH = 64
_Model = TypeVar("_Model", bound=BaseModel)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`.

    Raises:
        InvalidRequest: not UTF-8, not JSON, not an object, too deep, a number that is not finite, a lone surrogate.
    """
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise InvalidRequest("the body is nested too deeply", code="json_too_deep") from error
    except ValueError as error:
        raise InvalidRequest(f"could not parse the body as JSON: {error}", code="invalid_json") from error
    if not isinstance(body, dict):
        raise InvalidRequest(f"the body must be a JSON object, not {_kind(body)}", code="invalid_json")
    if not _is_clean(body):
        _inspect(body)
    return body


def validate(model: type[_Model], body: dict[str, Any]) -> _Model:
    """`body` as `model`; null means "not given".

    Raises:
        InvalidRequest: names the first field that does not fit, and what would.
    """
    try:
        return model.model_validate({key: value for key, value in body.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        param = param_path(first["loc"])
        if first["type"] == "missing":
            raise InvalidRequest(
                f"missing required parameter: '{param}'", param=param, code="missing_required_parameter"
            ) from error
        named = first["type"] == "model_type"  # whose sentence names a class of ours
        message = "must be an object" if named else first["msg"].removeprefix("Value error, ")
        code = "unsupported_content" if first["type"] == "unsupported_content" else None
        raise InvalidRequest(f"invalid value for '{param}': {message}", param=param, code=code) from error


def param_path(loc: tuple[int | str, ...]) -> str:
    """A pydantic location as OpenAI writes it: ("messages", 0, "role") is messages[0].role."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and part[0].islower():
            path += f".{part}" if path else part
    return path


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is out of range")
    return value


def _is_clean(body: dict[str, Any]) -> bool:
    """Whether `_inspect` has nothing to find: a body of millions of values must not hold up everybody else."""
    try:
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError):
        return False
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        children = (value.values() if isinstance(value, dict) else value for value in level)
        level = [child for values in children for child in values if isinstance(child, dict | list)]
    return not level


def _inspect(body: dict[str, Any]) -> None:
    """Raises:
    InvalidRequest: names the field that is too deep, or that holds half a surrogate pair.
    """
    stack: list[tuple[tuple[int | str, ...], Any]] = [((), body)]
    while stack:
        path, value = stack.pop()
        if len(path) > MAX_DEPTH:
            raise InvalidRequest(
                f"'{param_path(path[:1])}' is nested deeper than {MAX_DEPTH} levels",
                param=param_path(path[:1]),
                code="json_too_deep",
            )
        if isinstance(value, str):
            _check_text(value, path)
        else:
            stack.extend(((*path, key), child) for key, child in _children(value))
            if isinstance(value, dict):
                stack.extend((path, key) for key in value)


def _children(value: Any) -> Iterator[tuple[int | str, Any]]:
    if isinstance(value, dict):
        yield from ((key, child) for key, child in value.items() if isinstance(child, dict | list | str))
    elif isinstance(value, list):
        yield from ((i, child) for i, child in enumerate(value) if isinstance(child, dict | list | str))


def _check_text(text: str, path: tuple[int | str, ...]) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        param = param_path(path) or None
        where = f"'{param}'" if param else "the name of a field"
        raise InvalidRequest(f"{where} holds half a surrogate pair at character {error.start}", param=param) from error


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {list: "an array", str: "a string", bool: "a boolean"}
    return names.get(type(value), "a number")
