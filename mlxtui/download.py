"""A model on its way from the Hub, as the state keeps it: events come in, how far it is and how fast goes out."""

from __future__ import annotations

from dataclasses import dataclass

from mlxtui.events import Downloading, DownloadStatus


@dataclass(slots=True)
class Download:
    """`t` is when it was last heard of, `began` when its size was first known; `had_bytes` of it were here then."""

    model: str
    began: float
    t: float
    status: DownloadStatus = "running"
    done_bytes: int = 0
    total_bytes: int = 0
    detail: str = ""
    had_bytes: int | None = None

    def take(self, event: Downloading) -> None:
        if self.had_bytes is None and event.total_bytes:
            self.began, self.had_bytes = event.t, event.done_bytes
        self.t, self.status, self.detail = event.t, event.status, event.detail
        self.done_bytes, self.total_bytes = event.done_bytes, event.total_bytes

    @property
    def rate(self) -> float | None:
        """Bytes a second, on average."""
        fetched = self.done_bytes - (self.had_bytes or 0)
        return fetched / (self.t - self.began) if fetched > 0 and self.t > self.began else None

    @property
    def left(self) -> float | None:
        """Seconds that it will take, at that."""
        return (self.total_bytes - self.done_bytes) / self.rate if self.rate else None
