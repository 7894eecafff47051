"""One frozen Settings for a whole run: flags > environment (MLXTUI_*) > mlxtui.toml > defaults.

Flags come in as a mapping; out goes a checked Settings or a SettingsError that names where the bad value stands.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from mlxtui.errors import SettingsError
from mlxtui.types import Sampling

KEYS = "keys"  # the one table of mlxtui.toml that is no setting of the server
EMBEDDED_MODEL = "mlxtui-tiny"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
REASONING_KEYS = {
    "both": ("reasoning_content", "reasoning"),
    "reasoning_content": ("reasoning_content",),
    "reasoning": ("reasoning",),
    "off": (),
}
Seconds = float
"""A length of time; "off" means without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting is a flag (`--max-running`), a variable (`MLXTUI_MAX_RUNNING`) and a key (`max_running`)."""

    model: str = EMBEDDED_MODEL
    """A local directory, a Hugging Face id that is already on disk, or the embedded model."""
    model_folders: tuple[str, ...] = ()
    """Where models lie besides the Hugging Face cache: each a model, or a folder of them."""
    host: str = "127.0.0.1"
    port: int = 8080
    api_key: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    """Host names besides the loopback ones that a request may carry in its Host header."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins (https://example.org) that browsers may call from; none by default."""
    context_length: int | None = None
    """Lower than the model's own to save memory; None: the model's own."""
    kv_bits: int | None = None
    """4 or 8: bits of a quantised KV cache, with which requests run one at a time; None: the model's own precision."""
    draft_model: str | None = None
    """A smaller model of the same vocabulary that proposes tokens, with which requests run one at a time."""
    volatile_lines: str = "drop"
    """"keep": the model also reads what agents write for their maker's servers, see `volatile`."""
    max_running: int = 32
    max_queued: int = 128
    keep_requests: int = 256
    """Finished requests that the inspector still shows, bodies and all; 0: none. The prompt cache keeps its own."""
    cache_bytes: int | None = None
    """Memory for the prompt cache; None: a quarter of what the model's weights leave."""
    disk_cache_bytes: int = 4 << 30
    """Disk for what the prompt cache has no room for in memory, and for the next start; 0: none."""
    disk_cache_ttl: Seconds = 86_400.0
    """Seconds that it is kept after its last use; "off": for ever."""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    reasoning_keys: str = "both"
    """The keys of a chat answer that carry its reasoning, one of REASONING_KEYS; "off" keeps it from clients."""
    store: Path | None = None
    """Where responses and conversations are kept; None: store.sqlite3 in `home`."""
    store_ttl: Seconds = 3600.0
    """Seconds that a chain of responses or a conversation is kept after its last use; "off": for ever."""
    store_archive: str = "off"
    """"on": what is kept no longer goes to conversation_logs/ in `home`, as JSON."""
    heartbeat: float = 5.0
    """Seconds of silence on a stream after which a keep-alive comment is sent."""
    grace: float = 10.0
    """Seconds that running requests get to finish after SIGTERM or Ctrl-C."""
    max_body_bytes: int = 16 << 20
    log_level: str = "info"
    log_file: Path | None = None
    record: Path | None = None
    """Write every exchange to this recording."""
    replay: Path | None = None
    """Answer from this recording; no model is loaded."""
    replay_speed: float = 1.0
    """Times the recorded speed; 0: as fast as clients read."""
    home: Path = Path(platformdirs.user_state_dir("mlxtui", appauthor=False))

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and not self.api_key:
            raise SettingsError(
                f"host {self.host!r} is reachable from other machines: set an API key (--api-key or MLXTUI_API_KEY)"
            )
        if self.api_key is not None and not _fits_a_header(self.api_key):
            raise SettingsError("api_key must be printable ASCII without space around it: a header can't carry more")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise SettingsError(f"log_level must be debug, info, warning or error, not {self.log_level!r}")
        if self.volatile_lines not in ("drop", "keep"):
            raise SettingsError(f"volatile_lines must be drop or keep, not {self.volatile_lines!r}")
        if self.kv_bits not in (None, 4, 8):
            raise SettingsError(f"kv_bits must be 4 or 8, not {self.kv_bits}: without it the cache is exact")
        if self.reasoning_keys not in REASONING_KEYS:
            raise SettingsError(
                f"reasoning_keys must be both, reasoning_content, reasoning or off, not {self.reasoning_keys!r}"
            )
        if self.store_archive not in ("on", "off"):
            raise SettingsError(f"store_archive must be on or off, not {self.store_archive!r}")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SettingsError(f"{name} must be between {low} and {high}, not {value}")

    @property
    def disk_cache(self) -> Path | None:
        """The directory of the prompt cache's files; None: there are to be none."""
        return self.home / "cache" if self.disk_cache_bytes else None

    @property
    def store_path(self) -> Path:
        return self.store or self.home / "store.sqlite3"

    @property
    def sampling(self) -> Sampling:
        """The operator's defaults, over the model's and under the request's."""
        return Sampling(temperature=self.temperature, top_p=self.top_p, top_k=self.top_k, min_p=self.min_p)


