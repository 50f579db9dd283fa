"""One job's durable objects, as the engine's gateway uses them.

What the sandbox holds must not go stale by the job's own calls. The gateway remembers which states it
has sent. After a call it builds the state of the target, of the objects among arguments and result, and

- after a plain write: of the sent states that application code computes (properties, texts), since
  those may depend on what was written; no other state can have changed;
- after application code ran: of every sent state, the most recently used first;

but of at most ``ObjectLimits.refreshed_states``. The sent states beyond that are *withdrawn*: replaced
in the sandbox by an outline, a state without content but with the version that the code had read, so that
the next read asks for it and a write is still checked. Withdrawing costs less than the sending of that state
did, and happens once per sending; so the work of a call does not grow with the handles a job holds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from orchestrator.engine.objects.arguments import decode_call
from orchestrator.engine.objects.describe import Describer
from orchestrator.engine.objects.failures import ApplicationFailure, failure_answer
from orchestrator.engine.objects.grants import EXPLICIT, FutureAccess, Grants
from orchestrator.engine.objects.host_proxy import unwrap, wrap
from orchestrator.engine.objects.kinds import Kind, kind_of
from orchestrator.engine.objects.limits import ObjectLimits
from orchestrator.engine.objects.operations import Done, Effect, Operations
from orchestrator.engine.objects.outbound import type_key
from orchestrator.engine.objects.plain import decode_plain, encode_plain
from orchestrator.engine.objects.snapshot import REFUSED, Snapshots, State, blank_state, collection_type
from orchestrator.sandboxes.step import CallAnswer, CallKind
from sandbox_runner.wire.values import FutureRef, GraphError, GraphLimits, Handle, UnsupportedValue, decode, encode
from statek.access import Policy, Reach
from statek.durable import StoreDoor
from statek.exceptions import AccessDenied, FutureError, InternalError, InvalidRequest, LimitExceeded, StaleObjectError

__all__ = ["ObjectGateway"]

_STALE = b"stale"
"""Version of a state that was withdrawn for a conflict: no write is accepted until it has been read anew."""

_OTHERWISE = "make its class durable (dbzero.memo), or give a dict of what is needed"
"""What to do about an object of the application that a sandbox cannot have."""

_REFUSALS = (
    ApplicationFailure,
    AccessDenied,
    StaleObjectError,
    FutureError,
    TimeoutError,
    LimitExceeded,
    InvalidRequest,
    GraphError,
    AttributeError,
    TypeError,
    ValueError,
    LookupError,
)
"""What a call of the sandbox may be answered with; anything else is our bug or the store's failure."""


class _Sent:
    """What is remembered of a state that the sandbox has."""

    __slots__ = ("computed", "description", "digest", "key", "version")

    def __init__(self, state: State) -> None:
        self.key: str = state.entry["type"]
        self.description = state.description
        self.version = state.version
        self.digest = state.digest
        self.computed = state.computed


