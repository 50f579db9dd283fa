"""Agents: the role, prompt, tools, metadata and context of jobs.

Plain objects of the process; what must outlive it is the role, which a job keeps, and the frozen
``JobDefinition``.
"""

from __future__ import annotations

import copy
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self

from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty
from statek.examples import load_examples
from statek.exceptions import InvalidRequest
from statek.free_names import find_free_names
from statek.harness import LLM_Harness, get_llm_harness
from statek.job_definition import JobDefinition, chosen_style
from statek.job_mode import JobMode
from statek.locale import StatekLocale, resolve_locale
from statek.model_routing import ProviderConfig, resolve_provider_config
from statek.post_processors import PostProcessor, post_processors_text
from statek.prompt_config import PromptDef, SystemPrompt, check_metadata, format_system_prompt, make_system_prompt
from statek.prompt_config import parse_prompt_file as _parse_prompt_file
from statek.reminders import Reminder
from statek.settings import StatekSettings, get_statek_settings
from statek.system import find_system_tools
from statek.system_tools.documents import list_of_documents, show_document
from statek.system_tools.examples import list_of_examples, show_example
from statek.tools import ToolDef
from statek.warmup import WarmupBlock, WarmupSource, parse_warmup

__all__ = [
    "Agent",
    "SupervisedAgent",
    "known_agents",
    "list_of_documents",
    "list_of_examples",
    "show_document",
    "show_example",
]

Tool = Callable[..., Any]


_known: weakref.WeakSet[Agent] = weakref.WeakSet()


def known_agents() -> list[Agent]:
    """Every agent of this process that is still there, by role."""
    return sorted(_known, key=lambda agent: agent.role)


