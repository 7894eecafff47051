"""The command line of `mlxtui models`. Every heavy import stands inside the command that needs it."""

from __future__ import annotations

from typing import Annotated

import typer

models = typer.Typer(no_args_is_help=True, help="The models on this machine and on the Hugging Face Hub.")
Url = Annotated[str, typer.Option("--url", help="The server's address.", envvar="MLXTUI_URL")]
Key = Annotated[str | None, typer.Option("--api-key", help="The server's API key.", envvar="MLXTUI_API_KEY")]
DEFAULT_URL = "http://127.0.0.1:8080"
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@models.command("list")
def models_list(as_json: AsJson = False) -> None:
    """The models on this machine: in the Hugging Face cache and in the folders of the setting model_folders."""
    from mlxtui.shelf import show_list

    show_list(as_json)


@models.command("search")
def models_search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Part of the name, e.g. qwen3-4b.")],
    as_json: AsJson = False,
) -> None:
    """Look for models in MLX's format on the Hugging Face Hub."""
    from mlxtui.shelf import search

    search(text, as_json)


@models.command("pull")
def models_pull(
    id: Annotated[str, typer.Argument(metavar="ID", help="As mlxtui models search has it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Progress as one JSON object a line.")] = False,
) -> None:
    """Download a model from the Hub. Ctrl-C stops it; the same command goes on from there."""
    from mlxtui.shelf import pull

    raise typer.Exit(pull(id, as_json))


@models.command("rm")
def models_rm(
    id: Annotated[str, typer.Argument(metavar="ID", help="As mlxtui models list has it.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a model from the Hugging Face cache."""
    from mlxtui.shelf import remove

    remove(id, yes)


@models.command("load")
def models_load(
    id: Annotated[str, typer.Argument(metavar="ID", help="As mlxtui models list has it.")],
    url: Url = DEFAULT_URL,
    api_key: Key = None,
) -> None:
    """Have a running server exchange its model. What it is answering gets the grace period to finish."""
    from mlxtui.shelf import change

    change(url, api_key, "load", id)


@models.command("unload")
def models_unload(url: Url = DEFAULT_URL, api_key: Key = None) -> None:
    """Have a running server unload its model; it stays up, and its memory returns."""
    from mlxtui.shelf import change

    change(url, api_key, "unload")
