from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import statek
from statek._other_settings import OTHER_SETTINGS
from statek.access import DefaultAcl
from statek.chat_style import ChatStyle
from statek.exceptions import ConfigurationError
from statek.settings import (
    StatekSettings,
    get_statek_settings,
    provider_key_is_set,
    provider_key_names,
    set_statek_settings,
)

NAMES = ", ".join(sorted(field.name for field in dataclasses.fields(StatekSettings) if field.name != "sources"))


def source_of(settings: StatekSettings, name: str) -> tuple[str, str]:
    return next((line.value, line.source) for line in settings.describe() if line.name == name)


def test_explicit_goes_before_file_before_environment_before_default(tmp_path: Path) -> None:
    file = tmp_path / "statek.toml"
    file.write_text('max_turns = 7\npool_size = 4\nmemory_bytes = "512M"\n')
    environ = {
        "STATEK_MAX_TURNS": "8",
        "STATEK_POOL_SIZE": "5",
        "STATEK_CHAT_STYLE": "direct",
        "STATEK_TEST_ANYTHING": "not a setting",
        "MAX_TURNS": "9",
    }
    settings = StatekSettings.load({"max_turns": 6}, file=file, environ=environ)
    assert (
        settings.max_turns,
        settings.pool_size,
        settings.memory_bytes,
        settings.chat_style,
        settings.max_runners,
    ) == (6, 4, 512 << 20, ChatStyle.DIRECT, 8)
    assert [("6", "explicit"), ("4", str(file)), ("DIRECT", "STATEK_CHAT_STYLE"), ("8", "default")] == [
        source_of(settings, name) for name in ("max_turns", "pool_size", "chat_style", "max_runners")
    ]


def test_a_replaced_value_is_explicit() -> None:
    settings = StatekSettings.load(environ={"STATEK_POOL_SIZE": "3"})
    assert source_of(dataclasses.replace(settings, pool_size=4), "pool_size") == ("4", "explicit")
    assert source_of(StatekSettings(pool_size=4), "pool_size") == ("4", "explicit")


def test_the_file_of_the_current_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert StatekSettings.load(environ={}) == StatekSettings()
    (tmp_path / "statek.toml").write_text("strict_acl = true")
    assert StatekSettings.load(environ={}).strict_acl


@pytest.mark.parametrize(
    ("content", "environ", "explicit", "message"),
    [
        ("max_turn = 1", {}, {}, "'max_turn' ({file}) is no setting; did you mean max_turns?"),
        ("", {"STATEK_XYZZY": "1"}, {}, "'xyzzy' (STATEK_XYZZY) is no setting; there are " + NAMES),
        ("", {}, {"sources": {}}, "'sources' (explicit) is no setting; there are " + NAMES),
        ("max_turns = true", {}, {}, "setting max_turns ({file}): True is no whole number of at least 1"),
        (
            "",
            {"STATEK_MAX_TURNS": "0"},
            {},
            "setting max_turns (STATEK_MAX_TURNS): '0' is no whole number of at least 1",
        ),
        (
            "",
            {"STATEK_DRIVER": "vm"},
            {},
            "setting driver (STATEK_DRIVER): 'vm' is not one of auto, docker, bubblewrap, process",
        ),
        (
            "x",
            {},
            {},
            "settings file {file} is no TOML: Expected '=' after a key in a key/value pair (at end of document)",
        ),
    ],
)
def test_errors_name_the_setting_and_its_source(
    tmp_path: Path, content: str, environ: dict[str, str], explicit: dict[str, Any], message: str
) -> None:
    file = tmp_path / "statek.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        StatekSettings.load(explicit, file=file, environ=environ)
    assert str(caught.value) == message.format(file=file)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        StatekSettings.load(file=tmp_path / "none.toml", environ={})
    assert str(caught.value) == f"settings file {tmp_path / 'none.toml'} does not exist"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("memory_bytes", "1g", 1 << 30),
        ("memory_bytes", "128 MiB", 128 << 20),
        ("idle_hold_seconds", "0.5", 0.5),
        ("max_turns", "none", None),
        ("strict_acl", "Yes", True),
        ("strict_acl", "off", False),
        ("default_acl", "grant", DefaultAcl.GRANT),
        ("data_dir", "/x/y", Path("/x/y")),
        ("xml_box_console", "", None),
        ("xml_box_console", "console_output", "console_output"),
        ("log_level", "info", "INFO"),
    ],
)
def test_values_as_text(name: str, text: str, value: object) -> None:
    assert value == getattr(StatekSettings.load(environ={f"STATEK_{name.upper()}": text}), name)


