"""``python -m examples.dispatcher``."""

from __future__ import annotations

import sys

from examples.dispatcher.main import main

if __name__ == "__main__":
    sys.exit(main())
