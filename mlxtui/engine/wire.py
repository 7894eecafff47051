"""What the server and its worker say to each other: frozen values as length-prefixed pickles over a local socket pair.

The worker speaks once per engine *step*, never per token. Only our own child is at the other end, hence pickle.
Knows neither MLX nor asyncio's loop beyond a StreamReader.
"""

from __future__ import annotations

import asyncio
import math
import pickle
import socket
import struct
import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxtui.engine.interface import ChatPrompt, Failure, Job, ParsedCall, Piece, Prefill, Rendered, Spelling, Stats
from mlxtui.events import LogLevel
from mlxtui.kept import Cache, CacheAction
from mlxtui.types import ModelInfo, Priority, TextPrompt, Tool

if TYPE_CHECKING:  # pydantic comes with it, which the worker has no use for
    from mlxtui.settings import Settings

_HEADER = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Setup:
    """The first command: what to load and how much of the machine it may take."""

    model: str
    context_length: int | None
    max_running: int
    cache_bytes: int | None
    kv_bits: int | None = None
    draft_model: str | None = None
    disk_cache: Path | None = None
    disk_cache_bytes: int = 0
    disk_cache_ttl: float = math.inf

    @classmethod
    def of(cls, model: str, settings: Settings) -> Setup:
        """What `settings` say, for a model that need not be theirs."""
        names = (field.name for field in fields(cls) if field.name != "model")
        return cls(model, **{name: getattr(settings, name) for name in names})


@dataclass(frozen=True, slots=True)
class Submit:
    job: Job


@dataclass(frozen=True, slots=True)
class Cancel:
    id: str


@dataclass(frozen=True, slots=True)
class Prioritise:
    id: str
    priority: Priority


@dataclass(frozen=True, slots=True)
class ParseCalls:
    ticket: int
    text: str
    tools: tuple[Tool, ...]


@dataclass(frozen=True, slots=True)
class Tokenize:
    ticket: int
    prompt: ChatPrompt | TextPrompt


@dataclass(frozen=True, slots=True)
class Detokenize:
    ticket: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spell:
    ticket: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskCache:
    """What the prompt cache keeps, once `action` is done to the entry `id`: for the thread that owns the cache."""

    ticket: int
    action: CacheAction | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Loading:
    detail: str


@dataclass(frozen=True, slots=True)
class Ready:
    model: ModelInfo


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The model can't be loaded; `message` is one sentence for a person."""

    message: str


@dataclass(frozen=True, slots=True)
class Parsed:
    ticket: int
    calls: tuple[ParsedCall, ...]


@dataclass(frozen=True, slots=True)
class Tokenized:
    """The answer to Tokenize and to Detokenize."""

    ticket: int
    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spelled:
    """The answer to Spell, in the order of its tokens."""

    ticket: int
    spellings: tuple[Spelling, ...]


@dataclass(frozen=True, slots=True)
class CacheTold:
    ticket: int
    cache: Cache


@dataclass(frozen=True, slots=True)
class Declined:
    """A question can't be answered; the failure belongs to no job."""

    ticket: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    level: LogLevel
    message: str
    job: str | None = None


@dataclass(frozen=True, slots=True)
class StepReport:
    """All that one engine step brought."""

    prefills: tuple[Prefill, ...]
    pieces: tuple[Piece, ...]
    failures: tuple[Failure, ...]
    stats: Stats


Question = ParseCalls | Tokenize | Detokenize | Spell
Command = Setup | Submit | Cancel | Prioritise | Question | AskCache
Report = (
    Loading
    | Ready
    | LoadFailed
    | Rendered
    | Failure
    | StepReport
    | Parsed
    | Tokenized
    | Spelled
    | CacheTold
    | Declined
    | Note
)


def frame(message: Command | Report) -> bytes:
    """The message as it goes over the socket: 4 bytes of length, then the pickle."""
    payload = pickle.dumps(_packed(message), pickle.HIGHEST_PROTOCOL)
    return _HEADER.pack(len(payload)) + payload


def _packed(message: Command | Report) -> Any:
    """A StepReport as plain tuples: pickling 32 frozen slotted dataclasses would cost the worker ten times as much."""
    if not isinstance(message, StepReport):
        return message
    pieces = [(p.id, p.text, p.tokens, p.finish, p.logprobs) for p in message.pieces]
    stats = message.stats
    numbers = tuple(getattr(stats, name) for name in Stats.__slots__)
    return (message.prefills, pieces, message.failures, numbers)


def _unpacked(payload: bytes) -> Any:
    message = pickle.loads(payload)
    if not isinstance(message, tuple):
        return message
    prefills, pieces, failures, numbers = message
    return StepReport(prefills, tuple(Piece(*p) for p in pieces), failures, Stats(*numbers))


async def receive(reader: asyncio.StreamReader) -> Report | None:
    """The worker's next report; None when it has hung up."""
    try:
        (size,) = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        report: Report = _unpacked(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return report


class Link:
    """The worker's end: blocking, sent to by several threads, received from by one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._sending = threading.Lock()

    def send(self, report: Command | Report) -> None:
        """Send whole; silently nothing when the server is gone (`receive` tells that)."""
        try:
            with self._sending:
                self._connection.sendall(frame(report))
        except OSError:
            pass

    def receive(self) -> Command | None:
        """The next command; None when the server has hung up."""
        try:
            header = self._stream.read(_HEADER.size)
            if len(header) < _HEADER.size:
                return None
            (size,) = _HEADER.unpack(header)
            payload = self._stream.read(size)
        except OSError:
            return None
        if len(payload) < size:
            return None
        command: Command = _unpacked(payload)
        return command
