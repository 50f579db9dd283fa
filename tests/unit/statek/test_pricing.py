from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statek import pricing
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.pricing import ModelPricing, get_model_pricing, load_model_pricing, price_of, set_model_pricing

HEADER = "PROVIDER,MODEL,MODEL_FAMILY,INPUT_PRICE_PER_M,INPUT_PRICE_PER_CACHED_M,OUTPUT_PRICE_PER_M\n"


@pytest.fixture(autouse=True)
def no_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pricing, "_prices", {})
    return


def test_cost_is_in_millionths_of_a_dollar() -> None:
    assert ModelPricing(2.0, 10.0).cost_microusd(1000, 400, 50) == 2000 + 500
    assert ModelPricing(2.0, 10.0, 0.5).cost_microusd(1000, 400, 50) == 1200 + 200 + 500
    assert ModelPricing(0.15, 0).cost_microusd(10, 99, 0) == 2


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf"), 2e6, "1"])
def test_price_must_make_sense(price: float) -> None:
    with pytest.raises(InvalidRequest, match=r"input_price_per_M is .*, must be a number from 0 to 1,000,000"):
        ModelPricing(price, 1.0)


def test_price_is_found_by_model_string_in_any_letter_case() -> None:
    set_model_pricing("OpenAI", "GPT-5-mini", ModelPricing(1, 2))
    set_model_pricing("CLAUDE", "sonnet", ModelPricing(3, 4))
    set_model_pricing("openrouter", "R1", ModelPricing(5, 6), model_family="DeepSeek")
    set_model_pricing("openrouter", "r1", ModelPricing(7, 8))
    assert price_of("openai/gpt-5-mini") == ModelPricing(1, 2)
    assert price_of("anthropic/sonnet") == ModelPricing(3, 4)
    assert price_of("openrouter/deepseek/r1") == ModelPricing(5, 6)
    assert price_of("openrouter/other/r1") == ModelPricing(7, 8)
    assert price_of("gpt-5-mini") is None
    assert get_model_pricing("openai", "other") is None


def test_directory_is_read_at_any_depth_and_bad_rows_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "deep").mkdir()
    rows = "openai,m,,1,0.5,2\nopenai,,,1,,2\nopenai,n,,dear,,2\nopenai,o,,1,,-2\nopenai,p\n"
    (tmp_path / "a.csv").write_text(HEADER + rows)
    (tmp_path / "deep" / "b.txt").write_text(
        "model , provider,INPUT_PRICE_PER_M,OUTPUT_PRICE_PER_M\n x , groq , 3 , 4\n"
    )
    (tmp_path / "c.csv").write_text("PROVIDER,MODEL\nopenai,m\n")
    (tmp_path / "d.md").write_text(HEADER + "openai,z,,1,,2\n")
    with caplog.at_level(logging.WARNING, "statek.pricing"):
        assert load_model_pricing(tmp_path) == 2
    assert price_of("openai/m") == ModelPricing(1, 2, 0.5)
    assert price_of("groq/x") == ModelPricing(3, 4)
    assert price_of("openai/z") is None
    a = tmp_path / "a.csv"
    assert caplog.messages == [
        f"{a}, line 3 is left out: PROVIDER and MODEL must be given",
        f"{a}, line 4 is left out: INPUT_PRICE_PER_M is 'dear', must be a number",
        f"{a}, line 5 is left out: output_price_per_M is -2.0, must be a number from 0 to 1,000,000",
        f"{a}, line 6 is left out: INPUT_PRICE_PER_M is '', must be a number",
        f"{tmp_path / 'c.csv'} has no prices: its first line lacks the column INPUT_PRICE_PER_M",
    ]


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"model_info_dir .*/no is no directory"):
        load_model_pricing(tmp_path / "no")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from('ab1.,"\n\r\0;'), max_size=60) | st.text(max_size=40))
def test_any_file_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(HEADER + text, encoding="utf-8", errors="surrogatepass", newline="")
    assert load_model_pricing(tmp_path) >= 0