class Agent:
    """A role that jobs run as.

    Args:
        role: its name, unique among the agents of a service.
        _system_prompt: how it should work; None for none.
        _tools: callables exposed to the model; those whose names begin with an underscore become internal.
        _tools_by_name: names of further tools, looked up in ``context`` when they are used.
        _internal_tools: callables that are kept from the model.
        _internal_tools_by_name: names of further internal tools.
        _metadata: configuration; ``MODEL`` is needed to make jobs.
        _description: short capability text.

    Where ``prompt_files_dir`` is set and has a file ``<role>.md``, its prompt, and its metadata if it has any, replace
    the ones given.

    Raises:
        InvalidRequest: no role, or something among the tools cannot be one, or two tools share a name.
        ConfigurationError: the prompt file is broken.
    """

    _message_tool: ToolDef | None = None

    def __init__(
        self,
        role: str,
        _system_prompt: SystemPrompt | str | None = None,
        _tools: Sequence[Tool] = (),
        _tools_by_name: Sequence[str] = (),
        _internal_tools: Sequence[Tool] = (),
        _internal_tools_by_name: Sequence[str] = (),
        _metadata: Mapping[str, str] | None = None,
        _description: str | None = None,
    ) -> None:
        if not isinstance(role, str) or not role.strip():
            raise InvalidRequest(f"an agent needs a role, not {role!r}")
        self.role = role
        self._made_in = _maker()
        self._system_prompt = None if _system_prompt is None else make_system_prompt(_system_prompt)
        self._tools: list[Tool] = []
        self._tools_by_name: list[str] = []
        self._internal_tools: list[Tool] = []
        self._internal_tools_by_name: list[str] = []
        self._metadata: dict[str, str] = dict(_metadata or {})
        self._description = _description
        self._context: dict[str, Any] | None = None
        for tool in _tools:
            self.append_tool(tool)
        for name in _tools_by_name:
            self.append_tool(name)
        self._internal_tools += [tool for tool in _internal_tools if ToolDef.of(tool)]
        self._internal_tools_by_name += list(_internal_tools_by_name)
        self._check_names()
        _known.add(self)
        settings = get_statek_settings()
        if settings.prompt_files_dir is not None:
            path = settings.prompt_files_dir / f"{role}.md"
            if "/" not in role and path.is_file():
                self.apply_prompt_def(_parse_prompt_file(path))

    @property
    def made_in(self) -> str:
        """Name of the module whose code made it; ``__main__`` for a program."""
        return self._made_in

    def __repr__(self) -> str:
        return f"{type(self).__name__}(role={self.role!r})"

    # ---------------------------------------------------------------------------------------- tools

    def append_tool(self, tool: Tool | str) -> None:
        """Add a tool; a string names one in ``context``. A leading underscore makes it internal.

        Raises:
            InvalidRequest: it cannot be a tool.
        """
        if isinstance(tool, str):
            (self._internal_tools_by_name if tool.startswith("_") else self._tools_by_name).append(tool)
            return
        internal = ToolDef.of(tool).internal
        (self._internal_tools if internal else self._tools).append(tool)

    @property
    def all_tools(self) -> list[Tool]:
        """Every tool: visible ones, named ones found in the context, internal ones, named internal ones."""
        named = [self.context[name] for name in self._tools_by_name if name in self.context]
        internal = [self.context[name] for name in self._internal_tools_by_name if name in self.context]
        return [*self._tools, *named, *self._internal_tools, *internal]

    def tool_defs(self) -> list[ToolDef]:
        """The declarations of every tool, those of ``_internal_tools`` marked internal, system tools last.

        A tool of the agent goes before a system tool of the same name.

        Raises:
            InvalidRequest: a named tool is not in the context.
        """
        missing = [name for name in (*self._tools_by_name, *self._internal_tools_by_name) if name not in self.context]
        if missing:
            raise InvalidRequest(f"agent {self.role!r}: tool {missing[0]!r} is not in its context")
        visible = [ToolDef.of(tool) for tool in self._tools]
        visible += [ToolDef.of(self.context[name], name=name) for name in self._tools_by_name]
        internal = [ToolDef.of(tool) for tool in self._internal_tools]
        internal += [ToolDef.of(self.context[name], name=name) for name in self._internal_tools_by_name]
        own = visible + [tool.as_internal() for tool in internal]
        names = {tool.name for tool in own}
        return own + [tool for tool in find_system_tools() if tool.name not in names]

    def _check_names(self) -> None:
        seen: set[str] = set()
        for tool in (*self._tools, *self._internal_tools):
            name = ToolDef.of(tool).name
            if name in seen:
                raise InvalidRequest(f"agent {self.role!r} has two tools named {name}")
            seen.add(name)

    @property
    def message_tool(self) -> ToolDef | None:
        """What sends the prose of replies to a user; None where nobody is written to (``DialogAgent`` has one)."""
        return self._message_tool

    def writing_to(self, sender: ToolDef) -> Self:
        """This agent with another sender: for a job whose messages are for somebody else than the agent's user.

        Args:
            sender: ``statek.agents.dialog_agent.message_tool`` of what takes them.
        """
        context = self.context  # made once, for both
        twin = copy.copy(self)
        twin._context, twin._message_tool = context, sender  # noqa: SLF001 -- of its own kind
        return twin

    @property
    def takes_media(self) -> bool:
        """Whether that takes media."""
        return False

    @property
    def reminder(self) -> Reminder | None:
        """What the model is told when its text would end the job; None for nothing (``DialogAgent`` may have one)."""
        return None

    # -------------------------------------------------------------------------------------- context

    def init_context(self) -> dict[str, Any]:
        """Make the context; subclasses override this to install adapters and dynamic tools."""
        return {}

    @property
    def has_context(self) -> bool:
        """Whether there is a context, or one would be made: making it is code of the application."""
        return self._context is not None or type(self).init_context is not Agent.init_context

    @property
    def context(self) -> dict[str, Any]:
        """Private runtime objects: adapters, callables, classes. Made at first use, never stored."""
        if self._context is None:
            self._context = self.init_context()
        return self._context

    def get_adapter(self, name: str) -> Any:
        """The first of ``name``, ``_name``, ``__name`` in the context that is not None; None without one."""
        for key in (name, f"_{name}", f"__{name}"):
            if self.context.get(key) is not None:
                return self.context[key]
        return None

    def get_examples(self) -> list[str]:
        """The names of the examples of its role, in the order in which agents see them."""
        directory = get_statek_settings().examples_dir
        return [example.name for example in load_examples(directory, self.role)] if directory is not None else []

    # --------------------------------------------------------------------------- prompt and metadata

    @property
    def description(self) -> str | None:
        """Short capability text."""
        return self._description

    @property
    def metadata(self) -> dict[str, str]:
        """A copy of the configuration."""
        return dict(self._metadata)

    @property
    def prompt_source(self) -> str:
        """The text of its system prompt; empty for none."""
        return self._system_prompt.source if self._system_prompt is not None else ""

    def update_system_prompt(self, prompt: SystemPrompt | str) -> bool:
        """Replace the prompt where it differs; gives whether it did."""
        made = make_system_prompt(prompt)
        if made == self._system_prompt:
            return False
        self._system_prompt = made
        return True

    def update_metadata(self, metadata: Mapping[str, str]) -> bool:
        """Replace the configuration where it differs; gives whether it did. Jobs made before keep theirs."""
        if dict(metadata) == self._metadata:
            return False
        self._metadata = dict(metadata)
        return True

    def update_description(self, description: str | None) -> bool:
        """Replace the description where it differs; gives whether it did."""
        if description == self._description:
            return False
        self._description = description
        return True

    def apply_prompt_def(self, definition: PromptDef) -> bool:
        """Take prompt, metadata (if it has any) and description of a prompt file; gives whether anything changed."""
        changed = self.update_system_prompt(definition.system_prompt)
        if definition.metadata:
            changed |= self.update_metadata(definition.metadata)
        if definition.description is not None:
            changed |= self.update_description(definition.description)
        return changed

    def system_prompt(
        self,
        task_difficulty: TaskDifficulty | str = TaskDifficulty.MEDIUM,
        job_params: Mapping[str, Any] | None = None,
        **params: Any,
    ) -> str:
        """The prompt as a model would get it.

        Args:
            task_difficulty: chooses the sections.
            job_params: values for placeholders; ``shared_vars`` in it lists the shared variables.
            params: more of them.
        """
        if self._system_prompt is None:
            return ""
        values = {**(job_params or {}), **params}
        return format_system_prompt(
            self._system_prompt,
            difficulty=TaskDifficulty.parse(task_difficulty),
            tools=[tool for tool in self.tool_defs() if not tool.system],
            shared_var_names=[str(name) for name in values.get("shared_vars") or ()],
            params=values,
        )

    # ----------------------------------------------------------------------------------------- jobs

    def get_llm_harness(self, settings: StatekSettings) -> LLM_Harness:
        """The limits of this agent's jobs; subclasses override it. Metadata (``MAX_TURNS`` ...) goes before it."""
        return get_llm_harness(settings)

    def create_job_def(
        self,
        tools: Sequence[Tool] | None = None,
        warmup_code: WarmupSource = None,
        shared_vars: Mapping[str, Any] | Sequence[str] | None = None,
        locale: str | StatekLocale | None = None,
        chat_style: ChatStyle | str | None = None,
        provider_config: ProviderConfig | Mapping[str, Any] | Path | str | None = None,
        post_processing: PostProcessor | Sequence[PostProcessor] | str | None = None,
        mode: JobMode | str | None = None,
        **job_params: Any,
    ) -> JobDefinition:
        """Freeze the setup of one job.

        Args:
            tools: the tools of the agent that the job may use; all of them by default.
            warmup_code: run before the agent's own warmup.
            shared_vars: variables that the job is given, or their names.
            locale: ``LANG-COUNTRY``.
            chat_style: goes before CHAT_STYLE of the metadata, which goes before the settings.
            provider_config: how reasoning is asked for, or its file; goes before the settings.
            post_processing: post-processors, or their text; goes before POST_PROCESSORS of the metadata.
            mode: ``stateless``, ``live`` or ``durable``; goes before MODE of the metadata. ``durable`` by default.
            job_params: JSON-able values for the prompt's placeholders.

        Raises:
            ConfigurationError: the provider configuration cannot be read.
            InvalidRequest: no MODEL (names the role), a foreign tool, a broken warmup, a bad value.
        """
        settings = get_statek_settings()
        metadata = {key.upper(): value for key, value in self._metadata.items()}
        for key, value in metadata.items():
            if not isinstance(value, str):
                raise InvalidRequest(f"agent {self.role!r}: metadata {key} must be text, not {type(value).__name__}")
            try:
                check_metadata(key, value)
            except InvalidRequest as error:
                raise InvalidRequest(f"agent {self.role!r}: {error}") from error
        if settings.default_llm_api_provider and not metadata.get("PROVIDER", "").strip():
            metadata["PROVIDER"] = settings.default_llm_api_provider
        config = resolve_provider_config(settings.provider_config if provider_config is None else provider_config)
        definition = JobDefinition(
            role=self.role,
            agent_class=type(self).__name__,
            metadata=metadata,
            prompt=self.prompt_source,
            tool_names=self._names_of(tools),
            warmup=parse_warmup(warmup_code, self._own_warmup()),
            chat_style=chosen_style(chat_style, metadata),
            locale=None if locale is None else str(resolve_locale(locale)),
            job_params=job_params,
            shared_var_names=tuple(shared_vars or ()),
            difficulty=TaskDifficulty.parse(metadata.get("DEFAULT_DIFFICULTY") or settings.default_difficulty),
            provider_config=None if config is None else config.tree,
            post_processing=post_processors_text(
                metadata.get("POST_PROCESSORS") if post_processing is None else post_processing
            ),
            mode=JobMode.parse(mode if mode is not None else metadata.get("MODE", JobMode.DURABLE)),
        )
        return definition.with_tools_of(self)

    def _own_warmup(self) -> tuple[WarmupBlock, ...]:
        """The agent's reusable warmup; a plain agent has none."""
        return ()

    def _names_of(self, tools: Sequence[Tool] | None) -> tuple[str, ...]:
        own = [tool.name for tool in self.tool_defs() if not tool.system]
        if tools is None:
            return tuple(own)
        if not isinstance(tools, Sequence):
            raise InvalidRequest(f"agent {self.role!r}: tools must be a list of tools, not {type(tools).__name__}")
        wanted = [ToolDef.of(tool).name for tool in tools]
        foreign = [name for name in wanted if name not in own]
        if foreign:
            raise InvalidRequest(f"agent {self.role!r} has no tool {foreign[0]}; a job can only use its agent's tools")
        return tuple(name for name in own if name in wanted)


