"""Building blocks of llguidance grammars in its Lark dialect: rules with names, free text, markers, JSON by a schema.

A marker may be a special token, several ordinary ones, or both in a row; only special tokens are written `<[id]>`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

ANY = "/(?s:.*)/"
# Else llguidance puts a special token in where the grammar wants the letters of its name, and calls that an error.
_SETTINGS = '%llguidance {"no_forcing": true}'


def literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if text else ""


@dataclass(slots=True)
class Lark:
    """A grammar under construction; `special` gives the token ids of the model's special tokens."""

    special: dict[str, int]
    _rules: dict[str, str] = field(default_factory=dict)  # from definition to name

    def text(self, start: str) -> str:
        rules = [name + definition for definition, name in self._rules.items()]
        return "\n".join([_SETTINGS, f"start: {start}", *rules])

    def rule(self, body: str) -> str:
        return self._named("r", ": " + body)

    def json(self, schema: str) -> str:
        return self.rule(f"%json {schema}")

    def choice(self, bodies: list[str]) -> str:
        return self.rule(" | ".join(bodies))

    def free(self, *without: str) -> str:
        """Any text, empty or not, that contains none of these."""
        found = [f"({ANY} {literal(text)} {ANY})" for text in without if text]
        return self._named("T", ": " + " & ".join([ANY, *("~" + f for f in found)]))

    def until(self, marker: str, *without: str) -> str:
        """Free text up to the first appearance of the marker, and the marker.

        A special token ends text by itself; then the text may not spell the marker either: who reads the output can't
        tell the difference. A marker that is only text must be a lazy lexeme's end.
        """
        if self._pieces(marker)[0] in self.special:
            return f"{self.free(marker, *without)} {self.marker(marker)}"
        return self._named("r", f"[lazy]: {self.free(*without)} {literal(marker)}")

    def marker(self, text: str) -> str:
        return " ".join(f"<[{self.special[p]}]>" if p in self.special else literal(p) for p in self._pieces(text))

    def space(self) -> str:
        """A little white space: bounded, so that weak models go on."""
        return self._named("T", ": /[ \\t\\r\\n]{0,4}/")

    def _pieces(self, text: str) -> list[str]:
        names = sorted((name for name in self.special if name), key=len, reverse=True)
        cut = re.split(f"({'|'.join(map(re.escape, names))})", text) if names else [text]
        return [piece for piece in cut if piece] or [""]

    def _named(self, kind: str, definition: str) -> str:
        if definition not in self._rules:
            self._rules[definition] = f"{kind}{len(self._rules)}"
        return self._rules[definition]
