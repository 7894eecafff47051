"""Conversations that a template refuses or cuts short: real Jinja, in the makers' styles, through `render`.

Each expected text is written out: what the model sees is what matters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.utils import load_tokenizer

from mlxtui.engine.interface import ChatPrompt
from mlxtui.engine.worker.render import Refused, render
from mlxtui.types import Message, Role, ToolCall
from tests.engine.tiny_models import write_tokenizer

ALTERNATE = (
    "{%- for m in rest -%}{%- if (m.role == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') -}}"
    "{%- endif -%}{%- endfor -%}"
)
GEMMA = (
    "{%- if messages[0].role == 'system' -%}{{- raise_exception('System role not supported') -}}{%- endif -%}"
    "{%- set rest = messages -%}" + ALTERNATE + "{%- for m in messages -%}"
    "{{- '<start_of_turn>' ~ ('model' if m.role == 'assistant' else m.role) ~ '\n' ~ m.content|trim ~ '<end>\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<start_of_turn>model\n' -}}{%- endif -%}"
)
LLAMA2 = (
    "{%- if messages[0].role == 'system' -%}{%- set rest = messages[1:] -%}{%- set system = messages[0].content -%}"
    "{%- else -%}{%- set rest = messages -%}{%- set system = '' -%}{%- endif -%}" + ALTERNATE + "{%- for m in rest -%}"
    "{%- set said = '<<SYS>>' ~ system ~ '<</SYS>>' ~ m.content if loop.first and system else m.content -%}"
    "{%- if m.role == 'user' -%}{{- '[INST] ' ~ said ~ ' [/INST]' -}}"
    "{%- elif m.role == 'assistant' -%}{{- ' ' ~ said ~ ' </s>' -}}{%- endif -%}{%- endfor -%}"
)
MISTRAL = (
    "{%- if messages[0].role == 'system' -%}{%- set rest = messages[1:] -%}{%- set system = messages[0].content -%}"
    "{%- else -%}{%- set rest = messages -%}{%- endif -%}{%- set ns = namespace(user=true) -%}"
    "{%- for m in rest -%}{%- if not (m.role == 'tool' or m.tool_calls is defined) -%}"
    "{%- if (m.role == 'user') != ns.user -%}{{- raise_exception('roles must alternate') -}}{%- endif -%}"
    "{%- set ns.user = not ns.user -%}{%- endif -%}{%- endfor -%}"
    "{%- for m in rest -%}{%- if m.role == 'user' -%}"
    "{{- '[INST]' ~ (system ~ '\n\n' if loop.last and system is defined else '') ~ m.content ~ '[/INST]' -}}"
    "{%- elif m.tool_calls is defined -%}{%- for c in m.tool_calls -%}{%- if c.id|length != 9 -%}"
    "{{- raise_exception('Tool call IDs should be alphanumeric strings with length 9!') -}}{%- endif -%}"
    "{{- '[TOOL_CALLS]' ~ c.function|tojson ~ c.id -}}{%- endfor -%}"
    "{%- elif m.role == 'tool' -%}{{- '[RESULT]' ~ m.content ~ m.tool_call_id ~ '[/RESULT]' -}}"
    "{%- else -%}{{- m.content ~ '</s>' -}}{%- endif -%}{%- endfor -%}"
)
QWEN35 = (
    "{%- for m in messages -%}{%- if m.role == 'system' and not loop.first -%}"
    "{{- raise_exception('System message must be at the beginning.') -}}{%- endif -%}"
    "{{- '<' ~ m.role ~ '>' ~ m.content -}}{%- endfor -%}"
)
GPT_OSS = (  # says nothing of a system message that comes late, and of tools
    "{%- if messages[0].role == 'system' -%}{{- '<dev>' ~ messages[0].content -}}{%- endif -%}{%- for m in messages -%}"
    "{%- if m.role in ('user', 'assistant') -%}{{- '<' ~ m.role ~ '>' ~ m.content -}}{%- endif -%}{%- endfor -%}"
)
DEEPSEEK = (
    "{%- for m in messages -%}{{- '<' + m.role + '>' + m.content -}}{%- for c in m.tool_calls or [] -%}"
    "{{- c.function.name + '```json\n' + c.function.arguments + '\n```' -}}{%- endfor -%}{%- endfor -%}"
)
SEEING = (
    "{%- for m in messages -%}{{- '<' ~ m.role ~ '>' -}}{%- for part in m.content -%}"
    "{%- if part.type == 'text' -%}{{- part.text -}}{%- endif -%}{%- endfor -%}{%- endfor -%}"
)
STYLES = {
    "gemma": GEMMA,
    "llama2": LLAMA2,
    "mistral": MISTRAL,
    "qwen35": QWEN35,
    "gpt_oss": GPT_OSS,
    "deepseek": DEEPSEEK,
    "seeing": SEEING,
    "none": None,
}
Tokenizers = Callable[[str], Any]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    """A tokenizer with the chat template of this style."""
    root: Path = tmp_path_factory.mktemp("templates")
    return cache(lambda style: load_tokenizer(write_tokenizer(root / style, chat_template=STYLES[style])))


def rendered(tokenizer: Any, *messages: Message) -> str:
    return render(tokenizer, len(tokenizer), ChatPrompt(messages))[0]


def says(role: Role, content: str = "") -> Message:
    return Message(role, content)


SYSTEM, USER, ANSWER, AGAIN = (
    says("system", "Be brief."),
    says("user", "Hello?"),
    says("assistant", "Hi."),
    says("user", "And now?"),
)
LATE = says("system", "Speak French.")
CALL = Message("assistant", "", (ToolCall("call_0123456789", "get_weather", '{"city": "Oslo"}'),))
RESULT = Message("tool", "rain", tool_call_id="call_0123456789")


@pytest.mark.parametrize(
    ("style", "messages", "expected"),
    [
        ("gemma", [USER], "<start_of_turn>user\nHello?<end>\n<start_of_turn>model\n"),
        ("gemma", [SYSTEM, USER], "<start_of_turn>user\nBe brief.\n\nHello?<end>\n<start_of_turn>model\n"),
        (
            "gemma",
            [SYSTEM, USER, ANSWER, LATE, AGAIN],
            "<start_of_turn>user\nBe brief.\n\nHello?<end>\n<start_of_turn>model\nHi.<end>\n"
            "<start_of_turn>user\nSpeak French.\n\nAnd now?<end>\n<start_of_turn>model\n",
        ),
        (
            "gemma",
            [USER, CALL, RESULT],
            '<start_of_turn>user\nHello?<end>\n<start_of_turn>model\nI call get_weather({"city": "Oslo"}).<end>\n'
            "<start_of_turn>user\nResult of get_weather:\nrain<end>\n<start_of_turn>model\n",
        ),
        (
            "llama2",
            [SYSTEM, USER, ANSWER, AGAIN],
            "[INST] <<SYS>>Be brief.<</SYS>>Hello? [/INST] Hi. </s>[INST] And now? [/INST]",
        ),
        ("llama2", [SYSTEM, USER, AGAIN], "[INST] <<SYS>>Be brief.<</SYS>>Hello?\n\nAnd now? [/INST]"),
        ("llama2", [SYSTEM, LATE, USER], "[INST] <<SYS>>Be brief.\n\nSpeak French.<</SYS>>Hello? [/INST]"),
        ("llama2", [USER, ANSWER, LATE], "[INST] Hello? [/INST] Hi. </s>[INST] Speak French. [/INST]"),
        (
            "llama2",
            [SYSTEM, USER, CALL, RESULT, AGAIN],
            '[INST] <<SYS>>Be brief.<</SYS>>Hello? [/INST] I call get_weather({"city": "Oslo"}). </s>'
            "[INST] Result of get_weather:\nrain\n\nAnd now? [/INST]",
        ),
        ("mistral", [SYSTEM, USER, ANSWER, AGAIN], "[INST]Hello?[/INST]Hi.</s>[INST]Be brief.\n\nAnd now?[/INST]"),
        ("mistral", [USER, AGAIN], "[INST]Hello?\n\nAnd now?[/INST]"),
        ("mistral", [USER, ANSWER, ANSWER, AGAIN], "[INST]Hello?[/INST]Hi.\n\nHi.</s>[INST]And now?[/INST]"),
        (
            "mistral",
            [USER, CALL, RESULT],
            '[INST]Hello?[/INST][TOOL_CALLS]{"name": "get_weather", "arguments": {"city": "Oslo"}}ab14600fc'
            "[RESULT]rainab14600fc[/RESULT]",
        ),
        (
            "qwen35",
            [SYSTEM, USER, ANSWER, LATE, AGAIN],
            "<system>Be brief.<user>Hello?<assistant>Hi.<user>Speak French.<user>And now?",
        ),
        ("qwen35", [SYSTEM, LATE, USER, AGAIN], "<system>Be brief.\n\nSpeak French.<user>Hello?<user>And now?"),
        ("gpt_oss", [SYSTEM, USER, LATE], "<dev>Be brief.<user>Hello?<user>Speak French."),
        (
            "gpt_oss",
            [USER, CALL, RESULT],
            '<user>Hello?<assistant>I call get_weather({"city": "Oslo"}).<user>Result of get_weather:\nrain',
        ),
        (
            "deepseek",
            [USER, CALL, RESULT],
            '<user>Hello?<assistant>get_weather```json\n{"city": "Oslo"}\n```<tool>rain',
        ),
        ("seeing", [SYSTEM, USER], "<system>Be brief.<user>Hello?"),
        (
            "none",
            [SYSTEM, USER, ANSWER, AGAIN],
            "system: Be brief.\nuser: Hello?\nassistant: Hi.\nuser: And now?\nassistant:",
        ),
        (
            "none",
            [USER, CALL, RESULT],
            'user: Hello?\nassistant: I call get_weather({"city": "Oslo"}).\n'
            "user: Result of get_weather:\nrain\nassistant:",
        ),
    ],
)
def test_each_template_gets_a_shape_it_takes(
    tokenizers: Tokenizers, style: str, messages: list[Message], expected: str
) -> None:
    tokenizer = tokenizers(style)
    assert rendered(tokenizer, *messages) == expected
    assert rendered(tokenizer, *messages) == expected  # as it is remembered


def test_what_no_shape_helps_is_refused_in_the_templates_words(tokenizers: Tokenizers) -> None:
    with pytest.raises(Refused, match="roles must alternate user/assistant") as caught:
        rendered(tokenizers("gemma"), ANSWER)
    assert (caught.value.code, caught.value.param) == ("invalid_prompt", "messages")


def test_tools_with_undefined_arguments_are_no_trouble(tokenizers: Tokenizers) -> None:
    broken = Message("assistant", "", (ToolCall("c", "get_weather", '{"city": "Os'),))
    assert '```json\n{"city": "Os\n```' in rendered(tokenizers("deepseek"), USER, broken, RESULT)


ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
CONTENTS = st.text(st.characters(codec="utf-8"), max_size=8)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    turns = draw(st.lists(st.tuples(ROLES, CONTENTS), min_size=1, max_size=7))
    return [
        Message(role, text, CALL.tool_calls if role == "assistant" and "a" in text else (),
                tool_call_id="call_0123456789" if role == "tool" else None)
        for role, text in turns
    ]  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=60, deadline=None)
@given(conversation=conversations())
def test_all_that_is_said_is_there_or_refused(tokenizers: Tokenizers, style: str, conversation: list[Message]) -> None:
    tokenizer = tokenizers(style)
    try:
        text = rendered(tokenizer, *conversation)
    except Refused:
        return
    assert [m.content for m in conversation if m.role != "assistant" and m.content.strip() not in text] == []
    assert rendered(tokenizer, *conversation) == text
