"""Numbers as people read them at a glance. Pure: values in, short strings out; "-" for what is not known."""

from __future__ import annotations

import math

UNKNOWN = "-"


def count(value: int | None) -> str:
    """12480 → 12,480; from a million on 1.20M."""
    if value is None:
        return UNKNOWN
    return f"{value:,}" if value < 1_000_000 else f"{value / 1e6:.2f}M"


def short(value: float) -> str:
    """1912 → 1.9k."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.0f}{unit}" if scaled >= 99.5 else f"{scaled:.1f}{unit}"
    return f"{value:.0f}"


def rate(value: float | None) -> str:
    """Tokens per second: 41.8, 141, 1.9k."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}" if value < 99.95 else short(value)


def percent(share: float | None) -> str:
    """Rounded down: 100% is said of nothing less."""
    return UNKNOWN if share is None else f"{math.floor(share * 100 + 1e-9)}%"


def duration(seconds: float | None) -> str:
    """0.31s, 8.4s, 42s, 1m05s, 1h12m, 3d04h."""
    if seconds is None:
        return UNKNOWN
    if seconds < 9.95:
        return f"{max(0.0, seconds):.2f}s" if seconds < 0.995 else f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    hours = whole // 3600
    return f"{hours}h{whole % 3600 // 60:02}m" if hours < 48 else f"{hours // 24}d{hours % 24:02}h"


def age(seconds: float) -> str:
    """Whole seconds: an age that flickers tells nothing."""
    return duration(float(int(seconds))) if seconds >= 10 else f"{max(0, int(seconds))}s"


def size(value: int) -> str:
    """Bytes in binary units, named as memory is sold: 17179869184 → 16.0 GB."""
    for limit, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.1f} {unit}" if scaled < 99.95 else f"{scaled:.0f} {unit}"
    return f"{value} B"


def bar(share: float, width: int) -> str:
    """A bar of `width` cells, in whole cells, at least one as soon as there is anything."""
    full = min(width, max(round(share * width), 1 if share > 0 else 0))
    return "█" * full + "░" * (width - full)
