"""``python -m examples.data_analysis``."""

from __future__ import annotations

import sys

from examples.data_analysis.main import main

if __name__ == "__main__":
    sys.exit(main())
