"""A request as code to run again: curl for a shell, Python with the official client. Pure.

The wire body comes in as the client sent it. A key is never written out: it is named as a variable.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from mlxtui.text import safe_text

PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}
METHODS = {"chat": "chat.completions", "completions": "completions", "responses": "responses"}


def curl(url: str, endpoint: str, body: Mapping[str, Any], with_key: bool) -> str:
    parts = [f"curl {shlex.quote(url + PATHS.get(endpoint, '/v1/' + endpoint))}", "-H 'content-type: application/json'"]
    if with_key:
        parts.append('-H "authorization: Bearer $MLXTUI_API_KEY"')
    if body.get("stream"):
        parts.append("--no-buffer")
    parts.append(f"-d {shlex.quote(_json(body))}")
    return " \\\n  ".join(parts)


def _json(body: Mapping[str, Any]) -> str:
    """Readable, but nothing in it that a terminal would obey when it is pasted."""
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return "".join(char if safe_text(char) == char else f"\\u{ord(char):04x}" for char in text)


def python(url: str, endpoint: str, body: Mapping[str, Any], with_key: bool) -> str:
    key = 'os.environ["MLXTUI_API_KEY"]' if with_key else '"unused"'
    method = METHODS.get(endpoint)
    lines = ["import os", ""] if with_key else []
    lines += ["from openai import OpenAI", "", f"client = OpenAI(base_url={url + '/v1'!r}, api_key={key})"]
    if method is None:
        path = PATHS.get(endpoint, f"/v1/{endpoint}").removeprefix("/v1")
        lines += [f"print(client.post({path!r}, cast_to=object, body={body!r}))"]
        return "\n".join(lines)
    lines += [f"answer = client.{method}.create("]
    lines += [f"    {name}={value!r}," for name, value in body.items() if name.isidentifier()]
    lines += [")", *(["for chunk in answer:", "    print(chunk)"] if body.get("stream") else ["print(answer)"])]
    return "\n".join(lines)
