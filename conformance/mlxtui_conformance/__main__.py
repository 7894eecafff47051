"""`python -m mlxtui_conformance`."""

from __future__ import annotations

import sys

from .app import main
from .arguments import options

if __name__ == "__main__":
    sys.exit(main(options(sys.argv[1:])))
