"""The engine worker, run as `python -m mlxtui.engine.worker FD`: the only room that imports MLX.

Importing the package puts OpenBLAS under MLX where it is installed, which has to happen before MLX itself is loaded.
"""

from mlxtui.engine.worker.blas import preload

preload()
