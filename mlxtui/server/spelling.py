"""Tokens as people read them: the prompt of an exchange as the model got it, and what it answered, token by token.

Ids and an engine come in, JSON goes out. Rendered and spelled when somebody looks: no request pays for it beforehand.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from codecs import getincrementaldecoder
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from mlxtui.engine.interface import Engine, Spelling
from mlxtui.errors import ApiError, NotFound
from mlxtui.parting import regions
from mlxtui.pipeline import Run
from mlxtui.server.exchange import Exchange
from mlxtui.types import Request


async def prompt_json(engine: Engine, exchange: Exchange) -> dict[str, Any]:
    """The first prompt of the exchange, rendered again; `rendered`: how many tokens it had when it ran, or None.

    `fields` are the messages and tools in it, as [first token, token after the last, path, role].

    Raises:
        NotFound: no prompt was made of it, or its model is no longer loaded.
        ApiError: the engine can't render it (now).
    """
    run = _run(exchange)
    if run.model is not None and run.model != engine.model:
        raise NotFound("its model is no longer loaded: this prompt can't be rendered again", code="model_changed")
    _, ids = await engine.tokenize(run.prompt)
    spelt = await _spelt(engine, ids)
    told = await asyncio.to_thread(_told, run.request, ids, spelt)
    return told | {"prompts": len(run.request.texts) or 1, "cached": run.cached, "rendered": run.rendered}


async def raw_json(engine: Engine, exchange: Exchange) -> dict[str, Any]:
    """The first choice as the model emitted it; where nobody can spell its tokens, the pieces of text as they came.

    Raises:
        NotFound: the model was never asked.
    """
    raw = _run(exchange).raw
    more = {"left_out": raw.left_out, "opens_in": _run(exchange).opens_in}
    try:
        spelt = await _spelt(engine, raw.ids)
    except ApiError:
        return {"texts": raw.texts, "counts": list(raw.counts), "ids": list(raw.ids), "special": [], **more}
    return await asyncio.to_thread(_spelled, raw.ids, spelt) | more


def _run(exchange: Exchange) -> Run:
    if exchange.run is None:
        raise NotFound("this request was refused before a prompt was made of it", code="no_prompt")
    return exchange.run


async def _spelt(engine: Engine, ids: Iterable[int]) -> dict[int, Spelling]:
    """Each id once: a long prompt has few."""
    distinct = tuple(dict.fromkeys(ids))
    return dict(zip(distinct, await engine.spell(distinct), strict=True)) if distinct else {}


def _told(request: Request, ids: Sequence[int], spelt: Mapping[int, Spelling]) -> dict[str, Any]:
    spelled = _spelled(ids, spelt)
    texts: list[str] = spelled["texts"]
    starts: list[int] = [0, *accumulate(spelled["counts"])]
    ends = [*accumulate(map(len, texts))]
    special = [at for at, id in enumerate(ids) if spelt[id].special]
    fields = []
    for place in regions(request, "".join(texts)):
        start = starts[bisect_right(ends, place.start)]
        end = starts[bisect_right(ends, place.end - 1) + 1]
        if place.role == "tools":  # where the last one ends is a guess: at the latest where its turn does
            end = next((at for at in special if start < at < end), end)
        fields.append([start, end, place.path, place.role])
    return spelled | {"fields": fields}


def _spelled(ids: Sequence[int], spelt: Mapping[int, Spelling]) -> dict[str, Any]:
    """`texts` are the smallest runs of tokens that are whole characters, `counts` how many tokens each has."""
    texts, counts = [], []
    decode, pending = getincrementaldecoder("utf-8")("replace").decode, 0
    for number, id in enumerate(ids, 1):
        pending += 1
        if text := decode(spelt[id].raw, number == len(ids)):
            texts.append(text)
            counts.append(pending)
            pending = 0
    if pending:
        texts.append("")
        counts.append(pending)
    return {
        "texts": texts,
        "counts": counts,
        "ids": list(ids),
        "special": [id for id, spelling in spelt.items() if spelling.special],
    }
