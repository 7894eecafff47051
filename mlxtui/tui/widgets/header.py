"""The top line: is it up, which model, where, how busy. What matters less falls off at the right."""

from __future__ import annotations

from urllib.parse import urlsplit

from textual.geometry import Size

from mlxtui.tui.figures import age, percent, rate, size
from mlxtui.tui.text import Line, joined
from mlxtui.tui.view import Painted, View


def header(view: View, area: Size) -> Painted:
    parts = [_status(view)]
    if view.paused:
        parts.append((("‖ paused (space goes on)", "warn"),))
    if view.link.status == "connected" and view.link.detail:
        parts.append((("! " + view.link.detail, "warn"),))
    if view.state.server.started:
        parts += _figures(view)
    parts.append((("" if view.state.server.started else view.url, "dim"),))
    return Painted([joined(parts, "   ", area.width)])


def _status(view: View) -> Line:
    """Glyph and words: the link, the server, then the model."""
    model, link = view.state.model, view.link
    if link.status == "gone":
        return (("✗ server gone", "bad"), (f"  {link.detail}; trying again", "dim"))
    if not view.state.server.started:
        return _waiting(view.own, link.detail)
    if view.state.server.stopping:
        return (("◌ stopping…", "warn"), (f"  {model.name}", "bold"))
    match model.status:
        case "ready":
            return (("● ", "good"), (model.name, "bold"))
        case "down":
            return (("✗ engine down", "bad"), (_retry(view), "dim"))
        case "loading":
            return (("◐ loading ", "warn"), (model.name, "bold"), (f"  {age(view.now - model.since)}", "dim"))
        case "unloaded":
            return (("○ no model loaded", "warn"), (f"  {model.detail}", "dim"))
    return (("◐ starting the engine…", "warn"),)


def _waiting(own: bool, detail: str) -> Line:
    """Nobody listening yet is what starting looks like, if the server is our own; anything else is news."""
    if own and detail in ("", "nothing answers there"):
        return (("○ starting…", "warn"), ("  waiting for the server", "dim"))
    if not detail:
        return (("○ connecting…", "warn"),)
    return (("✗ not connected", "bad"), (f"  {detail}", ""), ("; trying again", "dim"))


def _retry(view: View) -> str:
    model = view.state.model
    if model.retry_at is None:
        return f"  {model.detail}"
    return f"  next try in {age(max(0.0, model.retry_at - view.now))}  {model.detail}"


def _figures(view: View) -> list[Line]:
    state = view.state
    memory, machine = state.memory.active_bytes, state.server.memory_bytes
    running, queued = state.count("prefill", "decode"), state.count("queued")
    used = size(memory) + (f" of {size(machine)}" if machine else "")
    parts: list[Line] = [
        (
            (f"{running} running", "good" if running else ""),
            (" / ", "dim"),
            (f"{queued} queued", "warn" if queued else ""),
        ),
        ((f"{rate(state.rates(view.now)[0])} tok/s", "decode"),),
        ((urlsplit(view.url).netloc, ""),),
        ((f"up {age(view.now - state.server.started)}", ""),),
    ]
    if memory:
        parts.append((("mem ", "dim"), (used, "")))
    if (hits := state.hit_rate()) is not None:
        parts.append((("cache ", "dim"), (f"{percent(hits)} hit", "")))
    return parts
