"""Random mutations: a step sends something exactly when "pickle everything" says that something changed."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETUP = (
    "import pickle\nclass Box: pass\na, b, c = [1], {'k': [2]}, {3}\nd = [a, b]\nbox = Box()\nbox.v = a\n"
    "t = (a, (b,))\nbig = [i * 7919 for i in range(2000)]\n"
    "def look():\n    return pickle.dumps((a, b, sorted(c), d, box.v, vars(box), t, big))\n"
)
CHANGES = st.sampled_from(
    [
        "a.append(len(a))",
        "a[0] = 1",
        "b['k'].append(1)",
        "b['n'] = a",
        "b.pop('n', None)",
        "c.add(len(c))",
        "d[0].append(5)",
        "d.append(b)",
        "box.v = list(box.v)",
        "box.w = box.v",
        "t[1][0]['z'] = 1",
        "big.insert(len(big) // 2, 5)",
        "del big[100]",
        "big[7] = big[7]",
        "a = list(a)",
        "pass",
    ]
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(CHANGES, min_size=1, max_size=6))
def test_change_detection_and_fidelity(start, changes):
    host = start()
    before = host.run(SETUP + "import hashlib\nprint(hashlib.sha256(look()).hexdigest())", echo=False)
    for change in changes:
        step = host.run(f"{change}\nprint(hashlib.sha256(look()).hexdigest())", echo=False)
        if step.output != before.output:
            assert [(c.names, c.blocks) for c in step.finished.components] != [
                (c.names, c.blocks) for c in before.finished.components
            ]
        assert step.lost == {}
        before = step
    other = start()
    assert other.restore(host.commit(before)) == {}
    assert other.run("pass").sent == {}
    again = other.run("print(hashlib.sha256(look()).hexdigest())", echo=False)
    assert again.output == before.output