fields_with_values = st.tuples(
    st.sampled_from([info.name for info in dataclasses.fields(StatekSettings) if info.name != "sources"]),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.binary(max_size=3)),
)


@given(fields_with_values)
def test_any_value_is_taken_or_refused_by_name(pair: tuple[str, object]) -> None:
    name, value = pair
    refusals: list[str] = []
    try:
        StatekSettings(**{name: value})  # type: ignore[arg-type]
    except ConfigurationError as refused:
        refusals.append(str(refused))
    assert [text for text in refusals if not text.startswith(f"setting {name}: ")] == []


def test_every_setting_is_described_and_settings_are_frozen() -> None:
    lines = StatekSettings().describe()
    assert [line.name for line in lines if not line.doc.endswith(".")] == []
    assert len(lines) == len(dataclasses.fields(StatekSettings)) - 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        StatekSettings().max_turns = 1  # type: ignore[misc]


def test_the_settings_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = StatekSettings(max_turns=3)
    set_statek_settings(chosen)
    assert get_statek_settings() is chosen
    set_statek_settings(None)
    monkeypatch.setenv("STATEK_MAX_TURNS", "4")
    assert get_statek_settings().max_turns == 4
    assert get_statek_settings() is get_statek_settings()
    set_statek_settings(None)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("openai/gpt-5-mini", ("OPENAI_API_KEY",)),
        ("gpt-5-mini", ("OPENAI_API_KEY",)),
        ("claude-x", ("ANTHROPIC_API_KEY",)),
        ("openrouter/deepseek/deepseek-chat", ("OPENROUTER_API_KEY",)),
        ("gemini/g", ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
        ("ollama/llama", ()),
    ],
)
def test_where_a_model_has_its_key(model: str, names: tuple[str, ...]) -> None:
    assert names == provider_key_names(model)
    assert provider_key_is_set(model, {}) is (not names)
    assert provider_key_is_set(model, dict.fromkeys(names, " ")) is (not names)
    assert provider_key_is_set(model, dict.fromkeys(names, "k"))


def test_importing_statek_is_light() -> None:
    heavy = "{'dbzero', 'grpc', 'litellm', 'docker', 'orchestrator'}"
    code = f"import sys, statek, statek.agents, statek.settings; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert ran.stdout == "[]\n"


def test_the_public_names() -> None:
    assert [name for name in statek.__all__ if getattr(statek, name) is None] == []
    assert statek.tool.__module__ == "statek.system"
    assert sorted(statek.__all__) == dir(statek)
    with pytest.raises(AttributeError, match=r"^module 'statek' has no attribute 'nothing'$"):
        _ = statek.nothing


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_settings_of_others_are_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    variable = f"STATEK_{name.upper()}"
    with pytest.raises(ConfigurationError) as caught:
        StatekSettings.load(environ={variable: "x"})
    assert str(caught.value) == f"{name!r} ({variable}) is no setting here: {OTHER_SETTINGS[name]}"
    file = tmp_path / "statek.toml"
    file.write_text(f"{name} = 1\n")
    with pytest.raises(ConfigurationError, match="is no setting here: "):
        StatekSettings.load(file=file, environ={})
    with pytest.raises(ConfigurationError, match="is no setting here: "):
        StatekSettings.load({name: 1}, environ={})
    assert name not in {line.name for line in StatekSettings().describe()}


def test_what_the_reasons_name_exists() -> None:
    settings = {line.name for line in StatekSettings().describe()}
    named = {
        "static_policy",
        "memory_bytes",
        "step_deadline_seconds",
        "api_socket_path",
        "default_difficulty",
        "default_acl",
    }
    assert named <= settings
    assert [name for name in named if not any(name in reason for reason in OTHER_SETTINGS.values())] == []
