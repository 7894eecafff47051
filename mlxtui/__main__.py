"""`python -m mlxtui` is `mlxtui`."""

from mlxtui.cli import main

main()
