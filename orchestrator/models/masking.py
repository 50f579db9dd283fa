"""Takes what looks like a key out of texts that people and logs will see."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["MASK", "safe_text"]

MASK = "[masked]"

_MAX_CHARACTERS = 600
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SCHEMES = re.compile(r"(?i)\b(bearer|basic|digest|token)\s+[A-Za-z0-9._~+/=*-]{6,}")
_NAMED = re.compile(
    r"(?i)\b([a-z_-]*(?:api[_-]?key|apikey|secret|password|access[_-]?token|authorization|credential)s?"
    r"(?:\s+provided)?[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&}]{4,}"
)
# Prefixes of well-known keys: OpenAI and Anthropic, Google, AWS, xAI, Groq, Hugging Face, GitHub, Slack, JWT.
_PREFIXED = re.compile(
    r"\b(?:(?:sk|pk|rk)[-_]|AIza|AKIA|ASIA|xai-|gsk_|hf_|gh[pousr]_|github_pat_|xox[abprs]-|eyJ)[A-Za-z0-9._*-]{6,}"
)
_LONG = re.compile(r"[A-Za-z0-9_+/=-]{32,}")
_URL_USER = re.compile(r"(://)[^/\s@]+@")


def _looks_random(text: str) -> bool:
    """Letters and digits mixed: rather a key than a path of words or a number."""
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


def safe_text(text: str, secrets: Iterable[str] = ()) -> str:
    """One bounded line without keys.

    Args:
        text: for example a provider's error message, which may quote the key that it refused.
        secrets: exact texts to mask as well; shorter ones than 4 characters are ignored.
    """
    # Bounded first, generously, so that a huge body costs no time in the patterns; bounded again at the end.
    text = _CONTROL.sub(" ", text[: _MAX_CHARACTERS * 8])
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, MASK)
    text = _URL_USER.sub(rf"\1{MASK}@", text)
    # Schemes before names: in "Authorization: Bearer x" the name would take the scheme for the key.
    text = _SCHEMES.sub(rf"\1 {MASK}", text)
    text = _NAMED.sub(rf"\1{MASK}", text)
    text = _PREFIXED.sub(MASK, text)
    text = _LONG.sub(lambda match: MASK if _looks_random(match[0]) else match[0], text)
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
