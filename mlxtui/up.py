"""`mlxtui up` and `attach`: start a server if it is ours to start, run the dashboard on it, do what was decided.

Settings or a URL come in, an exit code comes out. The dashboard is only a client here too: if it breaks, the server
serves on, and the terminal says where.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlxtui import child
from mlxtui.child import Child, own_server
from mlxtui.client import ServerClient
from mlxtui.errors import UserError
from mlxtui.picker import picked
from mlxtui.reach import NotThere, ServerUnreachable
from mlxtui.settings import Settings, load_keys
from mlxtui.status import status

if TYPE_CHECKING:
    from mlxtui.tui.app import Outcome

__all__ = ["attach", "own_server", "run_up", "status"]

GONE = 60.0  # seconds that a server gets to drain and end after it was asked to


def run_up(settings: Settings, flags: Mapping[str, Any], readonly: bool = False) -> int:
    """Start a server with `flags`, watch it until the person leaves, then stop it or leave it running.

    Raises:
        PortInUse, SettingsError: before anything is started.
    """
    keys = _keys()
    if model := picked(settings, flags):
        flags = {**flags, "model": model}
    server = child.start(settings, flags)
    from mlxtui.tui.app import run_dashboard  # loads while the server starts

    outcome = run_dashboard(server.url, settings.api_key, True, server.failure, readonly=readonly, keys=keys)
    return _after(outcome, server, settings)


def _keys() -> Mapping[str, str]:
    keys = load_keys()
    if not keys:
        return {}
    from mlxtui.tui.keymap import checked  # loads every screen: only who has keys of their own waits for it

    return checked(keys)


def _after(outcome: Outcome, server: Child, settings: Settings) -> int:
    if outcome.failed:
        print(f"mlxtui: {outcome.failed}", file=sys.stderr)
        return server.stop() or 1
    if server.process.poll() is not None:
        code = server.process.returncode
        print(f"mlxtui: the server has ended (exit code {code})" + (f"; {_log(settings)}" if code else ""))
        return int(code != 0)
    if outcome.server == "leave":
        print(_where(server, settings))
        return int(outcome.broken)
    print("mlxtui: stopping the server…", end=" ", flush=True)
    code = _stop(server)
    print("stopped." if code == 0 else f"it ended with exit code {code}; {_log(settings)}")
    return int(code != 0)


def _stop(server: Child) -> int:
    """Ctrl-C while waiting means: do not wait for the requests in flight."""
    try:
        return server.stop()
    except KeyboardInterrupt:
        return server.stop()


def _where(server: Child, settings: Settings) -> str:
    key = "" if settings.api_key is None else "  (with MLXTUI_API_KEY set)"
    return (
        f"mlxtui: the server runs on at {server.url} (pid {server.pid})\n"
        f"  look at it   mlxtui attach {server.url}{key}\n"
        f"  stop it      kill {server.pid}"
    )


def _log(settings: Settings) -> str:
    return f"its log: {settings.log_file or settings.home / 'logs' / 'server.log'}"


def attach(url: str, api_key: str | None, readonly: bool = False) -> int:
    """Open the dashboard on a server that runs already, wherever it is."""
    from mlxtui.tui.app import run_dashboard

    outcome = run_dashboard(url, api_key, owns_server=False, readonly=readonly, keys=_keys())
    if outcome.server == "stop":
        print("mlxtui: stopping the server…", end=" ", flush=True)
        asyncio.run(_shut_down(url, api_key))
        print("stopped.")
    return int(outcome.broken)


async def _shut_down(url: str, api_key: str | None) -> None:
    """Ask the server to end and wait until nothing answers there any more."""
    client = ServerClient(url, api_key)
    try:
        async with asyncio.timeout(GONE):
            await client.shutdown()
            while True:
                await client.health()
                await asyncio.sleep(child.POLL)
    except ServerUnreachable:
        return
    except NotThere as error:
        raise UserError(f"this server can't be stopped from here: {error}") from error
    except TimeoutError:
        raise UserError(f"the server still answers after {GONE:.0f} s; it may be waiting for requests") from None
    finally:
        await client.close()
