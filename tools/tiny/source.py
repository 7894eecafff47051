"""Random material for the families: known and invented words, names, cities, phrases, nonces.

A Source is either the training half or the held-out half: every listed or invented word belongs to
one of them by its checksum, so the evaluation never shows a name, city or word that was trained on.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar
from zlib import crc32

from tools.tiny import words

CONSONANTS = [
    "b",
    "c",
    "d",
    "f",
    "g",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "w",
    "z",
    "br",
    "ch",
    "cl",
    "cr",
    "dr",
    "fl",
    "gr",
    "kl",
    "kr",
    "pl",
    "pr",
    "qu",
    "sh",
    "sk",
    "sl",
    "sp",
    "st",
    "th",
    "tr",
]
T = TypeVar("T")
VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ie", "oo", "ou"]
CODAS = ["", "", "", "", *["n", "r", "s", "t", "l", "m", "x", "k", "nd", "rt", "st", "ck"]]


def is_held(word: str) -> bool:
    """True for the tenth of all words that only the evaluation uses."""
    return crc32(word.lower().encode()) % 10 == 0


@cache
def _half(items: tuple[str, ...], held: bool) -> tuple[str, ...]:
    chosen = tuple(w for w in items if is_held(w) == held)
    return chosen or items


class Source:
    """A random generator over one half of the words. `pieces` are vocabulary pieces to mix in."""

    def __init__(self, seed: int, *, held: bool = False, pieces: Sequence[str] = ()) -> None:
        self.rng = random.Random(seed)
        self.held = held
        self.pieces = tuple(p for p in pieces if p.isascii() and p.isalpha())

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def number(self, low: int, high: int) -> int:
        return self.rng.randint(low, high)

    def pick(self, items: Sequence[T]) -> T:
        return items[self.rng.randrange(len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        return self.rng.sample(list(items), min(count, len(items)))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.rng.sample(list(items), len(items))

    def phrase(self, options: str) -> str:
        """One of the `|`-separated options."""
        return self.pick(options.split("|"))

    def listed(self, items: Sequence[str]) -> str:
        return self.pick(_half(tuple(items), self.held))

    # words -----------------------------------------------------------------------------------

    def invented(self) -> str:
        """A lower-case word nobody has seen: syllables, letters or vocabulary pieces."""
        while True:
            word = self._raw()
            if is_held(word) == self.held:
                return word

    def _raw(self) -> str:
        roll = self.rng.random()
        if roll < 0.25 and self.pieces:
            return "".join(self.pick(self.pieces) for _ in range(self.number(1, 3))).lower()
        if roll < 0.4:
            return "".join(self.pick(string.ascii_lowercase) for _ in range(self.number(2, 6)))
        beat = self.number(1, 3)
        return "".join(self.pick(CONSONANTS) + self.pick(VOWELS) for _ in range(beat)) + self.pick(CODAS)

    def noun(self) -> str:
        return self.listed(words.NOUNS) if self.chance(0.5) else self.invented()

    def verb(self) -> str:
        return self.listed(words.VERBS) if self.chance(0.6) else self.invented()

    def adjective(self) -> str:
        return self.listed(words.ADJECTIVES) if self.chance(0.6) else self.invented()

    def word(self) -> str:
        pool = self.pick((words.NOUNS, words.NOUNS, words.ADJECTIVES, words.VERBS))
        return self.listed(pool) if self.chance(0.45) else self.invented()

    def name(self) -> str:
        return self.listed(words.NAMES) if self.chance(0.55) else self.invented().capitalize()

    def full_name(self) -> str:
        last = self.listed(words.SURNAMES) if self.chance(0.5) else self.invented().capitalize()
        return f"{self.name()} {last}"

    def person(self) -> str:
        return self.full_name() if self.chance(0.2) else self.name()

    def city(self) -> str:
        roll = self.rng.random()
        if roll < 0.5:
            return self.listed(words.CITIES)
        first = self.invented().capitalize()
        if roll < 0.75:
            return first
        if roll < 0.85:
            return self.phrase("New|San|Port|Los|Cape|Saint|Bad|El|St.|Fort|Lake|Mount") + " " + first
        if roll < 0.93:
            return f"{first} {self.phrase('City|Beach|Falls|Springs|Hill|Bay|Town')}"
        return " ".join(self.invented().capitalize() for _ in range(self.number(2, 3)))

    # small tokens ----------------------------------------------------------------------------

    def digits(self, low: int = 1, high: int = 6) -> str:
        return "".join(self.pick(string.digits) for _ in range(self.number(low, high)))

    def nonce(self) -> str:
        """A code such as `k3x9-qq`, `zebra-4711`, `AB12`, `7f3a9c`."""
        while True:
            code = self._code()
            if is_held(code) == self.held:
                return code

    def _code(self) -> str:
        letters = string.ascii_lowercase if self.chance(0.6) else string.ascii_uppercase
        mixed = letters + string.digits * 2
        makers: list[Callable[[], str]] = [
            lambda: f"{self.word()}-{self.digits(2, 5)}",
            lambda: f"{self._of(mixed, self.number(2, 5))}-{self._of(mixed, self.number(2, 4))}",
            lambda: self._of(mixed, self.number(4, 12)),
            lambda: "_".join(self._of(mixed, 3) for _ in range(3)),
            lambda: f"{self.word()}{self.digits(1, 4)}",
            lambda: "-".join(self.digits(2, 4) for _ in range(self.number(2, 3))),
            lambda: self._of("0123456789abcdef", self.number(6, 16)),
            lambda: f"{self.word()}-{self.word()}",
            lambda: "-".join(self._of("0123456789abcdef", n) for n in (8, 4, 4, 4, 12)),
        ]
        return makers[min(self.number(0, 8), self.number(0, 12) % 9)]()

    def _of(self, characters: str, count: int) -> str:
        return "".join(self.pick(characters) for _ in range(count))

    def decimal(self) -> str:
        return f"{self.number(0, 999)}.{self.digits(1, 3)}"

    def email(self) -> str:
        local = self.word() if self.chance(0.5) else f"{self.word()}.{self.word()}"
        domain = (
            self.pick(words.DOMAINS) if self.chance(0.5) else f"{self.invented()}.{self.phrase('com|org|net|io|de')}"
        )
        return f"{local}{self.phrase('|||||+' + self.word())}@{domain}"

    def url(self) -> str:
        host = f"{self.phrase('www.|api.|')}{self.invented()}.{self.phrase('com|org|net|io|dev|de')}"
        tail = "".join(f"/{self.word()}" for _ in range(self.number(0, 2)))
        return f"http{self.phrase('s|s|')}://{host}{tail}{self.phrase('||?id=' + self.digits(1, 3))}"

    def date(self) -> str:
        year, month, day = self.number(1950, 2035), self.number(1, 12), self.number(1, 28)
        if self.chance(0.6):
            return f"{year}-{month:02}-{day:02}"
        return f"{day} {words.MONTHS[month - 1]} {year}"

    def time(self) -> str:
        return f"{self.number(0, 23):02}:{self.number(0, 59):02}"

    def emoji(self) -> str:
        return "".join(self.pick(words.EMOJI) for _ in range(self.number(1, 3)))

    def foreign(self) -> str:
        """A word with umlauts, accents, Cyrillic, CJK and so on; half of them invented."""
        roll = self.rng.random()
        if roll < 0.4:
            return self.listed(words.UNICODE_WORDS)
        if roll < 0.65:
            return "".join(chr(self.number(0x4E00, 0x9FA5)) for _ in range(self.number(1, 4)))
        if roll < 0.75:
            return "".join(chr(self.number(0x3041, 0x3093)) for _ in range(self.number(2, 5)))
        return "".join(c if self.chance(0.6) else self.pick("äöüßéèêáíóúñçåøæłśž") for c in self.invented())

    def token(self) -> str:
        """One item of a phrase, of any kind, without spaces (dates apart)."""
        makers: tuple[Callable[[], str], ...] = (
                  self.word, self.word, self.word, self.name, self.city, self.nonce, self.nonce, self.decimal,
                  self.email, self.url, self.date, self.time, self.emoji, self.foreign, self.foreign,
                  lambda: self.digits(1, 8), lambda: self.word().upper(), lambda: self.word().capitalize())  # fmt: skip
        return self.pick(makers)()

    def sentence(self) -> str:
        """Words with commas, quotes, brackets, symbols and an end mark; some read like English."""
        plain = 0.45 if self.chance(0.5) else 0.0
        parts: list[str] = []
        for _ in range(self.number(2, 9)):
            if self.chance(plain):
                parts.append(self.pick(words.FUNCTION_WORDS))
                continue
            item = self.word() if self.chance(0.75) else self.token()
            parts.append(self._marked(item))
        text = " ".join(parts).rstrip(",;:")
        return text[0].upper() + text[1:] + self.phrase(".|.|.|!|?||...")

    def _marked(self, item: str) -> str:
        """The item as it is, or quoted, bracketed, followed by a mark, joined to another by a sign."""
        roll = self.rng.random()
        if roll > 0.26:
            return item
        if roll > 0.12:
            return item + self.phrase(",|,|,|,|;|:| -")
        number = self.digits(1, 3)
        other = self.word()
        options = (
            f"({item})", f'"{item}"', f"'{item}'", f"[{item}]", f"<{item}>", f"{{{item}}}", f"*{item}*", f"`{item}`",
            f"{number}%", f"${number}", f"~{number}", f"{number}^2", f"{number}+{number}", f"{number}:{number}",
            f"#{item}", f"@{item}", f"{item}'s", f"{item} & {other}", f"{item}/{other}", f"{item}={number}",
            f"{item} + {number}", f"{item}_{other}", f"{item}-{other}", f"\\{item}",
        )  # fmt: skip
        return self.pick(options)

    def anything(self) -> str:
        """What a user could ask to have repeated."""
        roll = self.rng.random()
        if roll < 0.3:
            return self.nonce()
        if roll < 0.45:
            return self.token()
        if roll < 0.75:
            return self.sentence()
        return " ".join(self.token() for _ in range(self.number(2, 6)))
