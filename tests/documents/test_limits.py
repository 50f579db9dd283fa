"""docs/limits.md against the code."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from orchestrator.engine.objects.limits import ObjectLimits
from orchestrator.sandboxes.driver import RunnerLimits
from orchestrator.sandboxes.inbound_messages import InboundLimits
from orchestrator.sandboxes.link import LinkLimits
from orchestrator.sandboxes.step import StepLimits
from sandbox_runner.wire.values import GraphLimits
from statek.settings import StatekSettings
from tests.documents.blocks import ROOT

_ROW = re.compile(r"^\| `([\w.]+)` \| ([^|]+?) \|", re.MULTILINE)
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "s": 1}
OBJECTS = [RunnerLimits, StepLimits, LinkLimits, InboundLimits, ObjectLimits, GraphLimits]

NO_LIMITS = {
    "chat_style", "examples_style", "xml_box_console", "xml_box_example", "prompt_files_dir", "default_difficulty",
    "log_level", "default_acl", "strict_acl", "data_dir", "api_socket_path", "driver", "flavour",
    "static_policy", "warmup_defs_dir", "examples_dir", "documents_dir", "logs_path", "trace_path", "base_image",
    "default_llm_api_provider", "model_info_dir", "provider_config", "blocks", "runtime", "required_tier",
}  # fmt: skip
"""Settings that bound nothing; a new setting must be here or in the document."""


def section(title: str) -> dict[str, float | None]:
    """Name and default of each row below a heading that ends with the title."""
    text = Path(ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    [found] = [part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.split("\n")[0].endswith(title)]
    return {name: number(value) for name, value in _ROW.findall(found)}


def number(text: str) -> float | None:
    """What a default says: ``none``, ``64 MiB``, ``0.5 s``, ``100``."""
    if text == "none":
        return None
    value, _, unit = text.partition(" ")
    return float(value) * (_UNITS[unit] if unit else 1)


def test_every_setting_that_is_a_limit_is_described() -> None:
    settings = {f.name: f.default for f in dataclasses.fields(StatekSettings) if "convert" in f.metadata}
    limits = {name: value for name, value in settings.items() if name not in NO_LIMITS}
    assert set(settings) >= NO_LIMITS
    assert section("(`StatekSettings`)") == limits


@pytest.mark.parametrize("limits", OBJECTS, ids=lambda kind: kind.__name__)
def test_every_limit_object_is_described(limits: type) -> None:
    real = {f.name: f.default for f in dataclasses.fields(limits) if isinstance(f.default, int | float)}
    assert section(f"(`{limits.__name__}`)") == real


def test_constants_are_as_described() -> None:
    described = section("Constants")
    assert len(described) >= 20
    real = {}
    for name in described:
        module, _, constant = name.rpartition(".")
        real[name] = getattr(importlib.import_module(module), constant)  # noqa: TID251 - the names are those of the document
    assert described == real
