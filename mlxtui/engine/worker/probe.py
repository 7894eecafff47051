"""`python -m mlxtui.engine.worker.probe`: what MLX finds on this machine, as one JSON object on stdout.

Run in a process of its own by `mlxtui doctor`, which must not import MLX.
"""

from __future__ import annotations

import json

from mlxtui.engine.worker import blas


def main() -> None:
    library = blas.preload()
    import mlx.core as mx

    from mlxtui.engine.worker import device

    total = mx.sum(mx.ones((64, 64)) @ mx.ones((64, 64))).item()
    facts = {
        "device": device.name(),
        "cpu": device.on_cpu(),
        "memory_limit": device.memory_limit(),
        "blas": library,
        "computes": total == 64**3,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
