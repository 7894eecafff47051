"""The Hugging Face Hub: words come in, models that MLX can load come out; and what its errors mean to a person.

Blocking, and slow to import what it needs: run it where nobody waits. Knows no disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, get_args

from mlxtui.errors import UserError
from mlxtui.models.entry import Fit, fit

LIMIT = 30
_WIDTHS = {"F64": 8, "I64": 8, "F32": 4, "U32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}


@dataclass(frozen=True, slots=True)
class Hit:
    """A model on the Hub. `weights_bytes` 0 and `fit` None: the Hub does not know its size. `updated`: a date."""

    id: str
    weights_bytes: int
    fit: Fit | None
    downloads: int
    updated: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Hit:
        """Raises:
        ValueError: it was written by another version.
        """
        try:
            hit = cls(**data)
        except TypeError as error:
            raise ValueError(f"not a search result of this version of mlxtui: {error}") from error
        if hit.fit not in (None, *get_args(Fit)):
            raise ValueError(f"not a search result of this version of mlxtui: {hit.fit!r}")
        return hit


def search(text: str) -> list[Hit]:
    """Models in MLX's format with `text` in their id, those that are downloaded most first.

    Raises:
        UserError: offline, or the Hub does not answer.
    """
    import psutil
    from huggingface_hub import HfApi

    with plainly(text):
        found = HfApi().list_models(
            search=text,
            filter="mlx",
            sort="downloads",
            limit=LIMIT,
            expand=["downloads", "lastModified", "safetensors"],
        )
        return [_hit(info, psutil.virtual_memory().total) for info in found]


def _hit(info: Any, memory: int) -> Hit:
    parameters = info.safetensors.parameters if info.safetensors else {}
    weights = sum(count * _WIDTHS.get(kind, 1) for kind, count in parameters.items())
    updated = info.last_modified.date().isoformat() if info.last_modified else ""
    return Hit(info.id, weights, fit(weights, memory) if weights else None, info.downloads or 0, updated)


@contextmanager
def plainly(id: str) -> Iterator[None]:
    """Each way in which the Hub or the way to it can fail, as one sentence.

    Raises:
        UserError: instead of what went wrong inside.
    """
    import httpx2
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    try:
        offline()
        yield
    except errors.GatedRepoError as error:
        raise UserError(f"{id} is gated: accept its terms at {hub}/{id}, then: hf auth login") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"there is no model {id!r} on {hub}, or it is private (then: hf auth login)") from error
    except errors.HfHubHTTPError as error:
        raise UserError(f"{hub} answered with HTTP {error.response.status_code}: try again later") from error
    except (httpx2.TransportError, errors.LocalEntryNotFoundError) as error:
        raise UserError(f"{hub} can't be reached ({type(error.__cause__ or error).__name__})") from error


def offline() -> None:
    """Raises:
    UserError: the person has forbidden all traffic to the Hub.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise UserError("HF_HUB_OFFLINE is set: nothing is asked of the Hub; unset it to search and download")
