"""Starts a runner: ``python -m sandbox_runner --socket /run/statek/host.sock``.

The process becomes the zygote (PID 1 in a container), forks the supervisor, which dials the socket
and opens the one Attach stream, and forks the executor when the host claims the runner. It ends
when the stream ends, when the supervisor or the executor's claim is over, or on SIGTERM; nothing
that it started outlives it.

Options::

    --socket PATH             host's Unix socket, absolute, 107 bytes at most (/run/statek/host.sock)
    --work-dir PATH           the job's files; exists and is writable by the executor's uid (/work)
    --tmp-dir PATH            temporary files; exists and is writable by the executor's uid (/tmp)
    --read-path PATH          one more file or folder that the executor may read; repeatable. The
                              interpreter, its libraries and the system's shared data are always readable
    --preload a,b.c           modules that the zygote imports before a claim, so that executors have them
                              for nothing; a missing module ends the runner with status 3
    --image-digest TEXT       what the runner was built from, told to the host in Hello
    --supervisor-uid N        uid and gid of the supervisor (65533)
    --executor-uid N          uid and gid of the executor (65534)
    --no-uid-switch           all three processes keep the uid they were started with (bubblewrap,
                              process driver); seccomp and landlock then are what protects the supervisor
    --limit-address-space     Limits.memory_bytes becomes RLIMIT_AS: for drivers without a memory cgroup
    --limit-threads           Limits.threads becomes RLIMIT_NPROC: only where the executor's uid is used by
                              nothing else in the same user namespace (bubblewrap with its own namespace)
    --allow-missing-seccomp   start on a kernel without seccomp filters (process driver only); without
                              it such a start ends with status 4

Uids are switched only when the process may (it needs CAP_SETUID and CAP_SETGID, and CAP_KILL to end
what it started); without them and without ``--no-uid-switch`` the start ends with status 4.

The environment is not inherited: the process replaces itself once with a fixed one (PYTHONHASHSEED=0,
single-threaded BLAS, plots without a display, HOME and TMPDIR as given, and of the caller's only PATH,
PYTHONPATH, LANG, LC_ALL, LC_CTYPE and TZ), unless it was started with exactly that one and with ``-s -P``. The
HOSTNAME that a Docker engine adds and the PWD of bubblewrap, which tell nothing that the code cannot see, are taken
out without a second start: it would be a sixth of the time until a runner is warm. Standard input is not read;
standard error carries start-up errors only, one line each; the executor has /dev/null for all three.

Exit status: 0 after an orderly end, 2 wrong options, 3 a module to preload is missing or started a
thread, 4 the machine cannot confine an executor, 5 the host cannot be reached, because nobody listens or because the
supervisor was killed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sandbox_runner.options import RunnerOptions, parse_options

_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
_ADDED = frozenset({"HOSTNAME", "PWD"})


def _environment(options: RunnerOptions) -> dict[str, str]:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    parts = [str(Path(__file__).resolve().parents[1]), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    environment.update(
        # Found without the working directory, which -P keeps out of sys.path.
        PYTHONPATH=os.pathsep.join(dict.fromkeys(part for part in parts if part)),
        HOME=str(options.work_dir),
        TMPDIR=str(options.tmp_dir),
        PYTHONHASHSEED="0",
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONNOUSERSITE="1",
        # A BLAS or OpenMP thread in the zygote would make every fork unsafe.
        OPENBLAS_NUM_THREADS="1",
        OMP_NUM_THREADS="1",
        MKL_NUM_THREADS="1",
        # Plots go to files; the library's caches are no part of the job's own files.
        MPLBACKEND="Agg",
        MPLCONFIGDIR=str(options.tmp_dir / "matplotlib"),
        GRPC_ENABLE_FORK_SUPPORT="0",
        GRPC_VERBOSITY="NONE",
    )
    return environment


def main() -> int:
    """Run as the zygote of one runner and return its exit status."""
    options = parse_options(sys.argv[1:], __doc__ or "")
    environment = _environment(options)
    for name in _ADDED:
        os.environ.pop(name, None)
    if dict(os.environ) != environment or not (sys.flags.safe_path and sys.flags.no_user_site):
        # The hash seed is read once, by the interpreter's start, and /proc/self/environ shows what
        # the process was started with: only a new image gets rid of both.
        os.execve(sys.executable, [sys.executable, "-s", "-P", "-m", "sandbox_runner", *sys.argv[1:]], environment)  # noqa: S606
    from sandbox_runner.zygote import run_zygote

    return run_zygote(options)


if __name__ == "__main__":
    sys.exit(main())
