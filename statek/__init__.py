"""Durable Python agents: agents, tools, jobs, and what happens next in them.

Names are imported when they are first used, so ``import statek`` costs nothing and needs neither the
store nor a model provider. Where the application has imported dbzero already, its writes are checked from here on.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statek.agents.agent import Agent, SupervisedAgent
    from statek.agents.definitions import update_prompt_config, update_warmup_defs
    from statek.agents.dialog_agent import DialogAgent
    from statek.chat_style import ChatStyle
    from statek.context_category import ContextCategory, ContextCategoryDict, ContextVar
    from statek.error_handlers import error_handler, is_valid_error_handler
    from statek.exceptions import JobExit, LLM_HarnessError
    from statek.future import FutureResult, get_all, get_any, suspend_for, temporal
    from statek.harness import LLM_Harness, get_llm_harness
    from statek.job_context import get_current_agent, get_current_agent_name, get_current_job
    from statek.model_routing import ProviderConfig, resolve_provider_config
    from statek.post_processors import FinalCheck, LLM_StepData, PostProcessor
    from statek.prompt_config import PromptDef, make_system_prompt
    from statek.rendering import format_default_llm_repr, statek_print
    from statek.resolving import cancel_future, fail_future, resolve_future
    from statek.runner import start_statek, start_statek_async
    from statek.runtime import close, init, open_prefix
    from statek.settings import StatekSettings, get_statek_settings, set_statek_settings
    from statek.statek_client_api import StatekClientAPI
    from statek.statek_push_queue import StatekPushQueue
    from statek.sub_task_handler import SubTaskHandler, SubTaskState, TaskError
    from statek.system import docs_style, find_tools, tool
    from statek.system_tools.documentation import docstr
    from statek.system_tools.shared_context import init_shared_context, print_locals, shared_context_set_var
    from statek.task import complete_sub_task, create_new_job, create_sub_task, find_sub_task_handler, subtask
    from statek.tools import ToolContext, current_tool_context

__all__ = [
    "Agent",
    "ChatStyle",
    "ContextCategory",
    "ContextCategoryDict",
    "ContextVar",
    "DialogAgent",
    "FinalCheck",
    "FutureResult",
    "JobExit",
    "LLM_Harness",
    "LLM_HarnessError",
    "LLM_StepData",
    "PostProcessor",
    "PromptDef",
    "ProviderConfig",
    "StatekClientAPI",
    "StatekPushQueue",
    "StatekSettings",
    "SubTaskHandler",
    "SubTaskState",
    "SupervisedAgent",
    "TaskError",
    "ToolContext",
    "cancel_future",
    "close",
    "complete_sub_task",
    "create_new_job",
    "create_sub_task",
    "current_tool_context",
    "docs_style",
    "docstr",
    "error_handler",
    "fail_future",
    "find_sub_task_handler",
    "find_tools",
    "format_default_llm_repr",
    "get_all",
    "get_any",
    "get_current_agent",
    "get_current_agent_name",
    "get_current_job",
    "get_llm_harness",
    "get_statek_settings",
    "init",
    "init_shared_context",
    "is_valid_error_handler",
    "make_system_prompt",
    "open_prefix",
    "print_locals",
    "resolve_future",
    "resolve_provider_config",
    "set_statek_settings",
    "shared_context_set_var",
    "start_statek",
    "start_statek_async",
    "statek_print",
    "subtask",
    "suspend_for",
    "temporal",
    "tool",
    "update_prompt_config",
    "update_warmup_defs",
]

_HOMES = {
    "FinalCheck": "statek.post_processors",
    "LLM_StepData": "statek.post_processors",
    "PostProcessor": "statek.post_processors",
    "PromptDef": "statek.prompt_config",
    "ProviderConfig": "statek.model_routing",
    "resolve_provider_config": "statek.model_routing",
    "get_current_agent": "statek.job_context",
    "get_current_agent_name": "statek.job_context",
    "get_current_job": "statek.job_context",
    "update_prompt_config": "statek.agents.definitions",
    "update_warmup_defs": "statek.agents.definitions",
    "format_default_llm_repr": "statek.rendering",
    "statek_print": "statek.rendering",
    "Agent": "statek.agents.agent",
    "ChatStyle": "statek.chat_style",
    "DialogAgent": "statek.agents.dialog_agent",
    "ContextCategory": "statek.context_category",
    "ContextCategoryDict": "statek.context_category",
    "ContextVar": "statek.context_category",
    "JobExit": "statek.exceptions",
    "LLM_Harness": "statek.harness",
    "LLM_HarnessError": "statek.exceptions",
    "FutureResult": "statek.future",
    "StatekClientAPI": "statek.statek_client_api",
    "StatekPushQueue": "statek.statek_push_queue",
    "StatekSettings": "statek.settings",
    "SubTaskHandler": "statek.sub_task_handler",
    "SubTaskState": "statek.sub_task_handler",
    "SupervisedAgent": "statek.agents.agent",
    "TaskError": "statek.sub_task_handler",
    "ToolContext": "statek.tools",
    "cancel_future": "statek.resolving",
    "close": "statek.runtime",
    "complete_sub_task": "statek.task",
    "create_new_job": "statek.task",
    "create_sub_task": "statek.task",
    "current_tool_context": "statek.tools",
    "docs_style": "statek.system",
    "docstr": "statek.system_tools.documentation",
    "find_sub_task_handler": "statek.task",
    "find_tools": "statek.system",
    "error_handler": "statek.error_handlers",
    "is_valid_error_handler": "statek.error_handlers",
    "get_llm_harness": "statek.harness",
    "fail_future": "statek.resolving",
    "get_all": "statek.future",
    "get_any": "statek.future",
    "get_statek_settings": "statek.settings",
    "init": "statek.runtime",
    "init_shared_context": "statek.system_tools.shared_context",
    "make_system_prompt": "statek.prompt_config",
    "open_prefix": "statek.runtime",
    "print_locals": "statek.system_tools.shared_context",
    "resolve_future": "statek.resolving",
    "set_statek_settings": "statek.settings",
    "shared_context_set_var": "statek.system_tools.shared_context",
    "start_statek": "statek.runner",
    "start_statek_async": "statek.runner",
    "subtask": "statek.task",
    "suspend_for": "statek.future",
    "temporal": "statek.future",
    "tool": "statek.system",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module at its first use."""
    if name == "__version__":
        return _version()
    home = _HOMES.get(name)
    # The one lazy door of this package; the table above and the modules of this folder are all it can reach.
    if home is not None:
        globals()[name] = value = getattr(importlib.import_module(home), name)  # noqa: TID251
        return value
    if not name.startswith("_") and importlib.util.find_spec(f"statek.{name}") is not None:
        return importlib.import_module(f"statek.{name}")  # noqa: TID251
    raise AttributeError(f"module 'statek' has no attribute {name!r}")


def _version() -> str:
    """Of the installed distribution; a checkout that is not installed has none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("statek-sandbox")
    except PackageNotFoundError:
        return "0+unknown"


def __dir__() -> list[str]:
    """The public names."""
    return __all__


if "dbzero" in sys.modules:
    # Before the application calls dbzero.init: statek.init takes over the folder named there (statek.runtime).
    import statek.durable  # noqa: F401
