"""`python -m mlxtui.engine.worker.floor MODEL`: mlx-lm's bare batch loop, the figure that servers are measured by.

A line of JSON in on stdin, {"prompts": [messages…], "max_tokens": n, "batch": n}; a line out, {"tokens", "seconds"}.
Greedy, the same chat template and end of sequence as behind a server; rendering and tokenising are not on the clock.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import IO, TYPE_CHECKING, Any

from mlxtui.engine.interface import ChatPrompt, Job
from mlxtui.engine.worker.locate import LoadError, find
from mlxtui.types import Message, Sampling

if TYPE_CHECKING:
    from mlxtui.engine.worker.model import Model

GREEDY = Sampling(temperature=0.0, top_p=1.0, top_k=0, min_p=0.0)


def serve(name: str, work: IO[str], answers: IO[str]) -> int:
    """Do each line of work until there are no more."""

    def say(**answer: Any) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    try:
        find(name)  # a misspelt name fails before MLX is imported, which takes seconds
        from mlxtui.engine.worker import device
        from mlxtui.engine.worker.model import load

        model = load(name, None, lambda detail: None)
    except LoadError as error:
        say(error=str(error))
        return 1
    say(model=model.info.id, device=model.info.device)
    for line in work:
        wanted = json.loads(line)
        prompts = [rendered(model, messages) for messages in wanted["prompts"]]
        began = time.perf_counter()
        tokens = bare_loop(model, prompts, wanted["max_tokens"], wanted["batch"])
        say(tokens=tokens, seconds=time.perf_counter() - began)
    del model
    device.shut_down()
    return 0


def bare_loop(model: Model, prompts: list[list[int]], max_tokens: int, batch: int) -> int:
    """mlx-lm's BatchGenerator as its own batch_generate drives it; returns the tokens generated."""
    from mlx_lm.generate import BatchGenerator

    stops = [[token] for token in model.tokenizer.eos_token_ids]
    count, left = 0, len(prompts)
    generator = BatchGenerator(
        model.module,
        max_tokens=max_tokens,
        stop_tokens=stops,
        completion_batch_size=batch,
        prefill_batch_size=min(batch, 8),  # 8 is its default; a larger one than `batch` would raise that
    )
    try:
        generator.insert(prompts)
        while left:
            _, responses = generator.next()
            count += len(responses)
            left -= sum(response.finish_reason is not None for response in responses)
    finally:
        generator.close()
    return count


def rendered(model: Model, messages: list[dict[str, str]]) -> list[int]:
    """The tokens of a conversation as a server's worker makes them."""
    from mlxtui.engine.worker.prompt import prepare

    said = tuple(Message(message["role"], message["content"]) for message in messages)  # type: ignore[arg-type]
    prepared = prepare(model, Job("floor", ChatPrompt(said), GREEDY, 1))
    if not isinstance(prepared, tuple):
        raise ValueError(prepared.message)
    return prepared[1].tokens


def main() -> int:
    # Whatever libraries print goes to stderr: stdout carries answers and nothing else.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return serve(sys.argv[1], sys.stdin, answers)


if __name__ == "__main__":
    sys.exit(main())
