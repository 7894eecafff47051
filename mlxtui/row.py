"""One request as its events tell it: where it stands, how fast it goes, how long the rest takes.

Steps and the last event come in, figures go out; whatever needs the present takes `now`. It knows no other requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlxtui.events import Outcome, PrefillProgress, RequestFinished
from mlxtui.types import Priority

RowState = Literal["queued", "prefill", "decode", "done"]

BUCKET = 0.25  # seconds: a row's tokens are counted in buckets this wide
WINDOW = 8  # buckets: tok/s "now" looks back this far
STALLED_AFTER = 2.0  # seconds without a token while decoding


@dataclass(slots=True)
class Row:
    """One request. Times are Unix seconds, None while not reached; `ttft` and `total` are durations."""

    id: str
    endpoint: str
    client: str
    model: str
    stream: bool
    received: float
    state: RowState = "queued"
    queued: float | None = None
    prefill_started: float | None = None
    prefill_seen: float = 0.0
    decode_started: float | None = None
    last_token: float = 0.0
    finished: float | None = None
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    prefill_done: int = 0
    prefill_total: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    ttft: float | None = None
    total: float = 0.0
    status: int = 0
    outcome: Outcome | None = None
    error: str | None = None
    priority: Priority = "normal"
    recent: list[list[int]] = field(default_factory=list)
    """[bucket, tokens] of the last WINDOW buckets, oldest first."""

    def rate(self, now: float) -> float | None:
        """Tokens per second: over the last two seconds while decoding, over the whole answer once done."""
        if self.state == "done":
            return self._mean_rate()
        if self.state != "decode" or self.decode_started is None:
            return None
        oldest = int(now / BUCKET) - WINDOW + 1
        tokens = sum(count for bucket, count in self.recent if bucket >= oldest)
        span = now - max(oldest * BUCKET, self.decode_started)
        return tokens / max(span, BUCKET)

    def _mean_rate(self) -> float | None:
        """The first token belongs to the prefill: it is counted on neither side."""
        if self.finished is None or self.completion_tokens < 2 or self.ttft is None:
            return None
        seconds = self.total - self.ttft
        return (self.completion_tokens - 1) / seconds if seconds > 0 else None

    def prefill_rate(self) -> float | None:
        """Prompt tokens per second since the prefill began, as of its last step."""
        if self.prefill_started is None or self.prefill_seen <= self.prefill_started:
            return None
        return (self.prefill_done - self.cached_tokens) / (self.prefill_seen - self.prefill_started)

    def prefill_eta(self, now: float) -> float | None:
        """Seconds until the prefill is done at its rate so far."""
        rate = self.prefill_rate()
        if not rate:
            return None
        left = (self.prefill_total - self.prefill_done) / rate
        return max(0.0, left - max(0.0, now - self.prefill_seen))

    def cached_share(self) -> float | None:
        """Of the prompt; not known before the prefill."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens and self.state != "queued" else None

    def stalled(self, now: float) -> bool:
        return self.state == "decode" and now - self.last_token > STALLED_AFTER

    def phases(self, now: float) -> tuple[float, float, float]:
        """Seconds spent queued, in prefill and decoding so far."""
        end = self.finished if self.finished is not None else max(now, self.received)
        decode = self.decode_started if self.decode_started is not None else end
        prefill = self.prefill_started if self.prefill_started is not None else decode
        return max(0.0, prefill - self.received), max(0.0, decode - prefill), max(0.0, end - decode)

    def prefilled(self, progress: PrefillProgress, t: float) -> int:
        """Take in a prefill step; returns the number of prompt tokens it computed."""
        if self.prefill_started is None:
            self.prefill_started, self.state = t, "prefill"
            self.prefill_done = progress.cached
        new = max(0, progress.done - self.prefill_done)
        self.prefill_seen, self.prefill_done, self.prefill_total = t, progress.done, progress.total
        self.cached_tokens, self.prompt_tokens = progress.cached, progress.total
        return new

    def decoded(self, tokens: int, t: float, bucket: int) -> None:
        """Take in a decode step; `bucket` is int(t / BUCKET)."""
        if self.decode_started is None:
            self.decode_started, self.state = t, "decode"
            self.ttft = max(0.0, t - self.received)
        self.completion_tokens += tokens
        self.last_token = t
        recent = self.recent
        if recent and recent[-1][0] == bucket:
            recent[-1][1] += tokens
            return
        recent.append([bucket, tokens])
        while recent[0][0] <= bucket - WINDOW:
            del recent[0]

    def end(self, event: RequestFinished) -> None:
        """Take in the last event; its figures are the exact ones."""
        self.state, self.finished, self.recent = "done", event.t, []
        self.status, self.outcome, self.error = event.status, event.outcome, event.error
        self.prompt_tokens = event.prompt_tokens or self.prompt_tokens
        self.cached_tokens, self.completion_tokens = event.cached_tokens, event.completion_tokens
        self.reasoning_tokens, self.ttft, self.total = event.reasoning_tokens, event.ttft, event.total
