"""Post-processors: application code that looks at each reply of the model before anything comes of it.

``process(llm_step, job)`` gives the step, the same or another; or a text, which suppresses it: it is neither run nor
sent, its usage counts, and the model is told the text and asked again; or a tuple of a step and texts, which tells the
texts and goes on with the step. The first that suppresses is the last that is asked.

A job keeps its post-processors as text, ``FinalCheck(max_llm_actions=2)``: class names with literal keyword arguments,
and nothing of it is evaluated. A class is found under its name once its module is imported.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from statek.exceptions import InvalidRequest
from statek.model import ProviderToolCall

if TYPE_CHECKING:
    from statek.executors.job import Job

__all__ = [
    "FinalCheck",
    "LLM_StepData",
    "PostProcessor",
    "Processed",
    "apply_post_processors",
    "parse_post_processors",
    "post_processors_text",
]

_LITERALS = (str, int, float, bool, type(None))
MAX_NOTE_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class LLM_StepData:  # noqa: N801 -- the documented name
    """A reply of the model.

    Attributes:
        text: its text.
        call_requests: its formal tool calls.
        reasoning_payload: what the provider sent of its reasoning, where it did.
    """

    text: str
    call_requests: tuple[ProviderToolCall, ...] = ()
    reasoning_payload: Any = None


class PostProcessor:
    """Base of post-processors. Keep each argument of the constructor, a literal, in an attribute of its name."""

    kinds: ClassVar[dict[str, type[PostProcessor]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the class known by its name."""
        super().__init_subclass__(**kwargs)
        PostProcessor.kinds[cls.__name__] = cls

    def process(self, llm_step: LLM_StepData, job: Job) -> LLM_StepData | str | tuple[LLM_StepData | str, ...]:
        """Look at a reply; runs in a thread, so it may read the job and may take its time.

        Args:
            llm_step: the reply.
            job: the job as it was before the reply.
        """
        raise NotImplementedError

    def to_text(self) -> str:
        """The call that makes an equal one.

        Raises:
            InvalidRequest: an argument is not kept, or is no literal.
        """
        arguments = []
        for name in inspect.signature(type(self)).parameters:
            value = getattr(self, name, inspect.Parameter.empty)
            if not isinstance(value, _LITERALS):
                raise InvalidRequest(f"{type(self).__name__} must keep {name} as a text, number, bool or None")
            arguments.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(arguments)})"


class FinalCheck(PostProcessor):
    """Asks for one more look, once in a job, when the model would finish after doing very little.

    Args:
        max_llm_actions: fires below so many actions of the model (``Job.count_llm_actions``).
    """

    def __init__(self, max_llm_actions: int = 3) -> None:
        if type(max_llm_actions) is not int or max_llm_actions < 0:
            raise InvalidRequest(f"FinalCheck: max_llm_actions is {max_llm_actions!r}, must be a whole number from 0")
        self.max_llm_actions = max_llm_actions

    def process(self, llm_step: LLM_StepData, job: Job) -> LLM_StepData | str:
        """Suppress a final reply that comes too early."""
        if not job.is_step_final(llm_step) or job.was_post_processed_by(type(self).__name__):
            return llm_step
        if job.count_llm_actions() >= self.max_llm_actions:
            return llm_step
        return (
            "Your last reply was held back and the user has not seen it: it would have ended the work after very few "
            "actions. Compare it with what was asked and with what you have actually checked. Do what is missing, then "
            "write the final reply again, complete."
        )


@dataclass(frozen=True, slots=True)
class Processed:
    """What became of a reply.

    Attributes:
        step: the reply to go on with; None when it is suppressed.
        notes: class name of the post-processor and text, in order.
    """

    step: LLM_StepData | None
    notes: tuple[tuple[str, str], ...] = ()


def parse_post_processors(text: str) -> list[PostProcessor]:
    """The post-processors of a text such as ``FinalCheck(max_llm_actions=2), Polite()``; none for a blank one.

    Raises:
        InvalidRequest: it has another form, a class is not known, or a constructor refuses its arguments.
    """
    if not text.strip():
        return []
    what = f"POST_PROCESSORS {text!r}"
    try:
        tree = ast.parse(f"({text.strip()},)", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InvalidRequest(f"{what} must look like FinalCheck(max_llm_actions=2), Other()") from None
    return [_made(what, call) for call in (tree.elts if isinstance(tree, ast.Tuple) else [tree])]


def _made(what: str, call: ast.expr) -> PostProcessor:
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise InvalidRequest(f"{what} must look like FinalCheck(max_llm_actions=2), Other()")
    name = call.func.id
    kind = PostProcessor.kinds.get(name)
    if kind is None:
        known = ", ".join(sorted(PostProcessor.kinds))
        raise InvalidRequest(f"{what}: {name} is not known; known are {known}; import the module of another one")
    if call.args:
        raise InvalidRequest(f"{what}: give the arguments of {name} by keyword")
    arguments: dict[str, Any] = {}
    for keyword in call.keywords:
        try:
            value = ast.literal_eval(keyword.value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            value = inspect.Parameter.empty
        if keyword.arg is None or not isinstance(value, _LITERALS):
            raise InvalidRequest(f"{what}: arguments of {name} must be texts, numbers, True, False or None")
        arguments[keyword.arg] = value
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{what}: {error}") from None


def post_processors_text(source: PostProcessor | Iterable[PostProcessor] | str | None) -> str:
    """What a job keeps of its post-processors; checked, so that the job can make them again.

    Raises:
        InvalidRequest: one cannot be kept as text.
    """
    if source is None:
        return ""
    if isinstance(source, str):
        made: Sequence[PostProcessor] = parse_post_processors(source)
    elif isinstance(source, PostProcessor):
        made = [source]
    elif isinstance(source, Iterable):
        made = list(source)
    else:
        raise InvalidRequest(f"post-processors are given as themselves or as text, not as {type(source).__name__}")
    for one in made:
        if not isinstance(one, PostProcessor):
            raise InvalidRequest(f"a post-processor must be a PostProcessor, not {type(one).__name__}")
    text = ", ".join(one.to_text() for one in made)
    parse_post_processors(text)
    return text


def apply_post_processors(processors: Iterable[PostProcessor], step: LLM_StepData, job: Job) -> Processed:
    """Ask each post-processor in turn.

    Raises:
        TypeError: one gave something that is neither a step nor a text.
        ValueError: one gave several steps, or nothing.
    """
    notes: list[tuple[str, str]] = []
    for processor in processors:
        name = type(processor).__name__
        given = processor.process(step, job)
        parts = given if isinstance(given, tuple) else (given,)
        steps = [part for part in parts if isinstance(part, LLM_StepData)]
        texts = [part for part in parts if isinstance(part, str)]
        wrong = [part for part in parts if not isinstance(part, LLM_StepData | str)]
        if wrong:
            raise TypeError(f"{name}.process gave {type(wrong[0]).__name__}, must be a step, a text or a tuple of both")
        if len(steps) > 1 or not parts:
            raise ValueError(f"{name}.process gave {len(steps)} steps, must be at most one, or a text")
        notes += [(name, text[:MAX_NOTE_CHARS]) for text in texts]
        if not steps:
            return Processed(None, tuple(notes))
        step = steps[0]
    return Processed(step, tuple(notes))
