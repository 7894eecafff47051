"""The command line of `mlxtui responses`. Every heavy import stands inside the command that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

responses = typer.Typer(no_args_is_help=True, help="The responses that are kept on this machine.")
StoreFile = Annotated[
    Path | None,
    typer.Option("--store", help="The store.", envvar="MLXTUI_STORE", show_default="the one of the state directory"),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@responses.command("list")
def responses_list(
    store: StoreFile = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest responses, one a line."""
    from mlxtui.stored import show_list

    show_list(store, limit, as_json)


@responses.command("show")
def responses_show(id: str, store: StoreFile = None, as_json: AsJson = False) -> None:
    """One response: what was asked and what was answered."""
    from mlxtui.stored import show

    show(store, id, as_json)


@responses.command("delete")
def responses_delete(ids: list[str], store: StoreFile = None) -> None:
    """Forget responses, for good."""
    from mlxtui.stored import delete

    delete(store, ids)


@responses.command("export")
def responses_export(
    id: Annotated[str, typer.Argument(help="Of a response: its whole chain is exported; or of a conversation.")],
    store: StoreFile = None,
    out: Annotated[Path | None, typer.Option(help="The file to write.", show_default="standard output")] = None,
) -> None:
    """A chain of responses, or a conversation, as readable JSON."""
    from mlxtui.stored import export

    export(store, id, out)
