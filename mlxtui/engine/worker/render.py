"""From a prompt as the server sends it to its text and tokens, or a Refused that says what its client did wrong.

Conversations go through the model's chat template; text goes as it is, with a suffix around the gap that is to be
filled. Touches no MLX array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlxtui.engine.interface import ChatPrompt, FailureCode
from mlxtui.engine.worker.template import TemplateError, conversation
from mlxtui.types import TextPrompt

# Prefix, suffix and middle markers of models that fill in the middle, in the order their makers documented:
# Qwen, CodeGemma; StarCoder, Granite; SantaCoder; DeepSeek (whose second marks the hole); Code Llama.
_FILLING = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
)
_CODESTRAL = ("[SUFFIX]", "[PREFIX]")


class Refused(Exception):
    """The job can't run, by its client's doing; `param` names the field at fault."""

    def __init__(self, code: FailureCode, message: str, param: str) -> None:
        super().__init__(message)
        self.code: FailureCode = code
        self.param = param


def field_of(prompt: ChatPrompt | TextPrompt) -> str:
    """The request's field that this prompt came in."""
    return "messages" if isinstance(prompt, ChatPrompt) else "prompt"


def render(
    tokenizer: Any,
    vocab: int,
    prompt: ChatPrompt | TextPrompt,
    check: Callable[[str], None] = lambda text: None,
    *,
    opening: bool = True,
) -> tuple[str, list[int]]:
    """Text and tokens of a prompt; a prompt in tokens has no text of its own ("").

    Without `opening` a conversation ends with its last message, not with the beginning of an answer. `check` sees the
    text before the tokenizer does, which takes seconds for megabytes, and may refuse it.

    Raises:
        Refused: it can't be rendered, can't be tokenised, is empty, or has an id that the vocabulary has not.
    """
    if isinstance(prompt, ChatPrompt):
        check(text := _from_template(tokenizer, prompt, opening))
        tokens = _tokenise(tokenizer, text, "messages", special=False)
    elif isinstance(prompt.text, str):
        text = prompt.text if prompt.suffix is None else _around_gap(tokenizer, prompt.text, prompt.suffix)
        check(text)
        tokens = _tokenise(tokenizer, text, "prompt", special=True)
    else:
        text, tokens = "", known(prompt.text, vocab, "prompt")
    if not tokens:
        made = "the chat template rendered nothing from these messages" if isinstance(prompt, ChatPrompt) else "no text"
        raise Refused("invalid_prompt", f"the prompt is empty: {made}", field_of(prompt))
    return text, tokens


def known(tokens: tuple[int, ...], vocab: int, param: str) -> list[int]:
    """The tokens, if the vocabulary has them all.

    Raises:
        Refused: it has not.
    """
    strange = next((token for token in tokens if not 0 <= token < vocab), None)
    if strange is not None:
        message = f"token id {strange} is outside of this model's vocabulary of {vocab} tokens (0 to {vocab - 1})"
        raise Refused("invalid_prompt", message, param)
    return list(tokens)


def text_of(tokenizer: Any, tokens: list[int]) -> str:
    """The text of tokens; special ones show."""
    return str(tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _from_template(tokenizer: Any, prompt: ChatPrompt, opening: bool) -> str:
    try:
        return conversation(tokenizer, prompt, opening=opening)
    except TemplateError as error:
        message = f"the model's chat template refuses this conversation: {error}"
        raise Refused("invalid_prompt", message, "messages") from error


def _tokenise(tokenizer: Any, text: str, param: str, *, special: bool) -> list[int]:
    """With `special` the tokenizer puts its beginning of sequence before the text; a template writes its own."""
    try:
        tokens: list[int] = tokenizer.encode(text, add_special_tokens=special)
    except Exception as error:
        raise Refused("invalid_prompt", f"the prompt can't be tokenised: {error}", param) from error
    return tokens


def _around_gap(tokenizer: Any, text: str, suffix: str) -> str:
    vocabulary: Mapping[str, int] = tokenizer.get_vocab()
    for before, between, after in _FILLING:
        if before in vocabulary and between in vocabulary and after in vocabulary:
            return f"{before}{text}{between}{suffix}{after}"
    if all(marker in vocabulary for marker in _CODESTRAL):
        return f"{_CODESTRAL[0]}{suffix}{_CODESTRAL[1]}{text}"
    message = "this model's vocabulary has no tokens for filling in the middle: leave 'suffix' out"
    raise Refused("invalid_prompt", message, "suffix")
