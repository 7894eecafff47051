"""Token ids to text, piece by piece: never half a character, and no longer held back than its last byte is missing.

Byte-level and SentencePiece vocabularies are decoded here, a token being a known run of bytes. mlx-lm's own streaming
detokenizers hold all text after an invalid byte back until the end and show NUL as another letter; they serve the
tokenizers of other kinds.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Protocol

from mlx_lm.tokenizer_utils import BPEStreamingDetokenizer, SPMStreamingDetokenizer

_SPACE = "\u2581"


class Detokenizer(Protocol):
    def feed(self, tokens: Iterable[int], last: bool) -> str:
        """The text that became final with these tokens; the unfinished character at the very end is dropped."""
        ...


class Detokenizers:
    """Makes a Detokenizer for each job; keeps what all of them share. `bytes_of` spells a single token."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        kind = type(getattr(tokenizer, "_detokenizer", None))
        self._exact = kind in _BYTES
        self.bytes_of = _BYTES[kind](tokenizer) if self._exact else _decoded(tokenizer)
        # SentencePiece writes a space before the first word; word models of the GPT-2 kind often generate one.
        self._trim = bool(getattr(tokenizer, "_detokenizer", None) and getattr(tokenizer._detokenizer, "trim_space", 1))

    def new(self) -> Detokenizer:
        return _Bytes(self.bytes_of, self._trim) if self._exact else _Library(self._tokenizer.detokenizer)


class _Bytes:
    def __init__(self, bytes_of: Callable[[int], bytes], trim: bool) -> None:
        self._bytes_of, self._trim = bytes_of, trim
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, tokens: Iterable[int], last: bool) -> str:
        text = self._decoder.decode(b"".join(map(self._bytes_of, tokens)))
        if text and self._trim:
            text, self._trim = text.removeprefix(" "), False
        return text


class _Library:
    def __init__(self, detokenizer: Any) -> None:
        self._detokenizer = detokenizer

    def feed(self, tokens: Iterable[int], last: bool) -> str:
        for token in tokens:
            self._detokenizer.add_token(token)
        text = str(self._detokenizer.last_segment)
        if last:
            self._detokenizer.finalize()
            text += str(self._detokenizer.last_segment).rstrip("\ufffd")
        return text


def _byte_level(tokenizer: Any) -> Callable[[int], bytes]:
    """GPT-2's vocabularies write each byte as one printable character (openai/gpt-2, src/encoder.py)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    byte_of = {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
    added = tokenizer.added_tokens_decoder

    @cache
    def bytes_of(token: int) -> bytes:
        if token in added:
            return str(added[token].content).encode()
        piece = tokenizer.convert_ids_to_tokens(token) or ""
        return b"".join(bytes([byte_of[c]]) if c in byte_of else c.encode() for c in piece)

    return bytes_of


def _sentence_piece(tokenizer: Any) -> Callable[[int], bytes]:
    added = tokenizer.added_tokens_decoder

    @cache
    def bytes_of(token: int) -> bytes:
        piece = str(tokenizer.convert_ids_to_tokens(token) or "")
        if token not in added and len(piece) == 6 and piece.startswith("<0x"):
            return bytes([int(piece[3:5], 16)])
        return piece.replace(_SPACE, " ").encode()

    return bytes_of


def _decoded(tokenizer: Any) -> Callable[[int], bytes]:
    @cache
    def bytes_of(token: int) -> bytes:
        return str(tokenizer.decode([token])).encode()

    return bytes_of


_BYTES = {BPEStreamingDetokenizer: _byte_level, SPMStreamingDetokenizer: _sentence_piece}
