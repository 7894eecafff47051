"""Check: the conformance suite against this server or any other, in a child process, its rows turning as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.geometry import Size
from textual.screen import Screen

from mlxtui.client import ServerClient
from mlxtui.errors import UserError
from mlxtui.proof import FAIL, PROFILES, RUNNING, Probe, Proof
from mlxtui.tui.messages import TextCopyAsked
from mlxtui.tui.probing import finding_lines, summary_line
from mlxtui.tui.prove import Target, proving
from mlxtui.tui.screens.form import Field, Form
from mlxtui.tui.text import Line
from mlxtui.tui.view import Painted, View
from mlxtui.tui.widgets.header import header
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.pager import Pager
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.probes import ProbeTable
from mlxtui.tui.widgets.titles import entitle


class CheckScreen(Screen[None]):
    AUTO_FOCUS = "ProbeTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "run", "run", id="check.run", tooltip="Run the checks"),
        Binding("x", "stop", "stop", id="check.stop", tooltip="Stop; what is known by then stays"),
        Binding("u", "target", "URL", id="check.target", tooltip="Check this server or any other"),
        Binding("p", "profile", "profile", id="check.profile", tooltip="The next selection of checks"),
        Binding("f", "failed", "failed", id="check.failed", tooltip="Only what did not pass, and all again"),
        Binding("y", "copy", "copy", id="check.copy", tooltip="Copy the command that runs this check alone"),
        Binding("escape", "back", "Back", show=False, id="check.back", tooltip="Back to the list of checks"),
    ]

    def __init__(self, client: ServerClient) -> None:
        super().__init__()
        self._own = Target(client.url, client.api_key or "")
        self.target = self._own
        self.proof: Proof | None = None
        self._stop = asyncio.Event()
        self._only_failed = False
        self._view: View | None = None

    def compose(self) -> ComposeResult:
        yield Panel(header, id="header")
        yield Panel(self._summary, id="summary")
        with Container(id="check"):
            yield ProbeTable(id="probes")
            yield Pager(id="finding")
        yield Keys(id="keys")

    def on_mount(self) -> None:
        self.query_one("#finding", Pager).border_title = "finding"

    @property
    def running(self) -> bool:
        return self.proof is not None and not self.proof.ended

    def draw(self, view: View) -> None:
        self._view = view
        for panel in self.query(Panel):
            panel.draw(view)
        table, shown = self.query_one(ProbeTable), self._shown()
        looked_for = RUNNING if self.running else FAIL
        at = next((n for n, each in enumerate(shown) if each.verdict == looked_for), None)
        table.draw(shown, at, self._hint())
        subtitle = "only what did not pass" if self._only_failed else ""
        entitle(table, f"{self.target.url} · {self.target.profile}", subtitle)
        self.query_one("#finding", Pager).show(finding_lines(table.selected))

    def _shown(self) -> list[Probe]:
        probes = [] if self.proof is None else [*self.proof.probes.values()]
        return [each for each in probes if each.troubled or not self._only_failed]

    def _summary(self, view: View, area: Size) -> Painted:
        return Painted([summary_line(self.proof)])

    def _hint(self) -> list[Line]:
        if self.proof is not None and self.proof.probes:
            return [(("nothing failed so far", "dim"),)]
        return [
            (("proves that an endpoint keeps the promises of the OpenAI API", "dim"),),
            (),
            (("r  ", "accent"), ("runs the checks", "")),
            (("u  ", "accent"), ("chooses the server: this one, or any other", "")),
            (("p  ", "accent"), (f"chooses the checks: {', '.join(PROFILES)}", "")),
        ]

    def _redraw(self) -> None:
        if self._view is not None:
            self.draw(self._view)

    def action_run(self) -> None:
        if not self.running:
            self.proof = Proof(self.target.url, self.target.profile)
            self._stop = asyncio.Event()
            self.query_one(ProbeTable).following = True
            self.run_worker(self._prove(self.target, self.proof, self._stop), name="check")
            self._redraw()

    async def _prove(self, target: Target, proof: Proof, stop: asyncio.Event) -> None:
        trouble = ""
        try:
            async with aclosing(proving(target, stop)) as lines:
                async for line in lines:
                    proof.take(line)
        except (UserError, OSError, ValueError) as error:
            trouble = str(error)
        finally:
            proof.end(trouble)

    def action_stop(self) -> None:
        self._stop.set()

    def action_target(self) -> None:
        fields = [
            Field("url", "URL", self.target.url, self._own.url),
            Field("key", "API key", self.target.key, "none", secret=True),
        ]
        self.app.push_screen(Form("check which endpoint?", fields, self._aimed), self._aim)

    def _aimed(self, texts: Mapping[str, str]) -> Target:
        """Empty means this server. A key is for the server alone that it was typed for."""
        typed, key = texts["url"].strip().rstrip("/"), texts["key"].strip()
        url = typed if "://" in typed else f"http://{typed}"
        if not typed or url == self._own.url:
            return replace(self._own, profile=self.target.profile)
        if url != self.target.url and key == self.target.key:
            key = ""
        return Target(url, key, self.target.profile)

    def _aim(self, target: Target | None) -> None:
        self.target = target or self.target
        self._redraw()

    def action_profile(self) -> None:
        following = PROFILES[(PROFILES.index(self.target.profile) + 1) % len(PROFILES)]
        self.target = replace(self.target, profile=following)
        self._redraw()

    def action_failed(self) -> None:
        self._only_failed = not self._only_failed
        self._redraw()

    def action_copy(self) -> None:
        probe = self.query_one(ProbeTable).selected
        if probe is not None and probe.again:
            self.post_message(TextCopyAsked(probe.id, probe.again))

    def action_back(self) -> None:
        self.query_one(ProbeTable).focus()

    def on_probe_table_chosen(self) -> None:
        self._redraw()
