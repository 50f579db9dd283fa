"""Random programs over random values, for "a restore is not to be noticed": steps, and what they leave.

A program begins with ``SETUP``. Each step is a few statements on a pool of variables that alias one another, change in
place through any of their names, take part in cycles, die, or fail half-way. ``LOOK`` prints everything that is
reachable from the variables, with a number for each object when it is first met: two workspaces print the same exactly
when they are equal and share the same objects in the same places.
"""

from __future__ import annotations

import random

__all__ = ["LOOK", "SETUP", "random_step"]

SETUP = """
import array, collections, contextlib, dataclasses, datetime, decimal, fractions, itertools, threading
import numpy as np

class Node:
    made = []
    def __init__(self, value):
        self.value = value
        self.peers = []
    def link(self, other):
        self.peers.append(other)
        return self

class Slotted:
    __slots__ = ("one", "two")

class Child(Node):
    def __init__(self, value):
        super().__init__(value)
        Node.made.append(value)

@dataclasses.dataclass
class Pair:
    left: object
    right: object = None

class Failure(Exception):
    pass

Point = collections.namedtuple("Point", "x y")

def counter(start):
    seen = []
    def step(by=1):
        nonlocal start
        start += by
        seen.append(start)
        return start, seen
    return step

def collect(item, into=[]):
    into.append(item)
    return into

def set_global(item):
    global v0
    v0 = item

def bytes_of(item):
    if isinstance(item, np.ndarray) and item.dtype.hasobject:
        raise TypeError
    return np.frombuffer(item, "u1")

def first(items):
    found = list(itertools.islice(items, 50))
    return sorted(found, key=repr) if isinstance(items, (set, frozenset)) else found

def take(items):
    if isinstance(items, set):  # what its own pop() takes depends on the history of its table, which is not its value
        items.remove(min(items, key=repr))
    else:
        items.pop()

def made_again(item):
    if isinstance(item, np.ndarray):  # its type takes a shape, and gives memory as it happens to be
        raise TypeError
    return type(item)(item)

def in_thread(function, item):
    thread = threading.Thread(target=function, args=(item,))
    thread.start()
    thread.join()

v0, v1, v2, v3, v4, v5, v6, v7 = [], {}, set(), [1, 2, 3], Node(1), bytearray(b"abc"), 0, None
"""

LOOK = """
def __look():
    import types, warnings
    plain = (type(None), bool, int, float, complex, str, bytes, range, decimal.Decimal, fractions.Fraction,
             datetime.datetime, datetime.timedelta)
    seen, keep, lines = {}, [], []
    def owner(item):
        found, below = item, item.base
        while below is not None:
            below = below.obj if type(below) is memoryview else below
            if type(below) in (bytearray, array.array):
                return below
            found = below if type(below) is np.ndarray else found
            below = getattr(below, "base", None)
        return found
    def walk(item):
        kind = type(item)
        if kind in plain or isinstance(item, np.generic):
            return f"{kind.__name__}:{item!r}"
        if kind in (tuple, frozenset) and all(type(part) in plain for part in item):
            return f"{kind.__name__}:{sorted(item, key=repr) if kind is frozenset else item!r}"  # may be one constant
        if id(item) in seen:
            return f"#{seen[id(item)]}"
        number = seen[id(item)] = len(seen)
        keep.append(item)
        index = len(lines)
        lines.append("")
        if isinstance(item, dict):
            parts = [f"{walk(key)}={walk(value)}" for key, value in item.items()]
            if kind is collections.defaultdict:
                parts.append(walk(item.default_factory))
        elif isinstance(item, (set, frozenset)):
            parts = sorted(walk(part) for part in item)
        elif isinstance(item, (list, tuple, collections.deque)):
            parts = [walk(part) for part in item]
        elif kind is bytearray:
            parts = [bytes(item).hex()]
        elif kind is array.array:
            parts = [item.typecode, repr(item.tolist())]
        elif isinstance(item, np.ndarray):
            base = owner(item) if item.size else None
            content = [walk(part) for part in item.flat] if item.dtype.hasobject else [item.tobytes().hex()]
            parts = [str(item.dtype), repr(item.shape), *content, str(item.flags.writeable), walk(base)]
        elif kind is types.FunctionType:
            cells = [walk(cell.cell_contents) for cell in item.__closure__ or ()]
            parts = [item.__qualname__, *cells, walk(item.__defaults__), walk(item.__kwdefaults__)]
        elif kind is types.MethodType:
            parts = [item.__func__.__qualname__, walk(item.__self__)]
        elif isinstance(item, type):
            parts = [item.__qualname__]
            if item.__module__ == "__main__":
                parts += [walk(value) for name, value in sorted(vars(item).items()) if not name.startswith("__")
                          and isinstance(value, (list, dict, set, types.FunctionType))]
        elif isinstance(item, BaseException):
            parts = [walk(item.args), walk(vars(item))]
        elif kind is Slotted:
            parts = [f"{name}={walk(getattr(item, name))}" for name in ("one", "two") if hasattr(item, name)]
        elif hasattr(item, "__dict__"):
            parts = [walk(vars(item))]
        elif hasattr(item, "__reduce__"):
            # A list iterator at its end stands for one over an empty list, at its beginning.
            with warnings.catch_warnings():  # from Python 3.12 on of iterators of itertools
                warnings.simplefilter("ignore", DeprecationWarning)
                reduced = item.__reduce__()
            parts = [walk(part) for part in reduced if kind is not type(iter([])) or part != 0]
        else:
            parts = ["?"]
        lines[index] = f"#{number} {kind.__name__}({', '.join(parts)})"
        return f"#{number}"
    names = sorted(name for name in globals() if name.startswith("v") and name[1:].isdigit())
    heads = [f"{name} -> {walk(globals()[name])}" for name in names]
    heads += [walk(kind) for kind in (Node, Child, Slotted, Pair, Failure)] + [walk(collect), walk(counter)]
    return "\\n".join(heads + lines)
print(__look())
del __look
"""

