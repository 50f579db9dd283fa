"""``python -m examples.calendar_assistant``."""

from __future__ import annotations

import sys

from examples.calendar_assistant.main import main

if __name__ == "__main__":
    sys.exit(main())
