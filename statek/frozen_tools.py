"""The tools of a job as they were when it was made: their declarations, and what the model is told of them.

Functions are no data, so a job calls those that its process has. Whether these are still the ones that it was told of
is seen here: a call of one that has another signature, or is gone, fails with ``ToolChanged`` and does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from statek.exceptions import ToolChanged
from statek.prompt_config import tool_texts
from statek.tool_specs import provider_spec
from statek.tools import ToolDef

__all__ = ["FrozenTools"]

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class FrozenTools:
    """What a job keeps of its tools.

    Attributes:
        signatures: of each tool of the agent by name, as the model sees it.
        hidden: names of those that the model is not told of.
        texts: what stands for the tool placeholders of its prompt, those that the prompt has.
        specs: what the provider is told of each tool that is offered formally, by name.
    """

    signatures: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, tools: Sequence[ToolDef], *, prompt: str, offered: Sequence[ToolDef]) -> FrozenTools:
        """Freeze tools.

        Args:
            tools: every tool of the job; those of the framework are not frozen.
            prompt: text of the system prompt.
            offered: the tools that the provider is told of.
        """
        own = [tool for tool in tools if not tool.system]
        return cls(
            signatures={tool.name: _signature(tool) for tool in own},
            hidden=tuple(tool.name for tool in own if tool.hidden or tool.internal),
            texts=tool_texts(own, prompt),
            specs={tool.name: provider_spec(tool) for tool in offered},
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> FrozenTools:
        """Those of such data; raises KeyError, TypeError or AttributeError for others."""
        signatures, texts, specs = (dict(data[name].items()) for name in ("signatures", "texts", "specs"))
        return cls(signatures, tuple(data["hidden"]), texts, specs)

    def to_data(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "signatures": dict(self.signatures),
            "hidden": list(self.hidden),
            "texts": dict(self.texts),
            "specs": dict(self.specs),
        }

    def checked(self, live: Sequence[ToolDef]) -> list[ToolDef]:
        """The live tools; in the place of those that have changed and of those that are gone, ones that say so."""
        found: list[ToolDef] = []
        missing = dict(self.signatures)
        for tool in live:
            frozen = None if tool.system else missing.pop(tool.name, None)
            if frozen is None or frozen == _signature(tool):
                found.append(tool)
            else:
                hidden = tool.hidden or tool.internal
                found.append(_changed(tool.name, f"it was {frozen}, it is {_signature(tool)}", hidden=hidden))
        gone = "it is not there any more"
        return [*found, *(_changed(name, gone, hidden=name in self.hidden) for name in missing)]


def _signature(tool: ToolDef) -> str:
    """The signature as text that another process would give too: without addresses in it."""
    return _ADDRESS.sub("", tool.signature_text)


def _changed(name: str, how: str, *, hidden: bool) -> ToolDef:
    """A tool that only says how it has changed since the job was made."""

    def changed(*args: Any, **kwargs: Any) -> None:
        raise ToolChanged(f"tool {name} has changed since this job was made: {how}", tool=name)

    return replace(ToolDef.of(changed, name=name), effect="none", hidden=hidden, internal=hidden)
