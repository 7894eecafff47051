"""What happens to every field of a request: honoured, harmless or refused. One table drives validation and the docs.

A field that would change the answer is honoured or refused with 400; silently ignoring it would be a lie. Harmless
fields, and those no table knows, are accepted and change nothing. Published at `GET /mlxtui/parameters` and, written by
this module when it is run, as docs/parameters.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from mlxtui.errors import InvalidRequest

Fate = Literal["honoured", "harmless", "refused"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """`neutral` are the values of a refused field that ask for nothing and are therefore accepted, as null is."""

    name: str
    fate: Fate
    note: str
    neutral: tuple[Any, ...] = ()

    def asks_for_something(self, value: Any) -> bool:
        same = (value == n and isinstance(value, bool) == isinstance(n, bool) for n in self.neutral)
        return value is not None and not any(same)


def _honoured(**notes: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, "honoured", note) for name, note in notes.items())


def _harmless(**notes: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, "harmless", note) for name, note in notes.items())


_KEY = "a hint: requests of one key share a quota of the prompt cache; prompts are matched by their tokens all the same"

SAMPLING = _honoured(
    model="the loaded model's id, its short name, or a name that clients have built in (gpt-*, claude-*, ...)",
    temperature="0 to 2; 0 takes the likeliest token",
    top_p="above 0, up to 1",
    top_k="0 or -1: off",
    min_p="0 to 1",
    presence_penalty="-2 to 2, over the whole answer",
    frequency_penalty="-2 to 2, over the whole answer",
    repetition_penalty="above 0, up to 10, over prompt and answer; 1 is off",
    xtc_probability="0 to 1; 0 is off",
    xtc_threshold="0 to 0.5",
    logit_bias="token ids to -100..100, up to 1024 of them",
    seed="same seed and same request: same answer, also beside other requests",
    n="1 to 16 choices, from one prefill; their seeds count on from `seed`",
    stop="a string or up to 4, of up to 256 characters; acts on content, not on reasoning or tool calls",
    stream="true: server-sent events",
    stream_options="include_usage",
)

CHAT: tuple[Parameter, ...] = (
    *SAMPLING,
    *_honoured(
        messages="roles developer, system, user, assistant, tool, function; text parts only",
        max_tokens="the older name of max_completion_tokens",
        max_completion_tokens="default: the rest of the context",
        logprobs="of content, not of reasoning or tool calls",
        top_logprobs="0 to 20, with logprobs",
        response_format="text, json_object or json_schema, enforced token by token after the reasoning; where a "
        "schema sets no end (maxLength, maxItems, multipleOf) the model may go on until max_tokens",
        tools="functions, rendered by the model's chat template; strict ones are enforced token by token",
        tool_choice="none, auto, required, a named function, allowed_tools; enforced token by token",
        parallel_tool_calls="false: the answer ends after its first call",
        reasoning_effort="given to the chat template; none also switches thinking off",
        reasoning_budget="tokens of reasoning after which the model is made to answer",
        service_tier="priority and flex: its turn comes before or after others'; any other tier is the normal one",
        prompt_cache_key=_KEY,
        chat_template_kwargs="variables of the chat template: strings, numbers, booleans",
    ),
    *_harmless(
        metadata="not stored",
        store="not stored",
        user="not used",
        safety_identifier="not used",
        prompt_cache_options="prompts are matched by their tokens",
        prompt_cache_retention="kept while memory allows",
        prediction="a hint for speed only",
        verbosity="a hint that this model's template has no place for",
    ),
    Parameter("modalities", "refused", "text only", (["text"],)),
    Parameter("audio", "refused", "text only"),
    Parameter("functions", "refused", "use tools", ([],)),
    Parameter("function_call", "refused", "use tool_choice", ("none", "auto")),
    Parameter("web_search_options", "refused", "a request never touches the network"),
    Parameter("moderation", "refused", "there is no moderation"),
    Parameter("chat_template", "refused", "a request may not bring code"),
)

COMPLETIONS: tuple[Parameter, ...] = (
    *SAMPLING,
    *_honoured(
        prompt="a string, token ids, or a list of either",
        max_tokens="default: 16, as OpenAI's",
        logprobs="0 to 5; not together with echo",
        echo="the prompt comes before the completion",
        suffix="where the tokenizer has tokens for filling in the middle",
    ),
    *_harmless(user="not used"),
    Parameter("best_of", "refused", "use n", (1,)),
)

RESPONSES: tuple[Parameter, ...] = (
    *(parameter for parameter in SAMPLING if parameter.name not in ("n", "stream_options")),
    *_honoured(
        input="a string or items; text parts only; items of hosted tools are kept but not sent to the model",
        instructions="the system message of this turn only",
        previous_response_id="that response's turns come before this one's; not together with conversation",
        conversation="an id or {id}: its items come before this turn's, which are added to it",
        store="default: true",
        background="true: answered at once, fetched later; needs store",
        truncation="auto leaves out the oldest turns where all of them don't fit; disabled: 400",
        include="reasoning.encrypted_content, message.output_text.logprobs; the others have nothing to include here",
        max_output_tokens="default: the rest of the context",
        metadata="up to 16 pairs, given back with the response",
        parallel_tool_calls="false: the answer ends after its first call",
        reasoning="effort: given to the chat template, none also switches thinking off; summary: shown as one",
        reasoning_effort="chat's name for reasoning.effort",
        reasoning_budget="tokens of reasoning after which the model is made to answer",
        service_tier="priority and flex: its turn comes before or after others'; any other tier is the normal one",
        prompt_cache_key=f"given back; {_KEY}",
        chat_template_kwargs="variables of the chat template: strings, numbers, booleans",
        text="format: text, json_object or json_schema, enforced token by token; verbosity is a hint without effect",
        tools=(
            "function, custom, and both in a namespace; strict functions and regex grammars are enforced token by "
            "token, Lark grammars are shown to the model; hosted tools are listed as not available"
        ),
        tool_choice="none, auto, required, a named function or custom tool, allowed_tools; enforced token by token",
        top_logprobs="0 to 20; above 0 it includes message.output_text.logprobs",
    ),
    *_harmless(
        max_tool_calls="limits hosted tools, of which there are none",
        stream_options="nothing is obfuscated",
        user="given back, not used",
        safety_identifier="given back, not used",
        prompt_cache_options="prompts are matched by their tokens",
        prompt_cache_retention="kept while memory allows",
        access_programs="OpenAI's own",
        image="there are none in a text model's input",
        client_metadata="not used",
    ),
    Parameter("n", "refused", "one response has one answer", (1,)),
    Parameter("prompt", "refused", "there are no stored prompt templates; send the messages themselves"),
    Parameter("context_management", "refused", "use POST /v1/responses/compact", ([],)),
    Parameter("moderation", "refused", "there is no moderation"),
)

ENDPOINTS = {"/v1/chat/completions": CHAT, "/v1/completions": COMPLETIONS, "/v1/responses": RESPONSES}


def refuse(table: tuple[Parameter, ...], body: dict[str, Any]) -> None:
    """Raises:
    InvalidRequest: `body` asks for something the table refuses; `param` names it.
    """
    for parameter in table:
        value = body.get(parameter.name)
        if parameter.fate == "refused" and parameter.asks_for_something(value):
            message = f"'{parameter.name}' = {str(value)[:60]} is not supported ({parameter.note}); leave it out"
            raise InvalidRequest(message, param=parameter.name, code="unsupported_parameter")


def parameters_json() -> dict[str, Any]:
    """The whole table, for `GET /mlxtui/parameters`."""
    return {
        endpoint: [{"name": p.name, "fate": p.fate, "note": p.note} for p in table]
        for endpoint, table in ENDPOINTS.items()
    }


def parameters_markdown() -> str:
    """The same for people to read."""
    parts = [_INTRODUCTION]
    for endpoint, table in ENDPOINTS.items():
        parts += [f"\n## `{endpoint}`\n\n| field | fate | note |\n|---|---|---|\n"]
        parts += [f"| `{p.name}` | {p.fate} | {p.note}{_accepted(p)} |\n" for p in table]
    return "".join(parts)


_INTRODUCTION = """\
<!-- Written by `just parameters` from mlxtui/api/parameters.py; a test holds it current. -->
# What happens to every field of a request

* **honoured**: it does what it says.
* **harmless**: accepted, and the answer is the same without it. So are all fields that are not listed here.
* **refused**: a 400 that names it, because ignoring it would change the answer.

`null` is the default everywhere. A running server tells the same at `GET /mlxtui/parameters`, and with every field's
type at `GET /openapi.json`.
"""


def _accepted(parameter: Parameter) -> str:
    values = ", ".join(f"`{json.dumps(value)}`" for value in parameter.neutral)
    return f"; {values} asks for nothing and is accepted" if values else ""


if __name__ == "__main__":
    print(parameters_markdown(), end="")
