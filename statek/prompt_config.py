"""System prompts and the prompt definition files that carry them.

A prompt is an intro and sections (``--- TITLE ---``, ``*** TITLE ***``, ``##`` headings, ``<tag>`` blocks), each for
every difficulty or for those its title names (``MH: TITLE``). Placeholders are expanded in one pass;
braces around anything unknown stay as they are.
"""

from __future__ import annotations

import enum
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty, parse_difficulties, parse_model
from statek.doc_format import format_brief, format_detailed
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.harness import HARNESS_KEYS, parse_harness_value
from statek.job_mode import JobMode
from statek.model_routing import route_model
from statek.post_processors import parse_post_processors
from statek.static_policy import StaticPolicy
from statek.tools import ToolDef
from statek.tools_scope import parse_tools_scope

__all__ = [
    "PromptDef",
    "PromptSection",
    "PromptStyle",
    "SystemPrompt",
    "check_metadata",
    "compare_prompts",
    "format_system_prompt",
    "load_prompt_files",
    "make_system_prompt",
    "parse_prompt_file",
    "parse_system_prompt",
    "parse_temperature",
    "read_prompt_file",
]

# None of these may be ambiguous: a search among several ways to match takes minutes for a long line of blanks.
_RULED = re.compile(r"(?:-{3,}|\*{3,})\s+(?P<title>\S.*)")
_HEADING = re.compile(r"#{2,6}\s+(?P<title>\S.*)")
_TAG = re.compile(r"\s*<(?P<tag>[A-Za-z][\w-]*)(?P<attributes>(?:\s+[\w-]+=\"[^\"]*\")*)\s*>\s*")
_DIFFICULTY_ATTRIBUTE = re.compile(r"(?:difficulty|target_difficulties)=\"([^\"]*)\"")
_TITLE_LABEL = re.compile(r"(?P<labels>[LMH](?:\s*(?:,\s*)?[LMH]){0,2})\s*:\s*(?P<title>\S.*)")
_CODE_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})")
_PLACEHOLDER = re.compile(r"(?P<comment>(?<![^\n])[ \t]*#[ \t]*)?\{(?P<name>[A-Za-z_]\w*)\}")
_METADATA = re.compile(r"# (?P<key>[A-Za-z_]\w*):[ \t]*(?P<value>\S.*)")
_PROMPT_HEADER = re.compile(r"#\s*System Prompt\s*", re.IGNORECASE)


class PromptStyle(enum.Enum):
    """How the titles of sections are written in a formatted prompt."""

    DASHED = "--- {title} ---\n{content}"
    ASTERISK = "*** {title} ***\n{content}"
    MARKDOWN = "## {title}\n{content}"
    XML = "<{title}>\n{content}\n</{title}>"
    """The title as a tag: in lower case, with underscores."""

    def render(self, section: PromptSection) -> str:
        """A section in this style."""
        title = section.title
        if self is PromptStyle.XML:
            title = re.sub(r"[^\w-]+", "_", title.lower()).strip("_") or "section"
            title = title if title[0].isalpha() else f"section_{title}"
        head, _, tail = (part.replace("{title}", title) for part in self.value.partition("{content}"))
        return f"{head}{section.content}{tail}".rstrip()


TOOL_PLACEHOLDERS = {"brief_tools": "brief_tools", "tools": "brief_tools", "detailed_tools": "detailed_tools"}
"""The placeholders of a prompt that stand for tools, and which text each means."""


