"""Which keys can be given to something else, and whether what a person wrote about them makes sense.

The `[keys]` table of mlxtui.toml comes in, a keymap for Textual goes out. Run as a program it writes docs/keys.md.
"""

from __future__ import annotations

import importlib
import pkgutil
import unicodedata
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import REPLACED_KEYS, Keys

import mlxtui.tui
from mlxtui.errors import SettingsError

MODIFIERS = {"ctrl", "shift", "alt", "meta", "super", "hyper"}
DOCUMENT = """\
# Keys

Every key of the dashboard can be another one, by a line in `mlxtui.toml` in the directory that `mlxtui up` or
`mlxtui attach` is started in:

```toml
[keys]
"home.filter" = "f"            # one key
"request.cancel" = "delete,d"  # or several
"app.pause" = "ctrl+s"
```

On the left stands the name of the binding, on the right keys by their character or by name (`f5`, `enter`, `ctrl+x`,
`question_mark`). A key that is given to one binding is taken from the one that had it on the same screen. A name or a
key that does not exist is said at the start.

| Name | Key | What it does |
|---|---|---|
"""


def bindings() -> list[Binding]:
    """Every binding of the dashboard that has a name, sorted by it; the first of each name has all its keys."""
    for module in pkgutil.walk_packages(mlxtui.tui.__path__, "mlxtui.tui."):
        importlib.import_module(module.name)
    found: dict[str, Binding] = {}
    for kind in _ours(DOMNode):
        for binding in vars(kind).get("BINDINGS", ()):
            if isinstance(binding, Binding) and binding.id and not binding.system:
                found.setdefault(binding.id, binding)
    return [found[name] for name in sorted(found)]


def _ours(kind: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for each in kind.__subclasses__():
        if each.__module__.startswith("mlxtui.tui."):
            yield each
        yield from _ours(each)


def checked(keys: Mapping[str, str]) -> Mapping[str, str]:
    """`keys` as they are.

    Raises:
        SettingsError: no binding has that name, or there is no such key.
    """
    known = {binding.id or "" for binding in bindings()} if keys else set()
    for name, written in keys.items():
        if name not in known:
            near = get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else "docs/keys.md has them all"
            raise SettingsError(f"[keys] {name!r} in mlxtui.toml is no binding; {hint}")
        for key in written.split(","):
            if not is_key(key.strip()):
                raise SettingsError(
                    f"[keys] {name} = {written!r} in mlxtui.toml: {key.strip()!r} is no key; "
                    "keys are single characters or names like f5, enter, ctrl+x"
                )
    return keys


def is_key(key: str) -> bool:
    """Whether a terminal may ever send it under this name."""
    if len(key) == 1:
        return key.isprintable()
    *modifiers, name = key.split("+")
    if not MODIFIERS.issuperset(modifiers):
        return False
    return key in _NAMED or name in _NAMED or len(name) == 1 or name in REPLACED_KEYS or _is_unicode_name(name)


_NAMED = {key.value for key in Keys if not key.value.startswith("<")}


def _is_unicode_name(name: str) -> bool:
    try:
        return bool(unicodedata.lookup(name.replace("_", " ")))
    except KeyError:
        return False


def document() -> str:
    rows = (
        f"| `{each.id}` | `{each.key.replace(',', '` `')}` | {each.tooltip or each.description} |"
        for each in bindings()
    )
    return DOCUMENT + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(document(), end="")
