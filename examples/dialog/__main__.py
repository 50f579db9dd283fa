"""``python -m examples.dialog``."""

from __future__ import annotations

import sys

from examples.dialog.main import main

if __name__ == "__main__":
    sys.exit(main())
