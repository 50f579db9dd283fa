"""``python -m examples.approval``."""

from __future__ import annotations

import sys

from examples.approval.main import main

if __name__ == "__main__":
    sys.exit(main())
