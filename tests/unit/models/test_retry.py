from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.models.retry import is_retryable_status, retry_after_seconds, wait_before_attempt
from orchestrator.models.settings import GatewaySettings
from statek.exceptions import ConfigurationError

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SETTINGS = GatewaySettings(attempts=5, backoff_seconds=1, backoff_cap_seconds=3, retry_after_cap_seconds=10)


def test_which_statuses_are_worth_another_attempt():
    statuses = [None, 200, 400, 401, 403, 404, 408, 409, 422, 429, 499, 500, 502, 503, 529, 599, 600]
    assert [s for s in statuses if is_retryable_status(s)] == [None, 408, 429, 500, 502, 503, 529, 599]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("-3", 0.0),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
    ],
)
def test_retry_after(value, seconds):
    assert retry_after_seconds({"retry-after": value}, NOW) == seconds


def test_no_retry_after():
    assert retry_after_seconds({}, NOW) is None


def test_waits_double_up_to_the_cap_and_end_with_the_attempts():
    waits = [wait_before_attempt(SETTINGS, attempt, None, jitter=1) for attempt in range(2, 7)]
    assert waits == [1, 2, 3, 3, None]
    assert wait_before_attempt(SETTINGS, 2, None, jitter=0) == 0.5
    assert 0.5 <= (wait_before_attempt(SETTINGS, 2, None) or 0) <= 1


def test_what_the_provider_asks_for_is_honoured_up_to_the_cap():
    assert wait_before_attempt(SETTINGS, 2, 9.5, jitter=1) == 9.5
    assert wait_before_attempt(SETTINGS, 2, 0.0, jitter=1) == 1
    assert wait_before_attempt(SETTINGS, 2, 10.1, jitter=1) is None
    assert wait_before_attempt(SETTINGS, 2, float("inf"), jitter=1) is None


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("attempts", 0, "attempts must be at least 1, got 0"),
        ("timeout_seconds", 0, "timeout_seconds must be positive, got 0"),
        ("timeout_seconds", float("nan"), "timeout_seconds must be positive, got nan"),
        ("max_reply_bytes", -1, "max_reply_bytes must be positive, got -1"),
        ("backoff_seconds", -0.1, "backoff_seconds must not be negative, got -0.1"),
    ],
)
def test_senseless_settings_are_refused(name, value, text):
    with pytest.raises(ConfigurationError) as caught:
        GatewaySettings(**{name: value})
    assert str(caught.value) == text


def test_settings_do_not_show_keys():
    shown = repr(GatewaySettings(api_keys={"openai": "sk-1234567"}, secrets=("hunter22",)))
    assert "sk-1234567" not in shown
    assert "hunter22" not in shown