@dataclass(frozen=True, slots=True)
class PromptSection:
    """One titled part of a prompt.

    Attributes:
        title: without its difficulty label.
        content: text below the title.
        difficulties: that it is for; None for every one.
    """

    title: str
    content: str
    difficulties: frozenset[TaskDifficulty] | None = None


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """A parsed prompt.

    Attributes:
        source: the text that it was made from.
        intro: text before the first section.
        sections: in the order written.
    """

    source: str
    intro: str
    sections: tuple[PromptSection, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptDef:
    """A prompt definition file.

    Attributes:
        role: the agent that it is for (the file's stem).
        system_prompt: the prompt.
        metadata: keys in upper case.
    """

    role: str
    system_prompt: SystemPrompt
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def description(self) -> str | None:
        """The DESCRIPTION, if there is one."""
        return self.metadata.get("DESCRIPTION")


def make_system_prompt(text: str | SystemPrompt) -> SystemPrompt:
    """A system prompt from its text; common indentation is removed."""
    return text if isinstance(text, SystemPrompt) else parse_system_prompt(text)


def compare_prompts(first: str | SystemPrompt, second: str | SystemPrompt) -> bool:
    """Whether two prompts say the same to a model, in whatever style the titles of their sections are written."""
    one, other = make_system_prompt(first), make_system_prompt(second)
    return (one.intro, one.sections) == (other.intro, other.sections)


def parse_system_prompt(text: str) -> SystemPrompt:
    """Take a prompt apart into intro and sections; headings inside code fences are text."""
    source = textwrap.dedent(text).strip()
    lines = source.split("\n")
    intro: list[str] = []
    found: list[tuple[str, frozenset[TaskDifficulty] | None, list[str]]] = []
    current = intro
    at, fenced = 0, False
    while at < len(lines):
        line = lines[at]
        at += 1
        if _CODE_FENCE.match(line):
            fenced = not fenced
        title, difficulties, end = (None, None, at) if fenced else _section_start(lines, at, line)
        if title is None:
            current.append(line)
            continue
        found.append((title, difficulties, lines[at:end] if end > at else []))
        current = found[-1][2]
        at = end + 1 if end > at or _TAG.fullmatch(line) else at
    sections = tuple(PromptSection(title, _trim(body), labels) for title, labels, body in found)
    return SystemPrompt(source, _trim(intro), sections)


def _section_start(
    lines: Sequence[str], at: int, line: str
) -> tuple[str | None, frozenset[TaskDifficulty] | None, int]:
    """Title, difficulties and, for a tag, the index of its closing line; a None title when no section starts."""
    tag = _TAG.fullmatch(line)
    if tag is not None:
        closing = f"</{tag['tag']}>"
        end = next((number for number in range(at, len(lines)) if lines[number].strip() == closing), None)
        if end is None:
            return None, None, at
        attribute = _DIFFICULTY_ATTRIBUTE.search(tag["attributes"])
        return tag["tag"], parse_difficulties(attribute[1]) if attribute else None, end
    title = _heading(line)
    if title is None:
        return None, None, at
    label = _TITLE_LABEL.fullmatch(title)
    difficulties = parse_difficulties(label["labels"]) if label is not None else None
    if label is not None and difficulties is not None:
        title = label["title"]
    return title, difficulties, at


def _heading(line: str) -> str | None:
    """Title of a line such as ``--- TITLE ---`` or ``## TITLE``; None for another line."""
    text = line.strip()
    ruled = _RULED.fullmatch(text)
    if ruled is not None:
        before = ruled["title"].rstrip(text[0])
        closed = len(ruled["title"]) - len(before) >= 3 and before[-1:].isspace()
        return before.rstrip() if closed else None
    heading = _HEADING.fullmatch(line)
    return None if heading is None else heading["title"].rstrip().rstrip("#").rstrip() or "#"


def _trim(lines: Sequence[str]) -> str:
    return "\n".join(lines).strip("\n").rstrip()


def format_system_prompt(
    prompt: SystemPrompt,
    *,
    difficulty: TaskDifficulty = TaskDifficulty.MEDIUM,
    tools: Sequence[ToolDef] = (),
    texts: Mapping[str, str] | None = None,
    shared_var_names: Sequence[str] = (),
    params: Mapping[str, Any] | None = None,
    style: PromptStyle = PromptStyle.DASHED,
) -> str:
    """The prompt as a model gets it.

    Args:
        prompt: the prompt.
        difficulty: chooses the sections.
        tools: for the tool placeholders; hidden and internal ones are left out.
        texts: what stands for the tool placeholders instead, as ``tool_texts`` gave it before; None for the tools.
        shared_var_names: for ``{shared_var_names}``.
        params: further names that may stand in braces; the four placeholders cannot be replaced by them.
        style: of the sections' titles.
    """
    parts = [prompt.intro] if prompt.intro else []
    parts += [
        style.render(section)
        for section in prompt.sections
        if section.difficulties is None or difficulty in section.difficulties
    ]
    source = "\n\n".join(parts)
    told = tool_texts(tools, source) if texts is None else texts

    def expand(match: re.Match[str]) -> str:
        name = match["name"]
        if name in TOOL_PLACEHOLDERS:
            text = told[TOOL_PLACEHOLDERS[name]]
        elif name == "shared_var_names":
            text = ", ".join(shared_var_names)
        elif params is not None and name in params:
            text = str(params[name])
        else:
            return match[0]
        comment: str | None = match["comment"]
        if comment is None:
            return text
        # "# {tools}": the whole expansion is a comment, not just its first line.
        return "\n".join(f"{comment.rstrip()} {line}".rstrip() for line in text.split("\n"))

    return _PLACEHOLDER.sub(expand, source)


def tool_texts(tools: Sequence[ToolDef], source: str) -> dict[str, str]:
    """What stands for the tool placeholders that a prompt has, by placeholder; ``tools`` is ``brief_tools``.

    Args:
        tools: hidden and internal ones are left out.
        source: the prompt.
    """
    shown = [tool for tool in tools if not (tool.hidden or tool.internal)]
    forms = {"brief_tools": format_brief, "detailed_tools": format_detailed}
    wanted = {TOOL_PLACEHOLDERS.get(match["name"]) for match in _PLACEHOLDER.finditer(source)}
    return {name: "\n\n".join(map(form, shown)) for name, form in forms.items() if name in wanted}


def parse_temperature(text: str) -> float:
    """A TEMPERATURE value.

    Raises:
        InvalidRequest: no number from 0 to 1.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise InvalidRequest(f"TEMPERATURE {text!r} must be a number from 0 to 1")
    return value


def check_metadata(key: str, value: str) -> None:
    """Check the value of a metadata key that has a known form; any other key may have any value.

    Raises:
        InvalidRequest: the value cannot be understood.
    """
    if key == "MODEL":
        for model in parse_model(value).values():
            route_model(model)
    elif key == "TEMPERATURE":
        parse_temperature(value)
    elif key == "CHAT_STYLE":
        ChatStyle.parse(value)
    elif key == "MODE":
        JobMode.parse(value)
    elif key == "DEFAULT_DIFFICULTY":
        TaskDifficulty.parse(value)
    elif key == "STATIC_POLICY":
        StaticPolicy.parse(value)
    elif key == "LLM_TOOLS_SCOPE":
        parse_tools_scope(value)
    elif key == "POST_PROCESSORS":
        parse_post_processors(value)
    elif key in {"AUTO_LANG_RULE", "AUTO_LANG_HINT"}:
        if value.strip().upper() not in {"TRUE", "FALSE"}:
            raise InvalidRequest(f"{key} {value!r} must be TRUE or FALSE")
    elif key in HARNESS_KEYS:
        parse_harness_value(key, value)
    elif key == "REASONING":
        raise InvalidRequest("REASONING is not taken: use rl= in MODEL, for example openai/gpt-5-mini/rl=60")
    elif key == "EXTRA_RESOURCES":
        raise InvalidRequest(
            "EXTRA_RESOURCES is not taken: what an agent may reach is its own; give it the tools, and its role the "
            "examples and documents"
        )


def parse_prompt_file(path: Path | str) -> PromptDef:
    """Read a prompt definition file: ``# KEY: value`` lines, the header ``# System Prompt``, the prompt.

    Raises:
        ConfigurationError: unreadable, no header, an empty prompt, or a value that cannot be understood; names the
            file and, where one is to blame, the line and the key; of several mistakes the first.
    """
    found, mistakes = read_prompt_file(path)
    if found is None:
        raise ConfigurationError(mistakes[0])
    return found


def read_prompt_file(path: Path | str) -> tuple[PromptDef | None, list[str]]:
    """What a prompt definition file says, or every mistake in it: a sentence each, as ``parse_prompt_file`` raises."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split("\n")
    except OSError as error:
        return None, [f"prompt file {path} cannot be read: {error.strerror}"]
    except UnicodeDecodeError as error:
        return None, [f"prompt file {path} is not UTF-8 (byte {error.start})"]
    mistakes: list[str] = []
    metadata: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if _PROMPT_HEADER.fullmatch(line):
            prompt = parse_system_prompt("\n".join(lines[number:]))
            if not prompt.source:
                mistakes.append(f"prompt file {path}, line {number}: nothing follows '# System Prompt'")
            return (None if mistakes else PromptDef(path.stem, prompt, metadata)), mistakes
        match = _METADATA.fullmatch(line)
        if match is None:
            continue
        key, value = match["key"].upper(), match["value"].rstrip()
        try:
            check_metadata(key, value)
        except InvalidRequest as error:
            mistakes.append(f"prompt file {path}, line {number}, key {key}: {error}")
        metadata[key] = value
    return None, [*mistakes, f"prompt file {path} has no line '# System Prompt'"]


def load_prompt_files(directory: Path | str) -> dict[str, PromptDef]:
    """Every ``<role>.md`` directly in a directory, by role.

    Raises:
        ConfigurationError: there is no such directory, or a file in it is broken.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise ConfigurationError(f"prompt_files_dir {directory} is no directory")
    return {path.stem: parse_prompt_file(path) for path in sorted(directory.glob("*.md"))}