class ObjectGateway:
    """The durable objects that one job may reach.

    Preconditions:
        Every method runs on the store thread, inside one atomic block (``proxy`` too), but ``plain_args`` and
        ``plain_answer``, which run on the event loop while no other does. One instance per job at a time.

    Args:
        grants_record: the job's ``GrantTable``.
        policy: for which agent access is decided, under which settings.
        limits: bounds of everything that is sent or accepted.
    """

    def __init__(
        self,
        grants_record: Any,
        *,
        policy: Policy,
        limits: ObjectLimits | None = None,
    ) -> None:
        self._limits = limits or ObjectLimits()
        self._grants = Grants(grants_record, max_grants=self._limits.grants)
        self._describer = Describer(policy)
        self._snapshots = Snapshots(self._grants, self._describer, self._limits)
        self._operations = Operations(self._grants, self._describer, self._snapshots, self._limits)
        self._sent: OrderedDict[int, _Sent] = OrderedDict()  # least recently used first
        self._met: set[int] = set()  # handles whose type the sandbox knows
        self._handed: frozenset[int] = frozenset()  # handles among the arguments that were decoded last

    # ------------------------------------------------------------------------------ values in and out

    def grant(self, target: Any) -> Handle:
        """Let the job reach a durable object or collection, explicitly.

        Raises:
            InvalidRequest: it is neither.
            LimitExceeded: the job has as many grants as it may have.
        """
        kind = kind_of(target)
        if kind is None:
            raise InvalidRequest(f"a {type(target).__name__} is not a durable object and needs no grant")
        return Handle(self._grants.grant(target), type_key(target, kind))

    def encode(self, value: Any) -> bytes:
        """Encode a value of the application for the sandbox; durable objects in it are granted explicitly.

        Raises:
            InvalidRequest: something in it has no graph form; the message names where.
            LimitExceeded: too large, or too many grants.
        """
        return self._encode(unwrap(value), EXPLICIT)[0]

    def use_futures(self, futures: FutureAccess) -> None:
        """Let values name futures."""
        self._grants.futures = futures

    def decode_args(
        self, data: bytes, from_future: Callable[[FutureRef], object] | None = None
    ) -> tuple[list[Any], dict[str, Any]]:
        """Decode a call's arguments; handles become the durable objects that this job was granted.

        Futures become their values, or what ``from_future`` makes of them.

        Raises:
            InvalidRequest: malformed or over a limit.
            AccessDenied: a handle that this job does not have.
        """
        handed: set[int] = set()
        try:
            return decode_call(data, self._grants, self._limits.arguments, from_future, named=handed)
        except GraphError as error:
            raise InvalidRequest(str(error)) from None
        finally:
            self._handed = frozenset(handed)

    def answer(self, value: Any, *, of_call: bool = False) -> CallAnswer:
        """Answer a tool call with what the tool gave, and with every state that it may have changed.

        Args:
            value: what it gave.
            of_call: it is of the call whose arguments were decoded last (a job makes one call at a time): those of them
                that come back are no more the job's than they were.

        Raises:
            InvalidRequest: something in it has no graph form.
            LimitExceeded: too large, or too many grants.
        """
        handed = self._handed if of_call else frozenset()
        return self._answer(0, Done(unwrap(value), EXPLICIT, Effect.ANYTHING, handed=handed))

    def plain_args(self, data: bytes) -> tuple[list[Any], dict[str, Any]] | None:
        """``decode_args`` of arguments that hold nothing durable; None for any other."""
        found = decode_plain(data)
        if found is not None:
            self._handed = frozenset()
        return found

    def plain_answer(self, value: Any) -> CallAnswer | None:
        """``answer`` with a plain value where the sandbox has no state that the tool could have changed; else None."""
        data = None if self._sent else encode_plain(value)
        return None if data is None else CallAnswer(value=data)

    def close(self) -> None:
        """Drop every grant; the job has ended."""
        self._grants.close()
        self._sent.clear()
        self._met.clear()

    def reopen(self) -> None:
        """Take the grants of a job that goes on after its end up again; nothing happens when it has not ended."""
        self._grants.reopen()

    def proxy(self, value: Any, store: StoreDoor) -> Any:
        """Give a value for a tool that runs off the store thread: durable objects become host proxies.

        ``encode`` and ``answer`` take proxies back.
        """
        return wrap(value, store)

    # ------------------------------------------------------------------------------------- states

    def states(self, ids: Iterable[int]) -> bytes:
        """Give the states of the handles that a workspace holds, for the start of a step.

        Forgets what had been sent before. Ids that this job does not have are left out: the list comes
        from a runner. Beyond ``ObjectLimits.start_states`` only outlines are given, whose fields the code
        reads when it needs them, so that a step starts as fast with a thousand handles as with one.
        """
        self._sent.clear()
        self._met.clear()
        wanted: dict[int, None] = {}
        for handle in ids:
            if type(handle) is int and self._grants.holds(handle):
                wanted[handle] = None
        full = list(wanted)[: self._limits.start_states]
        states = [self._snapshots.state(handle) for handle in full]
        return self._bundle(states + self._related(states, set(wanted)), [], wanted)

    def label(self, handle: int) -> str:
        """Name what a handle stands for, for people: its class; empty when this job has no such handle."""
        if not self._grants.holds(handle):
            return ""
        target = self._grants.resolve(handle).target
        kind = kind_of(target)
        return type(target).__name__ if kind in {None, Kind.OBJECT} else kind.value

    def note_sent(self, bundle: bytes) -> None:
        """Remember the states of a recorded bundle that a re-run gives to the sandbox again."""
        if not bundle:
            return
        found = decode(bundle, limits=GraphLimits(max_bytes=1 << 30, max_nodes=1 << 30, max_text_bytes=1 << 30))
        for entry in found["states"] if isinstance(found, dict) else []:
            # Without its digest the state counts as changed and is sent again when it is looked at.
            outline = self._snapshots.outline(entry["id"], entry["version"])
            self._sent[entry["id"]] = _Sent(replace(outline, computed=True))
            self._met.add(entry["id"])

    def class_of(self, target: Any) -> tuple[type, Reach] | None:
        """Class of a durable object and how the job came to it; None for a plain value."""
        kind = kind_of(target)
        if kind is None:
            return None
        if kind is not Kind.OBJECT:
            return {Kind.LIST: list, Kind.DICT: dict, Kind.SET: set}[kind], Reach.EXPLICIT
        return type(target), Reach.EXPLICIT if self.is_explicit(target) else Reach.ATTRIBUTE

    def is_explicit(self, target: Any) -> bool:
        """Whether the job was given a durable object or collection explicitly, or never had it."""
        return self._grants.is_explicit(target)

    # ----------------------------------------------------------------------------------- operations

    def perform(self, kind: CallKind, handle: int, name: str, args: bytes, version: bytes = b"") -> CallAnswer:
        """Carry out one call on a handle. Never raises for anything that the sandbox or the application did.

        An answer with an error means that nothing may be kept of what the call did: the caller rolls its
        atomic block back. Such an answer names no handle that was not granted before.

        Raises:
            StoreError: the store failed.
        """
        try:
            done = self._dispatch(kind, handle, name, args, version)
            return self._answer(handle, done)
        except StaleObjectError as error:
            return replace(failure_answer(error), handles=self._withdraw_for_conflict(handle))
        except _REFUSALS as error:
            return failure_answer(error)

    def _dispatch(self, kind: CallKind, handle: int, name: str, args: bytes, version: bytes) -> Done:
        if kind is CallKind.METHOD:
            return self._operations.call_method(handle, name, args)
        if kind is CallKind.GET_ATTRIBUTE:
            return self._operations.get_attribute(handle, name, args)
        if kind is CallKind.SET_ATTRIBUTE:
            return self._operations.set_attribute(handle, name, args, version)
        if kind is CallKind.ITEM:
            return self._operations.item(handle, name, args, version)
        raise InternalError(f"{kind} is not a call on a handle")

    def _answer(self, target: int, done: Done) -> CallAnswer:
        with self._grants.handed_back(done.handed):
            data, named = self._encode(done.value, done.origin)
        first = [target] if target else []
        for argument in done.arguments:
            found = self._grants.find(argument) if kind_of(argument) is not None else None
            if found is not None:
                first.append(found)
        looked: set[int] = set()
        states: list[State] = []
        for handle in dict.fromkeys(first):
            self._look(handle, looked, states)
        for handle in named:
            if len(looked) >= self._limits.sent_along:
                break
            sent = self._sent.get(handle)
            # What was refused may have been granted explicitly by this very answer.
            if sent is None or sent.digest == REFUSED or done.effect is not Effect.NOTHING:
                self._look(handle, looked, states)
        withdrawn: list[int] = []
        if done.effect is not Effect.NOTHING:
            withdrawn = self._refresh(done.effect, looked, states)
        states += self._related(states, looked)
        return CallAnswer(value=data, handles=self._bundle(states, withdrawn, named))

    def _look(self, handle: int, looked: set[int], states: list[State]) -> None:
        """Build a state and keep it if the sandbox does not have it so."""
        if handle in looked:
            return
        looked.add(handle)
        state = self._snapshots.state(handle)
        if self._differs(state):
            states.append(state)
        else:
            self._sent.move_to_end(handle)

    def _unsent(self, handles: Iterable[int], looked: set[int]) -> list[int]:
        """Pick the handles whose state the sandbox does not have, up to the bound of one answer."""
        found: list[int] = []
        for handle in handles:
            if len(found) >= self._limits.sent_along:
                break
            if handle not in looked and handle not in self._sent:
                looked.add(handle)
                found.append(handle)
        return found

    def _refresh(self, effect: Effect, looked: set[int], states: list[State]) -> list[int]:
        """Look at sent states that may have changed, withdraw those that are not looked at."""
        doubtful = [
            handle
            for handle, sent in reversed(self._sent.items())
            if handle not in looked and sent.digest != REFUSED and (effect is Effect.ANYTHING or sent.computed)
        ]
        for handle in doubtful[: self._limits.refreshed_states]:
            self._look(handle, looked, states)
        return doubtful[self._limits.refreshed_states :]

    def _related(self, states: list[State], looked: set[int]) -> list[State]:
        """Give the states of collections in these objects and of objects in these collections, within bounds."""
        found: list[State] = []
        room = self._limits.bundle_bytes - sum(state.size for state in states)
        wave = states
        for _ in range(2):
            wanted = self._unsent((handle for state in wave for handle in state.related), looked)
            wave = []
            for handle in wanted[: self._limits.sent_along - len(found)]:
                state = self._snapshots.state(handle)
                room -= state.size
                if room < 0:
                    return found
                wave.append(state)
                found.append(state)
        return found

    def _differs(self, state: State) -> bool:
        sent = self._sent.get(state.id)
        return sent is None or sent.digest != state.digest

    def _bundle(self, states: list[State], withdrawn: list[int], named: Iterable[int] = ()) -> bytes:
        """Encode states as a bundle and remember that the sandbox has them.

        Every handle that is named in what is sent gets at least an outline, so that its type is known.
        """
        for state in states:
            self._sent[state.id] = _Sent(state)
            self._sent.move_to_end(state.id)
        outlines: list[State] = []
        for handle in withdrawn:
            sent = self._sent.pop(handle)
            outlines.append(blank_state(handle, sent.key, sent.version, None, sent.description))
        self._met.update(state.id for state in states)
        for handle in (*named, *(handle for state in states for handle in state.named)):
            if handle not in self._met:
                self._met.add(handle)
                outlines.append(self._snapshots.outline(handle))
        return _encoded([*states, *outlines]) if states or outlines else b""

    def _withdraw_for_conflict(self, handle: int) -> bytes:
        """Make the sandbox read an object anew after a conflict; grants nothing, the block is rolled back."""
        sent = self._sent.pop(handle, None)
        return b"" if sent is None else _encoded([self._snapshots.outline(handle, _STALE)])

    def _encode(self, value: Any, origin: str) -> tuple[bytes, list[int]]:
        outbound = self._snapshots.outbound(origin)
        try:
            plain = outbound.convert(value)
            data = encode(plain, to_handle=outbound.to_handle, max_bytes=self._limits.result_bytes)
        except UnsupportedValue as error:
            otherwise = "" if error.reason else f"; {_OTHERWISE}"
            raise InvalidRequest(f"the result cannot be sent into a sandbox: {error}{otherwise}") from None
        except GraphError:
            raise LimitExceeded("result_bytes", self._limits.result_bytes, self._limits.result_bytes + 1) from None
        except RecursionError:
            raise InvalidRequest("the result is nested too deeply") from None
        return data, outbound.handles


def _encoded(states: list[State]) -> bytes:
    types: dict[str, Any] = {}
    for state in states:
        key = state.entry["type"]
        if key not in types:
            types[key] = collection_type(key) if state.description is None else state.description.entry()
    return encode({"types": list(types.values()), "states": [state.entry for state in states]})
