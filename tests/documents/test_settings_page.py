"""docs/settings.md is what the settings say of themselves."""

from __future__ import annotations

from setup.generate_settings_page import PAGE, page


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
