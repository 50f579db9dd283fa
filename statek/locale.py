"""Languages and countries of users, and what a model is told about the language of its answers.

A job's locale is ``LANG-COUNTRY`` (ISO 639-1 and ISO 3166-1 codes), for example ``PL-PL``. For some languages there is
a *rule*, which follows the system prompt, and a *hint*, which follows each message of the user in parentheses. Both
are written in the language itself: a model that is addressed in it stays in it. The metadata ``AUTO_LANG_RULE: FALSE``
and ``AUTO_LANG_HINT: FALSE`` switch them off.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
from dataclasses import dataclass

from statek.exceptions import InvalidRequest

__all__ = [
    "StatekCountryCode",
    "StatekLangCode",
    "StatekLocale",
    "get_language_hint",
    "get_language_rule",
    "resolve_locale",
]

StatekLangCode = enum.Enum(
    "StatekLangCode",
    "AR BG BS CA CS DA DE EL EN ES ET FA FI FR HE HI HR HU ID IT JA KO LT LV MS NL NO PL PT RO RU SK SL "
    "SQ SR SV TH TR UK VI ZH",
    module=__name__,
)
"""Languages that a locale may name (ISO 639-1)."""

StatekCountryCode = enum.Enum(
    "StatekCountryCode",
    "AE AL AR AT AU BA BE BG BO BR CA CH CL CN CO CR CU CY CZ DE DK DO EC EE EG ES FI FR GB GR GT HK HN "
    "HR HU ID IE IL IN IR IS IT JP KE KR LI LT LU LV MA ME MK MT MX MY NG NI NL NO NZ PA PE PH PL PR PT "
    "PY RO RS RU SA SE SG SI SK SV TH TR TW UA US UY VE VN ZA",
    module=__name__,
)
"""Countries that a locale may name (ISO 3166-1)."""


@dataclass(frozen=True, slots=True)
class StatekLocale:
    """A language as it is used in a country.

    Attributes:
        lang_code: the language.
        country_code: the country.
    """

    lang_code: StatekLangCode
    country_code: StatekCountryCode

    def __str__(self) -> str:
        """``LANG-COUNTRY``, as ``resolve_locale`` reads it."""
        return f"{self.lang_code.name}-{self.country_code.name}"


def resolve_locale(text: str | StatekLocale) -> StatekLocale:
    """The locale of a text such as ``PL-PL``, in any letter case; an underscore may stand for the hyphen.

    Raises:
        InvalidRequest: it has another form, or names a language or country that is not known.
    """
    if isinstance(text, StatekLocale):
        return text
    if not isinstance(text, str):
        raise InvalidRequest(f"a locale is a text such as EN-US, not {type(text).__name__}")
    return _parsed(text)


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> StatekLocale:
    language, hyphen, country = text.strip().upper().replace("_", "-").partition("-")
    if not hyphen:
        raise InvalidRequest(f"locale {text!r} must be a language and a country, for example EN-US")
    if language not in StatekLangCode.__members__:
        raise InvalidRequest(f"locale {text!r}: language {language!r} is unknown; known are {_names(StatekLangCode)}")
    if country not in StatekCountryCode.__members__:
        raise InvalidRequest(f"locale {text!r}: country {country!r} is unknown; known are {_names(StatekCountryCode)}")
    return StatekLocale(StatekLangCode[language], StatekCountryCode[country])


def _names(codes: type[enum.Enum]) -> str:
    return ", ".join(codes.__members__)


_RULES: Mapping[str, str] = {
    "EN": (
        "LANGUAGE: The user reads English ({country}). Write every message to the user in English, with the spelling, "
        "date, time and number formats used there. Code, names of variables and comments stay as they are."
    ),
    "PL": (
        "JĘZYK: Użytkownik czyta po polsku ({country}). Każdą wiadomość do użytkownika pisz po polsku, "
        "poprawnie odmieniając "
        "wyrazy i stosując tamtejszy zapis dat, godzin i liczb. Kod, nazwy zmiennych i komentarze zostają bez zmian."
    ),
    "DE": (
        "SPRACHE: Der Nutzer liest Deutsch ({country}). Schreibe jede Nachricht an den Nutzer auf Deutsch, "
        "mit der dort "
        "üblichen Schreibweise von Datum, Uhrzeit und Zahlen. Code, Variablennamen und Kommentare bleiben unverändert."
    ),
    "FR": (
        "LANGUE : L'utilisateur lit le français ({country}). Rédige chaque message à l'utilisateur en "
        "français, avec l'usage "
        "local pour les dates, les heures et les nombres. Le code, les noms de variables et les commentaires "
        "ne changent pas."
    ),
    "ES": (
        "IDIOMA: El usuario lee español ({country}). Escribe todos los mensajes al usuario en español, con "
        "el formato local de "
        "fechas, horas y números. El código, los nombres de variables y los comentarios no cambian."
    ),
    "IT": (
        "LINGUA: L'utente legge l'italiano ({country}). Scrivi ogni messaggio all'utente in italiano, con il "
        "formato locale di "
        "date, orari e numeri. Il codice, i nomi delle variabili e i commenti restano come sono."
    ),
}

_HINTS: Mapping[str, str] = {
    "EN": "answer in English",
    "PL": "odpowiedz po polsku",
    "DE": "antworte auf Deutsch",
    "FR": "réponds en français",
    "ES": "responde en español",
    "IT": "rispondi in italiano",
}


def get_language_rule(locale: str | StatekLocale | None) -> str:
    """What follows the system prompt; empty without a locale, or for a language that has no rule.

    Raises:
        InvalidRequest: no such locale.
    """
    if locale is None:
        return ""
    found = resolve_locale(locale)
    return _RULES.get(found.lang_code.name, "").format(country=found.country_code.name)


def get_language_hint(locale: str | StatekLocale | None) -> str:
    """What follows each user message in parentheses; empty without a locale, or for a language that has no hint.

    Raises:
        InvalidRequest: no such locale.
    """
    return "" if locale is None else _HINTS.get(resolve_locale(locale).lang_code.name, "")
