"""What the prompt cache keeps, and whose it is. Knows neither how it is found nor when it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from mlxtui.engine.interface import ChatPrompt, Miss
from mlxtui.events import MissReason
from mlxtui.text import safe_text
from mlxtui.types import TextPrompt

if TYPE_CHECKING:
    from mlxtui.engine.worker.cache.stem import Stem

_SHOWN = 16  # tokens on either side of a parting
_OPENING = 80  # characters that tell a conversation from others
_HEAD = 256  # of a text without messages: what begins with as many alike is taken for the same file or form


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a prompt comes from. `root` names the conversation: all its turns, branches and retries have the same.

    `opening` is how the conversation begins, safe to show; `job` the last one that was part of it. `key` stands for
    the client's own name for it, if it has one.
    """

    root: str = ""
    opening: str = ""
    job: str = ""
    key: str = ""

    @property
    def family(self) -> str:
        """Conversations of one family share one quota: those of one key, or the turns of one."""
        return self.key or self.root


UNKNOWN = Origin()


def origin_of(job: str, prompt: ChatPrompt | TextPrompt, key: str | None = None) -> Origin:
    """A conversation is all that goes on from the same system messages and the same first message of the user.

    `key` is a client's own name for it.
    """
    if isinstance(prompt, TextPrompt):
        head = prompt.text[:_HEAD]
        opening = head if isinstance(head, str) else ""
    else:
        first = next((i for i, message in enumerate(prompt.messages) if message.role == "user"), 0)
        head = repr(prompt.messages[: first + 1])
        opening = prompt.messages[first].content if prompt.messages else ""
    return Origin(_hashed(repr(head)), shown(opening), job, _hashed(key) if key else "")


def _hashed(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]


def shown(text: str) -> str:
    """The opening of a conversation, short and safe."""
    line = " ".join(safe_text(text[: 4 * _OPENING]).split())
    return line if len(line) <= _OPENING else line[: _OPENING - 1] + "…"


@dataclass(slots=True, eq=False)
class Entry:
    """`caches` hold exactly the tokens of `key`, or of them what follows those of `stem`. Times in Unix seconds.

    `nbytes`: its own, and its part of the stem's.
    `cuttable`: it serves any beginning of its tokens, not only the whole.
    `returned`: its conversation came back, or was never away: this is no one-shot prompt.
    `offered`: the disk was asked to keep it while it rests.
    """

    id: str
    key: bytes
    caches: list[Any]
    nbytes: int
    origin: Origin
    created: float
    used: float
    cuttable: bool
    hits: int = 0
    returned: bool = False
    pinned: bool = False
    offered: bool = False
    stem: Stem | None = None

    def serves(self, key: bytes) -> bool:
        """Whether it does what an entry of this key would."""
        return key == self.key or (self.cuttable and self.key.startswith(key))


class Parting(NamedTuple):
    """Why no more of a prompt was found: it parts from the nearest one after `at` tokens, where that had `was`."""

    reason: MissReason
    at: int
    was: Sequence[int]

    def told(self, tokens: Sequence[int], bytes_of: Callable[[int], bytes]) -> Miss:
        """In words, for a prompt of these tokens."""
        if self.reason == "new":
            return Miss("new")
        sides = self.was[:_SHOWN], tokens[self.at : self.at + _SHOWN]
        was, now = (b"".join(map(bytes_of, side)).decode(errors="replace") for side in sides)
        return Miss(self.reason, self.at, was, now)