def _fits_a_header(key: str) -> bool:
    return key.isascii() and key.isprintable() and key.strip() == key != ""


_RANGES = (
    ("port", 0, 65535),
    ("context_length", 16, 1 << 24),
    ("max_running", 1, 256),
    ("max_queued", 0, 100_000),
    ("keep_requests", 0, 100_000),
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("top_k", 0, 1 << 20),
    ("min_p", 0, 1),
    ("store_ttl", 1, math.inf),
    ("disk_cache_bytes", 0, 1 << 50),
    ("disk_cache_ttl", 1, math.inf),
    ("heartbeat", 0.05, 60),
    ("grace", 0, 600),
    ("replay_speed", 0, 1000),
    ("max_body_bytes", 1024, 1 << 30),
)


def load_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, directory: Path | None = None
) -> Settings:
    """Settings from all four sources; a flag that is None was not given.

    `directory` is where mlxtui.toml is looked for (default: the current one).

    Raises:
        SettingsError: an unknown key, or a value that does not fit its setting.
    """
    file = (directory or Path()) / "mlxtui.toml"
    sources = [
        (str(file), {name: value for name, value in _from_file(file).items() if name != KEYS}),
        ("the environment", _from_environ(environ)),
        ("the command line", {k: v for k, v in flags.items() if v is not None}),
    ]
    merged: dict[str, Any] = {}
    for source, values in sources:
        merged |= _checked(source, values)
    return Settings(**merged)


def is_given(
    name: str, flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, directory: Path | None = None
) -> bool:
    """Whether a person set this setting anywhere, be it to its default."""
    sources = (flags, _from_environ(environ), _from_file((directory or Path()) / "mlxtui.toml"))
    return any(source.get(name) is not None for source in sources)


def load_keys(directory: Path | None = None) -> dict[str, str]:
    """The dashboard's `[keys]` in mlxtui.toml: keys by the names of bindings.

    Raises:
        SettingsError: the file can't be read, or that is no table of strings.
    """
    file = (directory or Path()) / "mlxtui.toml"
    keys = _from_file(file).get(KEYS, {})
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise SettingsError(f'[keys] in {file} must have lines like "home.filter" = "f"')
    return keys


def state_home(environ: Mapping[str, str] = os.environ, directory: Path | None = None) -> Path:
    """`home` alone, for those who need no other setting and can't be stopped by a wrong one.

    Raises:
        SettingsError: mlxtui.toml can't be read.
    """
    told = _from_file((directory or Path()) / "mlxtui.toml").get("home")
    return Path(environ.get("MLXTUI_HOME") or str(told or Settings().home))


def _from_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{file} can't be read: {error}") from error


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    names = {f.name: f"MLXTUI_{f.name.upper()}" for f in fields(Settings)}
    found: dict[str, Any] = {name: environ[var] for name, var in names.items() if environ.get(var)}
    for listed in ("allowed_hosts", "allowed_origins", "model_folders"):
        if listed in found:
            found[listed] = [part.strip() for part in found[listed].split(",") if part.strip()]
    return found


def _checked(source: str, values: Mapping[str, Any]) -> dict[str, Any]:
    kinds: dict[str, Any] = {f.name: f.type for f in fields(Settings)}
    checked = {}
    for name, value in values.items():
        if name not in kinds:
            known = ", ".join(sorted(kinds))
            raise SettingsError(f"{source} sets {name!r}, which is no setting; there are: {known}")
        try:
            checked[name] = TypeAdapter(_TYPES[kinds[name]]).validate_python(value)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise SettingsError(f"{name} = {value!r} in {source} is wrong: {why}") from error
    return checked


_TYPES: dict[str, Any] = {
    "str": str,
    "str | None": str | None,
    "int": int,
    "int | None": int | None,
    "float": float,
    "float | None": float | None,
    "Seconds": Annotated[float, BeforeValidator(lambda value: math.inf if value == "off" else value)],
    "Path": Path,
    "Path | None": Path | None,
    "tuple[str, ...]": tuple[str, ...],
}