class SupervisedAgent(Agent):
    """An agent with a warmup of its own, run after the job's.

    Args:
        args: as for ``Agent``.
        warmup_def: warmup code; see ``statek.warmup``.
        kwargs: as for ``Agent``.
    """

    def __init__(self, *args: Any, warmup_def: WarmupSource = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._warmup = parse_warmup(warmup_def)

    @property
    def warmup_def(self) -> tuple[WarmupBlock, ...]:
        """The blocks of its warmup."""
        return self._warmup

    @property
    def referenced_locals(self) -> tuple[str, ...]:
        """Names that its warmup reads and does not set, in the order of their first use; tools are none."""
        tools = {tool.name for tool in self.tool_defs()}
        names = find_free_names(block.code for block in self._warmup)
        return tuple(name for name in names if name not in tools)

    def update_warmup_def(self, warmup_def: WarmupSource) -> bool:
        """Replace the warmup where it differs; gives whether it did.

        Raises:
            InvalidRequest: it cannot be parsed; the old one stays.
        """
        parsed = parse_warmup(warmup_def)
        if parsed == self._warmup:
            return False
        self._warmup = parsed
        return True

    def _own_warmup(self) -> tuple[WarmupBlock, ...]:
        return self._warmup


def _maker() -> str:
    """The module whose code makes the agent that is being made, past the constructors of its classes."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 -- who calls is a frame's own knowledge
    while frame is not None and frame.f_code.co_name == "__init__":
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))
