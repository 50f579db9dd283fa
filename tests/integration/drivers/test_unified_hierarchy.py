"""A real unified hierarchy (cgroup v2), mounted for one process: what of it can be proven beside an old one.

On a machine that booted with the old hierarchies only controllers that none of them took are left for it, so limits of
memory, processes and CPU are not among what is proven here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from orchestrator.sandboxes.cgroups import ResourceGroup, bounds, folders_of, group_root, processes_of

root, name = Path(sys.argv[1]), sys.argv[2]
there = (root / "cgroup.controllers").read_text().split()
only_there = set(group_root(root)) <= set(there)
consistent = ("memory" in bounds(root)[1]) == (not group_root(root))
folder = root / name
folder.mkdir()
group = ResourceGroup(paths={"memory": folder, "pids": folder}, unified=True)
pid = os.fork()
if pid == 0:
    signal.pause()
try:
    group.add(pid)
    found = processes_of(name, root=root) == [pid]
    seen = folders_of(pid, root=root) == {"memory": folder, "pids": folder}
finally:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
group.remove()
print(json.dumps([only_there, consistent, found, seen, folder.exists()]))
"""


@pytest.mark.root
@pytest.mark.timeout(60)
def test_a_group_of_the_unified_hierarchy_holds_a_process_and_goes(tmp_path: Path) -> None:
    mounted = tmp_path / "cgroup2"
    mounted.mkdir()
    script = 'mount -t cgroup2 none "$1" && exec "$2" -c "$3" "$1" "$4"'
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", str(mounted), sys.executable, PROGRAM, "statek-test-v2"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    # No controller is claimed that is not there; the process is found in its group, and the group gone at the end.
    assert json.loads(done.stdout) == [True, True, True, True, False]
