"""The command line: flags in, exit codes out. Every heavy import stands inside the command that needs it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from mlxtui import __version__
from mlxtui.bench import ABOUT
from mlxtui.cli_models import models
from mlxtui.cli_responses import responses
from mlxtui.errors import UserError

app = typer.Typer(
    name="mlxtui",
    help="An OpenAI-compatible inference server for Apple's MLX, operated from the terminal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that is a setting: `name` is the field of Settings, `default` is what its help shows."""

    name: str
    kind: Any
    help: str
    default: str = ""
    panel: str = "Server"


FLAGS = (
    Flag("host", str, "Address to listen on; other than loopback needs --api-key.", "127.0.0.1"),
    Flag("port", int, "Port to listen on; 0 picks a free one.", "8080"),
    Flag("api_key", str, "Key that clients must send; better given as MLXTUI_API_KEY."),
    Flag("allowed_hosts", list[str], "Further Host name that requests may carry; repeatable."),
    Flag("allowed_origins", list[str], "Web origin that browsers may call from; repeatable."),
    Flag("max_running", int, "Requests decoding at once.", "32"),
    Flag("max_queued", int, "Requests waiting beyond those; more get 429.", "128"),
    Flag("keep_requests", int, "Finished requests that the inspector can show, in memory only; 0: none.", "256"),
    Flag("max_body_bytes", int, "Longest request body.", "16 MiB"),
    Flag("grace", float, "Seconds that running requests get to finish on shutdown.", "10"),
    Flag("heartbeat", float, "Seconds of silence before a keep-alive on a stream.", "5"),
    Flag("reasoning_keys", str, "Reasoning in chat answers: both, reasoning_content, reasoning or off.", "both"),
    Flag("model_folders", list[str], "Further folder of models to choose from; repeatable.", "", "Model"),
    Flag("context_length", int, "Longest prompt plus answer, in tokens.", "the model's own", "Model"),
    Flag("cache_bytes", int, "Memory for reusing prompts.", "a quarter of what is left", "Model"),
    Flag("volatile_lines", str, "keep: let the model read the billing headers of agents, too.", "drop", "Model"),
    Flag("kv_bits", int, "4 or 8: quantised KV cache; requests then run one at a time.", "off", "Model"),
    Flag("draft_model", str, "Smaller model that drafts for it; requests then run one at a time.", "none", "Model"),
    Flag("disk_cache_bytes", int, "Disk for reusing prompts after a restart; 0: none.", "4 GiB", "Model"),
    Flag("disk_cache_ttl", str, "Seconds that they stay there after their last use, or off.", "86400", "Model"),
    Flag("temperature", float, "For requests that don't say.", "the model's own", "Sampling"),
    Flag("top_p", float, "For requests that don't say.", "the model's own", "Sampling"),
    Flag("top_k", int, "For requests that don't say.", "the model's own", "Sampling"),
    Flag("min_p", float, "For requests that don't say.", "the model's own", "Sampling"),
    Flag("store", Path, "File that keeps responses.", "store.sqlite3 in the state directory", "Responses"),
    Flag("store_ttl", str, "Seconds that a chain is kept after its last turn, or off.", "3600", "Responses"),
    Flag("store_archive", str, "on: expired ones go to conversation_logs/ as JSON.", "off", "Responses"),
    Flag("log_level", str, "debug, info, warning or error.", "info", "Logs and recordings"),
    Flag("log_file", Path, "Where the log goes.", "logs/server.log in the state directory", "Logs and recordings"),
    Flag("record", Path, "Write every exchange to this recording.", "", "Logs and recordings"),
    Flag("replay", Path, "Answer from this recording instead of a model.", "", "Logs and recordings"),
    Flag("replay_speed", float, "Times the recorded speed; 0: as fast as it goes.", "1", "Logs and recordings"),
)
app.add_typer(models, name="models")
app.add_typer(responses, name="responses")
SOURCES = "Every flag can also be set in mlxtui.toml (port = 8080) or in the environment (MLXTUI_PORT=8080)."

