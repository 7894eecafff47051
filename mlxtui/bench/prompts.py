"""Prompts no endpoint has seen before: they differ from their first token on, and a nonce makes them again. Pure."""

from __future__ import annotations

import hashlib
import random

Messages = list[dict[str, str]]

_WORDS = (
    "river",
    "stone",
    "garden",
    "letter",
    "window",
    "morning",
    "market",
    "silver",
    "paper",
    "candle",
    "bridge",
    "the",
    "of",
)
SAMPLE = 2000  # characters that are sent once to learn how many of them are a token


def story(nonce: str, number: int = 0) -> Messages:
    """A short prompt whose answer is long."""
    return user(
        f"{mark('story', nonce, number)}: tell me a long story about number {number} and count from {number} to 100."
    )


def hello(nonce: str, number: int = 0) -> Messages:
    """A prompt of about twenty tokens whose answer is short."""
    return user(f"{mark('hello', nonce, number)}: say hello.")


def long(nonce: str, characters: float) -> Messages:
    """A prompt of about so many characters, different from any other from its first token to its last."""
    draw = random.Random(nonce)
    words = [f"{mark('long', nonce)}:"]
    left = characters - len(words[0])
    while left > 0:
        words.append(draw.choice(_WORDS))
        left -= len(words[-1]) + 1
    return user(" ".join(words) + ". What is this about?")


def mark(*parts: object) -> str:
    """What a prompt opens with: nothing is shared in a run, not even its nonce, which would be a cached prefix."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def user(text: str) -> Messages:
    return [{"role": "user", "content": text}]


def turn(said: str, number: int) -> Messages:
    """An answer, and what the user says to it."""
    return [{"role": "assistant", "content": said}, *user(f"And what comes next, in turn {number}?")]
