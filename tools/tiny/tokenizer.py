"""Builds tokenizer.json: byte-level BPE where a space is always a token of its own, digits are single,
and the glue of JSON tool calls is one token, so that a word has the same tokens wherever it stands.

Run: python -m tools.tiny.tokenizer OUT_DIR (only when the vocabulary is to change: weights depend on it).
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from tools.tiny import facts, mix, render, words
from tools.tiny.source import Source

VOCABULARY = 1024
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tools>", "</tools>",
           "<tool_response>", "</tool_response>")  # fmt: skip
GLUE = ('", "arguments": {"', '", "arguments": {', '{"name": "', '": {"', '": ["', '": "', '", "', '"}}', '": ',
        ', "', '"}', '{"', '"]', '["', "}}", "    ")  # fmt: skip
PATTERN = "|".join(re.escape(g).replace("\\ ", " ") for g in GLUE) + r"|[A-Za-z]+|\n+|[\s\S]"
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "eos_token": "<|im_end|>",
    "pad_token": "<|endoftext|>",
    "clean_up_tokenization_spaces": False,
    "model_max_length": 32768,
}


class Familiar(Source):
    """Uses listed words where the corpus invents them: the merges should be those of real words."""

    def invented(self) -> str:
        pool = self.pick((words.NOUNS, words.VERBS, words.ADJECTIVES))
        return self.pick(pool) if self.chance(0.8) else super().invented()


def sample_texts(count: int) -> Iterator[str]:
    source = Familiar(1)
    for index in range(count):
        yield render.text(mix.conversation(source))
        if index % 20 == 0:
            yield mix.plain_text(source)
    lists = (words.NAMES, words.CITIES, words.NOUNS, words.VERBS, words.ADJECTIVES, words.UNICODE_WORDS, words.EMOJI)
    for listed in lists:
        for _ in range(count // 40):
            yield " ".join(random.Random(2).sample(list(listed), len(listed)))
    yield " ".join(f"{q} {long}" for q, long, _ in facts.PLAIN)
    yield from GLUE * (count // 2)


def build(count: int = 12000) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    extra = len(SPECIAL) + len(MARKERS)
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - extra, initial_alphabet=alphabet, show_progress=False)
    clean = (re.sub(r"<\|\w+\|>|</?\w+>", " ", text) for text in sample_texts(count))
    tokenizer.train_from_iterator(clean, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in MARKERS])
    return tokenizer


def main(target: Path) -> None:
    tokenizer = build()
    tokenizer.save(str(target / "tokenizer.json"))
    (target / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG, indent=2) + "\n")
    print(f"{tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