_NEW = (
    "[{i}, {n}]", "[]", "{{'k': {i}, {i}: {n}}}", "{{}}", "({i}, {n})", "({n}, [{n}])", "{{{i}, 'x', ({i},)}}",
    "frozenset([{i}, None])", "bytearray(b'ab' * ({i} % 9))", "2**70 + {i}", "float('inf')", "-0.0", "{i} / 7",
    "decimal.Decimal('1.10') * {i}", "fractions.Fraction({i}, 3)", "complex({i}, -1)", "'text' * ({i} % 5)",
    "'\\ud800' + chr({i})", "bytes([{i} % 256])", "range({i})", "datetime.datetime(2026, 1, 1 + {i} % 28)",
    "datetime.timedelta(seconds={i})", "collections.deque([{i}, {n}], maxlen=5)", "collections.Counter('abca')",
    "collections.defaultdict(list, k=[{i}])", "collections.OrderedDict([({i}, {n}), ('z', 1)])", "Node({n})",
    "Child({n})", "Pair({n}, {m})", "Pair({n}, {n})", "Point({n}, {m})", "Failure({n}, {i})", "counter({i})",
    "Node({i}).link", "iter([{i}, 1, 2, 3])", "enumerate([{n}, {m}])", "itertools.count({i})", "zip([1, 2], [{n}, 4])",
    "array.array('d', [{i}, 1.5])", "np.arange({i} % 50 + 4)", "np.ones((3, 4), dtype='f4') * {i}",
    "np.array([{n}, {m}], dtype=object)", "[[0] * 3] * 3", "[i * 7919 for i in range({i} * 40)]", "b'z' * ({i} * 3000)",
    "collect({n})", "Slotted()", "[{n}, {m}, {n}]", "{{'a': {n}, 'b': {m}, 'c': {n}}}",
    "type('Made', (Node,), {{'x': [{i}]}})",
    "None", "True", "memoryview(b'abc').tobytes()", "sorted", "Node",
)  # fmt: skip
_CHANGES = (
    "{n}.append({m})", "{n}.append({n})", "{n}.append({i})", "{n}.insert(0, {i})", "{n}[{i} % len({n})] = {m}",
    "{n}['k'] = {m}", "{n}['self'] = {n}", "take({n})", "{n}.clear()", "{n}.reverse()", "{n} += [{i}]", "{n}.add({i})",
    "{n}.discard('x')", "{n}.value = {m}", "{n}.peers.append({m})", "{n}.link({m})", "{n}.extend([{i}] * 300)",
    "del {n}[len({n}) // 2]", "{n} = {m}", "{n}, {m} = {m}, {n}", "{n}.left = {m}", "{n}.one = {m}",
    "Node.made.append({i})",
    "{n}.args[0].append({i})", "{n}({i})", "next({n})", "{m} = next({n})", "{n}[1:3] = [{i}, {m}]", "{n} = {n}[1:]",
    "{n}[0][0] = {i}", "{n}[...] = {i}", "{n}.flags.writeable = False", "{m} = {n}[::2]", "{n}.update(k={m})",
    "set_global({m})", "{n}.rotate(1)", "{n}.maker = lambda: {n}", "{m} = collect({n})", "collect.note = {n}",
    "del {n}", "{n} = None", "in_thread({n}.append, {i})",
    "{n}['k'].append({i})", "{n}[{i}] = {n}", "{n}.data = {n}.data", "{n} = first({n})",
    "{n} = tuple([{m}])", "{m} = {n}[1:][::-1]", "{m} = bytes_of({n})", "{m} = {n}.reshape(-1)", "{m} = {n}.T",
    "{n} = {{{i}: {m} for _ in range(2)}}", "{n}.extend([_] for _ in range(3))", "{n} = [{n}]", "Node.note = {m}",
    "{n} = made_again({n})",
)  # fmt: skip


def random_step(rng: random.Random) -> str:
    """One step: a few statements, each of them on its own when it fails; now and then the step itself fails."""
    lines = []
    for _ in range(rng.randint(1, 5)):
        names = [f"v{rng.randrange(8)}" for _ in range(2)]
        fields = {"n": names[0], "m": names[1], "i": rng.choice([0, 1, 3, 7, 30, rng.randrange(60)])}
        if rng.random() < 0.4:
            line = f"{names[0]} = " + rng.choice(_NEW).format(**fields)
        else:
            line = rng.choice(_CHANGES).format(**fields)
        lines.append(f"with contextlib.suppress(Exception): {line}")
    if rng.random() < 0.1:
        lines.append(rng.choice(["1 / 0", "raise Failure('bad')", "v3.nothing()"]))
    return "\n".join(lines)
