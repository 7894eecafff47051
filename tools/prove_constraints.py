"""Asks a running server for constrained answers, hundreds of times at temperature 1, and counts those that keep to it.

    uv run python tools/prove_constraints.py http://127.0.0.1:8080 --times 200

A schema that no model was trained on, and `tool_choice: "required"` with it as the arguments; jsonschema is the judge.
Whatever is cut off by the limit of tokens counts as a failure: in these schemas every text, list and number has an end
(a number by `multipleOf`: `maximum` alone allows digits after the point for ever, and a weak model writes them).
`--endless` adds the same schema without those ends, to see what a model makes of it; it counts for itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from jsonschema import Draft202012Validator
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

MOST_TOKENS = 600
QUESTION = "Tell me everything that is known about the instrument."
Schema = dict[str, Any]


def record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def instrument(*, endless: bool = False) -> Schema:
    """Nested objects, lists, enums, numbers, alternatives and keys beyond ASCII; `endless`: no limits of length."""
    text: Schema = {"type": "string"} if endless else {"type": "string", "maxLength": 16}
    several: Schema = {"type": "array"} if endless else {"type": "array", "minItems": 1, "maxItems": 3}
    reading = record(n={"type": "integer", "minimum": 0, "maximum": 999}, ok={"type": "boolean"}, note=text)
    maker = record(name=text, since={"enum": [1899, 1912, None, "unbekannt"]})
    sealed = {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}
    keys = {
        "größe": {"type": "number", "minimum": -40, "maximum": 1200.5} | ({} if endless else {"multipleOf": 0.5}),
        "標題": text,
        "état": {"enum": ["ouvert", "fermé", "à vérifier"]},
        "измерения": several | {"items": reading},
        "🔑": {"anyOf": [{"type": "null"}, sealed, record(left=sealed, right={"type": "boolean"})]},
        "maker": record(first=maker, then=several | {"items": maker}),
    }
    return record(**keys)


@dataclass(frozen=True)
class Claim:
    """What is asked for beside the question; the schemas that calls (by name) or the content ("") are held against."""

    name: str
    asked: Mapping[str, Any]
    schemas: Mapping[str, Schema]


def answers(name: str, schema: Schema) -> Claim:
    form = {"type": "json_schema", "json_schema": {"name": "instrument", "strict": True, "schema": schema}}
    return Claim(name, {"response_format": form}, {"": schema})


def calls(name: str, **schemas: Schema) -> Claim:
    tools = [{"type": "function", "function": {"name": n, "parameters": schema}} for n, schema in schemas.items()]
    return Claim(name, {"tools": tools, "tool_choice": "required", "parallel_tool_calls": False}, schemas)


LOAN = record(
    until={"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"},
    pièces={"type": "array", "minItems": 1, "maxItems": 4, "items": {"enum": ["лупа", "штатив", "ящик"]}},
    to={"anyOf": [record(name={"type": "string", "maxLength": 16}), record(room={"type": "integer", "maximum": 99})]},
)
CLAIMS = (
    answers("json_schema", instrument()),
    calls("tool_choice required", file_instrument=instrument(), lend_instrument=LOAN),
)
ENDLESS = answers("json_schema without ends", instrument(endless=True))


def fault(claim: Claim, answer: ChatCompletion) -> str | None:
    """What is wrong with an answer, if anything is; the part before the colon is the kind of fault."""
    [choice] = answer.choices
    if choice.finish_reason == "length":
        return f"cut off: {choice.message.content or choice.message.tool_calls}"
    said = [("", choice.message.content or "")] if "" in claim.schemas else []
    said += [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
    if not said or not all(name in claim.schemas for name, _ in said):
        return f"no call of what was offered: {choice.message}"
    return next((why for name, text in said if (why := misfit(text, claim.schemas[name]))), None)


def misfit(text: str, schema: Schema) -> str | None:
    try:
        value = json.loads(text)
    except ValueError as error:
        return f"no JSON: {error}: {text}"
    found = next(Draft202012Validator(schema).iter_errors(value), None)
    return f"does not fit: {found.message}: {text}" if found else None


async def prove(claim: Claim, url: str, times: int, at_once: int = 8, model: str = "default") -> list[str]:
    """The faults in `times` answers, each drawn with a seed of its own; prints what it found."""
    places, tokens = asyncio.Semaphore(at_once), []
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=600) as client:

        async def one(seed: int) -> str | None:
            asked: Any = {"model": model, "messages": [{"role": "user", "content": QUESTION}], **claim.asked}
            limits = {"temperature": 1.0, "seed": seed, "max_completion_tokens": MOST_TOKENS}
            async with places:
                answer = await client.chat.completions.create(**asked, **limits)
            tokens.append(answer.usage.completion_tokens if answer.usage else 0)
            return fault(claim, answer)

        faults = [why for why in await asyncio.gather(*map(one, range(times))) if why]
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(why.split(":")[0] for why in faults).items())
    print(f"{claim.name}: {times - len(faults)} of {times} ({kinds or 'no fault'}); "
          f"tokens: median {median(tokens):.0f}, most {max(tokens)}", flush=True)  # fmt: skip
    for why in faults:
        print("   ", why[:400].replace("\n", "\\n"))
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the server's address, without /v1")
    parser.add_argument("--model", default="default")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--endless", action="store_true", help="also try the schema that sets no limits of length")
    given = parser.parse_args()
    proofs = [asyncio.run(prove(claim, given.url, given.times, given.at_once, given.model)) for claim in CLAIMS]
    if given.endless:
        asyncio.run(prove(ENDLESS, given.url, given.times, given.at_once, given.model))
    sys.exit(1 if any(proofs) else 0)


if __name__ == "__main__":
    main()
