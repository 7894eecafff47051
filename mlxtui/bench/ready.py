"""Before anything is measured: which model an endpoint serves, how long its tokens are, and one warm-up."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from mlxtui.bench.options import Options
from mlxtui.bench.prompts import SAMPLE, long, story
from mlxtui.bench.results import Endpoint
from mlxtui.bench.scenario import Aim
from mlxtui.bench.talk import ask, ask_together, running
from mlxtui.bench.wire import RequestFailed, Target, base_url, get
from mlxtui.errors import UserError
from mlxtui.text import safe_line

USUAL = 4.0  # characters of a token, where an endpoint does not count them
WARM = 4  # tokens of the warm-up's answers


class Unusable(UserError):
    """An endpoint that can't be measured at all."""


def targets(options: Options) -> list[Target]:
    """One for each URL, with labels that tell them apart."""
    bases = [base_url(url) for url in options.urls]
    hosts = [urlsplit(base).netloc for base in bases]
    labels = [host if hosts.count(host) == 1 else f"{host} #{n + 1}" for n, host in enumerate(hosts)]
    models = options.models * len(bases) if len(options.models) == 1 else options.models or ("",) * len(bases)
    return [Target(*each, options.api_key) for each in zip(bases, labels, models, strict=True)]


async def ready(options: Options, target: Target, nonce: str) -> tuple[Aim, Endpoint]:
    """
    Raises:
        Unusable: it does not answer a chat completion.
    """
    try:
        async with asyncio.timeout(options.timeout):
            aim, notes = await _ready(options, target, f"{nonce}.ready")
    except RequestFailed as failed:
        raise Unusable(f"{target.base} can't be measured: {failed}") from failed
    except TimeoutError:
        raise Unusable(f"{target.base} can't be measured: no answer within {options.timeout:g} s (--timeout)") from None
    return aim, Endpoint(target.label, target.base, aim.target.model, notes)


async def _ready(options: Options, target: Target, nonce: str) -> tuple[Aim, tuple[str, ...]]:
    aimed = Target(target.base, target.label, target.model or await _first_model(target), target.key)
    idle = await running(aimed)
    sample = await ask(aimed, long(nonce, SAMPLE), 1)
    # What is not believable is not believed: prompts would become megabytes.
    length = min(max(SAMPLE / (sample.prompt_tokens or SAMPLE / USUAL), 1.0), 16.0)
    notes = () if sample.prompt_tokens else (f"it tells no prompt tokens: {USUAL:g} characters are taken for one",)
    most = max(options.clients)
    await ask_together(aimed, [story(nonce, number) for number in range(most)], WARM)
    return Aim(aimed, options, nonce, length * options.prompt_tokens, idle), notes


async def _first_model(target: Target) -> str:
    status, body = await get(target, f"{target.base}/models")
    if status != 200:
        raise RequestFailed(f"GET /models answers HTTP {status}; is the key right (--api-key)?")
    try:
        return safe_line(str(body["data"][0]["id"]))
    except (LookupError, TypeError):
        raise RequestFailed("GET /models lists no model; name one with --model") from None
