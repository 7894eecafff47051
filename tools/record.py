"""`just record`: real clients talk to the embedded model; every session becomes a file in recordings/.

Starts one `mlxtui serve --record`, runs the sessions below one after another, splits what was recorded by session and
rewrites recordings/*.jsonl and recordings/README.md. Says which answers the model got wrong (exit code 1); the files
are written all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mlxtui import recording
from mlxtui.recorded import RecordedExchange, Recording
from mlxtui.replay import run_replay
from tools.sessions import MARK, SESSIONS, TOLD, Client, idle

TARGET = Path(__file__).parents[1] / "recordings"
SERVE = "mlxtui serve --context-length 1024"


async def talk(url: str) -> None:
    """All sessions; what went wrong in one is told with its name and does not keep the others from being recorded."""
    for session in SESSIONS:
        name, before = session.__name__, len(TOLD)
        client = Client(url, name)
        try:
            await session(client)
            await idle(client)
        finally:
            await client.close()
        TOLD[before:] = [f"{name}: {line}" for line in TOLD[before:]]


def serve(file: Path, model: list[str]) -> None:
    """Run the sessions against a server of our own that records to `file`."""
    command = [sys.executable, "-m", *SERVE.split(), *model, "--port", "0", "--record", str(file)]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MLXTUI_")} | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ, cwd=file.parent) as server:
        assert server.stdout
        try:
            url = ""
            for line in server.stdout:
                url = (re.search(r"listening on (\S+)", line) or ["", url])[1]
                if " ready in " in line:
                    break
            else:
                sys.exit("the server ended before its model was ready")
            draining = threading.Thread(target=server.stdout.read)
            draining.start()
            asyncio.run(talk(url))
        finally:
            server.terminate()
        draining.join()


def split(whole: Recording) -> dict[str, Recording]:
    """The recording of each session, its times counted from its own beginning."""
    parts: dict[str, list[RecordedExchange]] = {session.__name__: [] for session in SESSIONS}
    for exchange in whole.exchanges:
        name = dict(exchange.request.headers)[MARK]
        headers = tuple(pair for pair in exchange.request.headers if pair[0] != MARK)
        parts[name].append(replace(exchange, request=replace(exchange.request, headers=headers)))
    notes = {session.__name__: session.__doc__ or "" for session in SESSIONS}
    return {
        name: Recording(replace(whole.header, note=notes[name]), tuple(_from(exchanges[0].t, e) for e in exchanges))
        for name, exchanges in parts.items()
    }


def _from(start: float, exchange: RecordedExchange) -> RecordedExchange:
    run = exchange.run and replace(exchange.run, t=round(exchange.run.t - start, 4))
    further = tuple(replace(one, t=round(one.t - start, 4)) for one in exchange.further)
    times = {"t": round(exchange.t - start, 4), "ended": round(exchange.ended - start, 4)}
    return replace(exchange, **times, run=run, further=further)


README = """# Recorded sessions

What real clients asked the embedded model, what it emitted, and what the server answered, one JSON object a line
(the format is described in `mlxtui/recorded.py` and `mlxtui/recording.py`). Nothing in here is written by hand:
`just record` (`uv run python -m tools.record`) talks to `{serve} --record FILE` through the
official `openai` client and raw HTTP, at temperature 0 with a seed, and rewrites all files and this page.

`mlxtui replay recordings/*.jsonl` sends the recorded requests through the real server, whose engine plays the recorded
pieces, and compares every answer: parsers, API, framing and errors are held by real model output on any machine,
without a model, in seconds. The tests do the same. `--update` takes over answers that were meant to change.

`mlxtui serve --replay recordings/tools.jsonl` answers clients from a file, at the recorded speed.

| file | exchanges | what it proves |
|---|---|---|
{rows}
{wrong}"""
WRONG = """
The model is small. Here it did not say what it was asked for, which changes nothing about what the files prove:

{lines}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Record sessions of real clients.")
    parser.add_argument("model", nargs="*", help="another model's directory, to try the sessions out")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        serve(Path(folder) / "all.jsonl", options.model)
        sessions = split(recording.read(Path(folder) / "all.jsonl"))
    options.out.mkdir(exist_ok=True)
    for old in options.out.glob("*.jsonl"):
        old.unlink()
    files = []
    for name, session in sessions.items():
        files.append(options.out / f"{name}.jsonl")
        recording.write(files[-1], session)
        files[-1].chmod(0o644)
    rows = "\n".join(
        f"| `{name}.jsonl` | {len(session.exchanges)} | {session.header.note} |" for name, session in sessions.items()
    )
    wrong = WRONG.format(lines="\n".join(f"* {line[:160]}" for line in TOLD)) if TOLD else ""
    (options.out / "README.md").write_text(README.format(serve=SERVE, rows=rows, wrong=wrong), encoding="utf-8")
    print(*(f"the model got this wrong: {line}" for line in TOLD), sep="\n")
    return run_replay(files) or int(bool(TOLD))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
