"""Every public name of the documents is there at its path, and the paths of one name give the same thing."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import statek
from statek.executors.job import Job, JobDef
from statek.pyenv import PyEnv

NAMES = [
    ("statek", "tool docstr get_any get_all subtask error_handler is_valid_error_handler docs_style find_tools"),
    ("statek", "SubTaskHandler SubTaskState TaskError create_sub_task complete_sub_task create_new_job"),
    (
        "statek",
        "find_sub_task_handler init open_prefix start_statek start_statek_async StatekPushQueue StatekClientAPI",
    ),
    ("statek", "Agent SupervisedAgent DialogAgent ChatStyle StatekSettings make_system_prompt"),
    ("statek", "PromptDef update_prompt_config LLM_Harness get_llm_harness LLM_HarnessError"),
    ("statek", "PostProcessor FinalCheck LLM_StepData ProviderConfig resolve_provider_config"),
    (
        "statek",
        "ContextCategory ContextCategoryDict ContextVar init_shared_context shared_context_set_var print_locals",
    ),
    ("statek", "__version__"),
    ("statek", "statek_print format_default_llm_repr get_current_job get_current_agent get_current_agent_name"),
    (
        "statek.system",
        "tool docstr brief panic python_cli get_any get_all subtask error_handler is_valid_error_handler",
    ),
    ("statek.system", "docs_style find_tools find_sub_task_handler select_tools create_tool inject_context"),
    ("statek.agents", "Agent SupervisedAgent"),
    ("statek.agents.agent", "Agent SupervisedAgent list_of_examples show_example list_of_documents show_document"),
    ("statek.agents.list_of_examples", "list_of_examples show_example"),
    ("statek.agents.list_of_documents", "list_of_documents show_document"),
    ("statek.agents.dialog_agent", "DialogAgent Reminder RecurringReminder RecursiveReminder"),
    ("statek.prompt_config", "make_system_prompt parse_prompt_file load_prompt_files parse_system_prompt"),
    ("statek.prompt_config", "format_system_prompt SystemPrompt PromptDef PromptStyle compare_prompts"),
    ("statek.executors.job", "JobDef Job JobStatus JobDefError ErrorHandler DialogItem"),
    ("statek.executors.chat_log_item", "ChatLogItem LLM_LogItem WarmupLogItem UserLogItem ReminderLogItem"),
    ("statek.executors.chat_log_item", "SubTaskLogItem PostProcessedItem ToolError"),
    ("statek.chat_history", "ChatHistoryItem ChatRole ContentSource format_chat_history_item"),
    ("statek.pyenv", "PyEnv"),
    ("statek.task", "SubTaskHandler SubTaskState TaskError create_sub_task complete_sub_task create_new_job"),
    (
        "statek.task",
        "delegate_task delegate_mute_task delegate_mute_dialog start_dialog submit_new_job submit_new_jobs_batch",
    ),
    ("statek.runner", "start_statek start_statek_async"),
    ("statek.statek_push_queue", "StatekPushQueue"),
    ("statek.statek_client_api", "StatekClientAPI"),
    ("statek.chat_style", "ChatStyle"),
    ("statek.settings", "ChatStyle get_statek_settings set_statek_settings"),
    ("statek.future", "FutureResult FutureElement CombinedFutureResult temporal get_any_future get_all_future"),
    ("statek.exceptions", "FutureError LLM_HarnessError InvalidFormat"),
    ("statek.docstring", "parse_docstring parse_tool_docstring format_docstring parse_variants get_text_variant"),
    ("statek.docstring", "parse_statek_acl Statek_ACL ACL_Item DocstringParseError"),
    ("statek.shared_context", "SharedContext"),
    ("statek.locale", "StatekLocale StatekLangCode StatekCountryCode resolve_locale"),
    ("statek.locale", "get_language_rule get_language_hint"),
    ("statek.task", "TaskFutureResult"),
    (
        "statek.utils",
        "format_llm_repr format_value_repr format_callable_decl format_tool_spec statek_ctx_get statek_ctx_set",
    ),
    ("statek.utils", "perm_ctx_get perm_ctx_set perm_ctx_set_unique"),
    ("statek.testing", "statek_context"),
]
"""Modules and the names that applications import from them."""


@pytest.mark.parametrize(("module", "names"), NAMES, ids=[f"{module}-{names[:20]}" for module, names in NAMES])
def test_names_are_at_their_path(module: str, names: str) -> None:
    found = importlib.import_module(module)  # noqa: TID251 - the names are those of the documents
    assert [name for name in names.split() if getattr(found, name, None) is None] == []


@pytest.mark.parametrize("name", ["get_any", "get_all", "subtask", "error_handler", "tool", "find_tools", "docs_style"])
def test_both_paths_give_the_same(name: str) -> None:
    assert getattr(importlib.import_module("statek.system"), name) is getattr(statek, name)  # noqa: TID251


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (Job, "status job_status set_status job_def agent parent_job py_env chat_log error usage awaited_result"),
        (Job, "next_instr_num warmup_block_num created_at num_completions error_handlers model model_family"),
        (Job, "get_current_model get_current_difficulty panic find_locals add_locals find_sub_task_handler"),
        (Job, "push_notification push_user_message get_chat_history get_next_request get_request_data"),
        (Job, "get_next_prompt get_chat_responses get_dialog get_response_times get_llm_response_times"),
        (Job, "get_llm_step_sizes get_llm_initial_step_size tokens_per_sec num_turns count_llm_actions"),
        (Job, "exception_count max_consecutive_exceptions approx_token_usage is_step_final last_response"),
        (Job, "get_next_code_block system_prompt"),
        (JobDef, "agent model model_family provider warmup_code set_chat_style update_warmup_code"),
        (JobDef, "set_post_processing set_error get_errors has_errors clear_errors"),
        (PyEnv, "update_locals"),
    ],
)
def test_classes_have_their_documented_names(cls: type, names: str) -> None:
    assert [name for name in names.split() if not hasattr(cls, name)] == []


def test_unknown_names_are_named() -> None:
    with pytest.raises(AttributeError, match=r"module 'statek.system' has no attribute 'nothing'"):
        getattr(importlib.import_module("statek.system"), "nothing")  # noqa: B009, TID251


def test_type_checkers_know_every_public_name(tmp_path: Path) -> None:
    """Names that are imported when they are first used would otherwise be ``Any`` to an application's type checker."""
    names = [name for name in statek.__all__ if name != "__version__"]
    application = tmp_path / "application.py"
    application.write_text("import statek\n" + "".join(f"reveal_type(statek.{name})\n" for name in names))
    options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(application)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(statek.__file__).parent.parent,
    )
    revealed = [line.partition("Revealed type is ")[2] for line in done.stdout.splitlines() if "Revealed" in line]
    assert len(revealed) == len(names), done.stdout
    assert [name for name, kind in zip(names, revealed, strict=True) if kind == '"Any"'] == []


def test_the_modules_of_the_package_come_with_it() -> None:
    program = "import statek; print(statek.task.delegate_task.__module__, hasattr(statek, 'nothing'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("statek.task False\n", "")
