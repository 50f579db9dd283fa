from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.agents import Agent
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.job_definition import JobDefinition
from statek.locale import (
    StatekCountryCode,
    StatekLangCode,
    StatekLocale,
    get_language_hint,
    get_language_rule,
    resolve_locale,
)
from statek.prompt_config import parse_prompt_file

POLISH = StatekLocale(StatekLangCode["PL"], StatekCountryCode["PL"])


@pytest.mark.parametrize("text", ["PL-PL", "pl-pl", " Pl_pL ", POLISH])
def test_locale_is_read_in_any_letter_case(text: str | StatekLocale) -> None:
    assert resolve_locale(text) == POLISH
    assert str(resolve_locale(text)) == "PL-PL"


def test_every_language_goes_with_every_country() -> None:
    assert (len(StatekLangCode) >= 35, len(StatekCountryCode) >= 50) == (True, True)
    for language in StatekLangCode:
        for country in StatekCountryCode:
            locale = StatekLocale(language, country)
            assert resolve_locale(str(locale)) == locale


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PL", "locale 'PL' must be a language and a country, for example EN-US"),
        ("", "locale '' must be a language and a country, for example EN-US"),
        ("XX-PL", "locale 'XX-PL': language 'XX' is unknown; known are AR, BG, "),
        ("PL-XX", "locale 'PL-XX': country 'XX' is unknown; known are AE, AL, "),
        ("PL-PL-PL", "locale 'PL-PL-PL': country 'PL-PL' is unknown; known are AE, AL, "),
    ],
)
def test_what_is_no_locale_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        resolve_locale(text)
    assert str(error.value).startswith(message)


@given(st.text(max_size=12) | st.from_regex(r"\A[a-zA-Z]{0,3}[-_]?[a-zA-Z]{0,3}\Z"))
def test_any_text_is_a_locale_or_a_named_error(text: str) -> None:
    try:
        found = resolve_locale(text)
    except InvalidRequest as error:
        assert repr(text) in str(error)  # noqa: PT017
    else:
        assert resolve_locale(str(found)) == found


@pytest.mark.parametrize("language", ["EN", "PL", "DE", "FR", "ES", "IT"])
def test_languages_with_rule_and_hint(language: str) -> None:
    rule = get_language_rule(f"{language}-CH")
    assert "(CH)" in rule
    assert "{" not in rule
    assert get_language_hint(f"{language}-CH") != ""


def test_no_locale_and_other_languages_have_neither() -> None:
    assert (get_language_rule(None), get_language_hint(None)) == ("", "")
    assert (get_language_rule("JA-JP"), get_language_hint("JA-JP")) == ("", "")


def definition(**metadata: str) -> JobDefinition:
    agent = Agent("a", _system_prompt="Work.", _metadata={"MODEL": "x/y", **metadata})
    return agent.create_job_def(locale="de-at")


def test_job_appends_rule_to_prompt_and_hint_to_what_the_user_says() -> None:
    setup = definition()
    assert setup.locale == "DE-AT"
    assert setup.system_prompt(Agent("a")) == f"Work.\n\n{get_language_rule('DE-AT')}"
    assert setup.user_text("Hallo!") == "Hallo! (antworte auf Deutsch)"
    assert JobDefinition.from_json(setup.to_json()) == setup


def test_metadata_switches_rule_and_hint_off() -> None:
    assert definition(AUTO_LANG_RULE="false").system_prompt(Agent("a")) == "Work."
    assert definition(AUTO_LANG_HINT="FALSE").user_text("Hallo!") == "Hallo!"


def test_unknown_locale_of_a_job_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="locale 'moon' must be a language and a country"):
        Agent("a", _metadata={"MODEL": "x/y"}).create_job_def(locale="moon")


def test_switch_in_a_prompt_file_is_checked(tmp_path) -> None:
    path = tmp_path / "a.md"
    path.write_text("# MODEL: x/y\n# AUTO_LANG_RULE: maybe\n# System Prompt\nWork.")
    with pytest.raises(ConfigurationError) as error:
        parse_prompt_file(path)
    assert str(error.value) == (
        f"prompt file {path}, line 2, key AUTO_LANG_RULE: AUTO_LANG_RULE 'maybe' must be TRUE or FALSE"
    )


@pytest.mark.parametrize("value", [3, [], {}, b"EN-US", object])
def test_what_is_no_text_is_refused_by_its_type(value: object) -> None:
    with pytest.raises(InvalidRequest, match=rf"^a locale is a text such as EN-US, not {type(value).__name__}$"):
        resolve_locale(value)  # type: ignore[arg-type]


@given(st.text(max_size=12) | st.sampled_from(["en-us", " PL_pl "]))
def test_rule_and_hint_of_any_text_are_texts_or_a_named_error(text: str) -> None:
    try:
        found = (get_language_rule(text), get_language_hint(text))
    except InvalidRequest as error:
        assert repr(text) in str(error)  # noqa: PT017
    else:
        assert [type(one) for one in found] == [str, str]
