"""What the requests table says while it is empty: how to send the first request. Pure."""

from __future__ import annotations

import json

from mlxtui.settings import EMBEDDED_MODEL
from mlxtui.tui.text import Line
from mlxtui.tui.view import View

_TOY: list[Line] = [
    (("          a toy that comes along; ", "dim"), ("2", "accent"), (" then ", "dim"), ("d", "accent"),
     (" downloads a real model", "dim")),
]  # fmt: skip


def welcome(view: View, query: str) -> list[Line]:
    if query:
        return [(("no request matches ", "dim"), (query, "bold"), ("   (esc shows all)", "dim"))]
    if not view.state.server.started:
        return [(("requests will show here", "dim"),)]
    base, model = view.url + "/v1", view.state.model.name or "mlxtui"
    return [
        (("no requests yet: point any OpenAI client here", "dim"),),
        (),
        (("base URL  ", "dim"), (base, "bold")),
        (("model     ", "dim"), (model, "bold")),
        *(_TOY if model == EMBEDDED_MODEL else []),
        (),
        ((f"curl {base}/chat/completions \\", ""),),
        (("  -H 'content-type: application/json' \\", ""),),
        ((f'  -d \'{{"model": {json.dumps(model)},', ""),),
        (('       "messages": [{"role": "user", "content": "Hello!"}]}\'', ""),),
    ]
