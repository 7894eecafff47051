# What people do in this repository. `just` alone lists it; the tool itself is on PyPI as rust-just.

_default:
    @just --list

# install everything, as locked
setup:
    uv sync

# format, lint, types, who may import whom
check:
    uv run ruff format --check
    uv run ruff check
    uv run mypy
    uv run lint-imports

# every test
test *args:
    uv run pytest {{args}}

# the dashboard on the embedded model, with requests to watch
demo:
    uv run python tools/demo.py

# the screenshots of the README, made under real load
shots:
    uv run python tools/shots.py

# the recorded sessions, through the real server, without a model
replay:
    uv run mlxtui replay recordings/*.jsonl

# record those sessions again
record:
    uv run python -m tools.record

# our server beside the bare batch loop on the same model
bench *args:
    uv run python tools/bench_floor.py {{args}}

# what the dashboard costs: a frame after 10,000 requests, its share of a core beside 32 streams
bench-dashboard *args:
    uv run python tools/bench_dashboard.py {{args}}

# the embedded model on questions it never saw in training
eval-tiny:
    uv run python -m tools.tiny.evaluate

# the page that says what happens to every field of a request, from the table that drives it
parameters:
    uv run python -m mlxtui.api.parameters > docs/parameters.md

# the page of the dashboard's keys, from the bindings themselves
keys:
    uv run python -m mlxtui.tui.keymap > docs/keys.md

# the README's table of what works, and the baseline CI compares with, from a run on the embedded model
works *args:
    uv run python -m tools.works {{args}}

# wheel and source archive
build:
    uv build