Url = Annotated[str, typer.Argument(help="The server's address.", envvar="MLXTUI_URL")]
Key = Annotated[str | None, typer.Option("--api-key", help="The server's API key.", envvar="MLXTUI_API_KEY")]
Looking = Annotated[bool, typer.Option("--readonly", help="Only look: nothing is changed from this dashboard.")]
EndpointKey = Annotated[str | None, typer.Option("--api-key", help="The endpoint's key.", envvar="OPENAI_API_KEY")]
DEFAULT_URL = "http://127.0.0.1:8080"


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the MODEL argument and all FLAGS; it gets those that were given, as one mapping, and its own."""
    _, *own = inspect.signature(command, eval_str=True).parameters.values()

    def run(**given: Any) -> None:
        mine = {parameter.name: given.pop(parameter.name) for parameter in own}
        command({name: value for name, value in given.items() if value not in (None, [])}, **mine)

    about = "A directory, or a Hugging Face id that is on disk."
    model = typer.Argument(help=about, metavar="MODEL", show_default="the embedded model")
    parameters = [_parameter("model", str, model), *own]
    for flag in FLAGS:
        option = typer.Option(
            "--" + flag.name.replace("_", "-"),
            help=flag.help,
            show_default=flag.default or False,
            rich_help_panel=flag.panel,
        )
        parameters.append(_parameter(flag.name, flag.kind, option))
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _parameter(name: str, kind: Any, info: Any) -> inspect.Parameter:
    annotation = Annotated[kind | None, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


@app.command(epilog=SOURCES)
@takes_settings
def up(flags: dict[str, Any], *, readonly: Looking = False) -> None:
    """Serve a model and watch it: starts a server and opens the dashboard on it."""
    from mlxtui.settings import load_settings
    from mlxtui.up import run_up

    raise typer.Exit(run_up(load_settings(flags), flags, readonly))


@app.command(epilog=SOURCES)
@takes_settings
def serve(flags: dict[str, Any]) -> None:
    """Serve a model without a dashboard, one line per event. Ctrl-C drains, a second Ctrl-C does not wait."""
    from mlxtui.serve import run_serve
    from mlxtui.settings import load_settings

    run_serve(load_settings(flags))


@app.command()
def attach(url: Url = DEFAULT_URL, api_key: Key = None, readonly: Looking = False) -> None:
    """Open the dashboard on a server that runs already."""
    from mlxtui.up import attach as run_attach

    raise typer.Exit(run_attach(url, api_key, readonly))


@app.command()
def status(
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    once: Annotated[bool, typer.Option("--once", help="Print one table and exit (the default).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole state as JSON and exit.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Print a new table whenever something changes.")] = False,
) -> None:
    """What a server is doing, as plain text."""
    from mlxtui.up import status as run_status

    raise typer.Exit(run_status(url, api_key, as_json=as_json, watch=watch and not once))


PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command(context_settings=PASSED_ON, options_metavar="[URL]... [OPTIONS]")
def check(context: typer.Context) -> None:
    """Prove OpenAI-compatible endpoints; without a URL, a server of our own. `mlxtui check --help` tells more."""
    from mlxtui_conformance.app import main as run_checks
    from mlxtui_conformance.arguments import options as read

    options = read(context.args, "mlxtui check", " (a server of our own)")
    if options.urls or options.list_only or options.explain:
        raise typer.Exit(run_checks(options))
    from mlxtui.up import own_server

    with own_server() as own:
        raise typer.Exit(run_checks(replace(options, urls=(own,))))


def _patterns(given: list[str] | None) -> tuple[str, ...]:
    return tuple(pattern for entry in given or () for pattern in entry.split(",") if pattern)


@app.command(help=ABOUT)
def bench(
    urls: Annotated[
        list[str] | None, typer.Argument(metavar="URL", help="Endpoints.", show_default="a server of our own")
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="Model to ask; once, or once for each URL.")] = None,
    api_key: EndpointKey = None,
    clients: Annotated[str, typer.Option(help="How many clients at once, with commas.")] = "1,2,4,8,16,32",
    tokens: Annotated[int, typer.Option(help="Tokens of each answer.")] = 128,
    prompt_tokens: Annotated[int, typer.Option(help="Tokens of a long prompt, about.")] = 4096,
    rounds: Annotated[int, typer.Option(help="How often everything is measured.")] = 3,
    select: Annotated[list[str] | None, typer.Option(help="Only these scenarios.")] = None,
    floor: Annotated[str | None, typer.Option(metavar="MODEL", help="Measure the bare batch loop on it too.")] = None,
    nonce: Annotated[str, typer.Option(help="Use the prompts of an earlier run with it.", show_default="random")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds for each measurement.")] = 300.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    yes_remote: Annotated[bool, typer.Option("--yes-remote", help="Send load to hosts other than this one.")] = False,
) -> None:
    from mlxtui.bench.app import main as run_bench
    from mlxtui.bench.options import Options, numbers

    options = Options(
        urls=tuple(urls or ()),
        models=tuple(model or ()),
        api_key=api_key,
        clients=numbers(clients),
        tokens=tokens,
        prompt_tokens=prompt_tokens,
        rounds=rounds,
        select=_patterns(select),
        timeout=timeout,
        floor=floor,
        nonce=nonce,
        json=as_json,
        yes_remote=yes_remote,
    )
    if urls:
        raise typer.Exit(run_bench(options))
    from mlxtui.up import own_server

    with own_server() as own:
        raise typer.Exit(run_bench(replace(options, urls=(own,))))


@app.command()
def doctor() -> None:
    """Check this machine: what is there, what is missing, and the command that mends it."""
    from mlxtui.doctor import run_doctor

    raise typer.Exit(run_doctor())


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Recordings (*.jsonl).", exists=True, dir_okay=False)],
    update: Annotated[bool, typer.Option("--update", help="Rewrite the recorded answers.")] = False,
) -> None:
    """Send recorded requests through the real server, without a model, and compare the answers."""
    from mlxtui.replay import run_replay

    raise typer.Exit(run_replay(files, update))


@app.command()
def version() -> None:
    """Print the versions of mlxtui and of what it stands on."""
    from importlib.metadata import version as installed

    parts = [f"{name} {installed(name)}" for name in ("mlx", "mlx-lm", "textual", "openai")]
    print(f"mlxtui {__version__} ({', '.join(parts)}, Python {sys.version.split()[0]})")


def main() -> None:
    """The entry point: a UserError is one line and its exit code."""
    try:
        app()
    except UserError as error:
        print(f"mlxtui: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
