"""LangGraph: an agent's loop as a graph of one node, its checkpoints in SqliteSaver.

The loop is one run of the graph, with ``durability="sync"``: a checkpoint is written before the next turn begins.
SqliteSaver sets WAL; Python's SQLite syncs fully (``synchronous=2``), which is looked up and printed.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

from benchmarks.rivals.workloads import Workload, apply_edits

__all__ = ["LangGraph", "LangGraphDelta"]

_SYNC_LEVELS = {0: "off", 1: "normal", 2: "full", 3: "extra"}
_THREAD = {"thread_id": "job", "checkpoint_ns": ""}


class LangGraph:
    """Plain channels: each checkpoint holds every channel's value."""

    def __init__(self, folder: Path, workload: Workload) -> None:
        self._path = folder / "checkpoints.sqlite"
        self._workload = workload
        self._ids: dict[int, str] = {}
        self._open()

    def facts(self) -> dict[str, str]:
        """Versions, and how its file is synced."""
        (level,) = self._connection.execute("PRAGMA synchronous").fetchone()
        (journal,) = self._connection.execute("PRAGMA journal_mode").fetchone()
        sync = f"{journal}_{_SYNC_LEVELS[level]}"
        return {"version": version("langgraph"), "saver": version("langgraph-checkpoint-sqlite"), "sync": sync}

    def fsyncs(self) -> None:
        """SQLite syncs in its own code: nobody counts."""

    def begin(self) -> None:
        """Start the loop; the first turn waits to be asked for."""
        config = {"configurable": dict(_THREAD), "recursion_limit": 10**9}
        turns: Iterator[Any] = self._graph.stream(
            self._workload.initial(), config, stream_mode="updates", durability="sync"
        )
        self._turns = turns

    def steps(self, first: int, count: int) -> list[float]:
        """Turns of the loop.

        A turn of the stream ends before its checkpoint is written, and begins with writing that of the turn before:
        each takes one turn and one checkpoint. What is read later is of turns that have one.
        """
        taken = []
        for _ in range(first, first + count):
            begun = time.perf_counter()
            next(self._turns)
            taken.append((time.perf_counter() - begun) * 1000)
        return taken

    def prepare(self) -> None:
        """End the loop, which writes its last checkpoint, and look up which checkpoint is which turn's."""
        self._ending = True
        for _ in self._turns:
            pass
        rows = self._connection.execute("SELECT checkpoint_id FROM checkpoints ORDER BY checkpoint_id").fetchall()
        # The input makes the first checkpoint, its reading the second (turn 0), each turn one more.
        self._ids = {turn: name for turn, (name,) in enumerate(rows[1:])}

    def view(self, turn: int, name: str, index: int) -> str:
        """The state of a checkpoint, which is all of it."""
        state = self._graph.get_state({"configurable": {**_THREAD, "checkpoint_id": self._ids[turn]}})
        return str(state.values[name][index])

    def fork(self, turn: int) -> None:
        """A checkpoint that goes on from an older one."""
        config = {"configurable": {**_THREAD, "checkpoint_id": self._ids[turn]}}
        self._graph.update_state(config, {"turn": turn})

    def resume(self) -> dict[str, Any]:
        """Open the file anew and get the state of the newest turn."""
        self.close()
        self._open()
        newest = {"configurable": {**_THREAD, "checkpoint_id": self._ids[max(self._ids)]}}
        return dict(self._graph.get_state(newest).values)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _open(self) -> None:
        self._ending = False
        self._connection = sqlite3.connect(self._path, check_same_thread=False)
        saver = SqliteSaver(self._connection)
        saver.setup()
        graph = StateGraph(self._schema())
        graph.add_node("step", self._step)
        graph.add_edge(START, "step")
        graph.add_conditional_edges("step", self._next, ["step", END])
        self._graph: Any = graph.compile(checkpointer=saver)

    def _schema(self) -> Any:
        fields = {name: int if name == "turn" else list for name in self._workload.names}
        return TypedDict("State", fields)  # type: ignore[operator]

    def _next(self, _state: Any) -> str:
        return END if self._ending else "step"

    def _step(self, state: dict[str, Any]) -> dict[str, Any]:
        if self._ending:
            return {"turn": state["turn"]}  # a node has to write something
        edits = self._workload.edits(state["turn"] + 1)
        apply_edits(state, edits)
        return {name: state[name] for name in edits}


class LangGraphDelta(LangGraph):
    """Every list is a DeltaChannel: a checkpoint holds what was written, and from time to time the whole."""

    def _schema(self) -> Any:
        channel = DeltaChannel(_fold)
        fields = {name: int if name == "turn" else Annotated[list, channel] for name in self._workload.names}
        return TypedDict("State", fields)  # type: ignore[operator]

    def _step(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"turn": state["turn"]} if self._ending else self._workload.edits(state["turn"] + 1)


def _fold(state: list[Any], writes: list[Any]) -> list[Any]:
    """A list with changes made one after the other; a list among them replaces it."""
    folded = list(state)
    for write in writes:
        if isinstance(write, list):
            folded = list(write)
        else:
            for index, element in write.items():
                folded[index] = element
    return folded
