"""The files that a runner is made of: image flavours, their digests, and the embedded file tree.

A flavour is a folder of ``images/``. Its digest covers that folder and the code of
``sandbox_runner``, so one name always means one content: the image tag, the embedded tree and the
``image_digest`` of every commit are all taken from it.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from statek.exceptions import ConfigurationError, InvalidRequest

__all__ = [
    "PROJECT_ROOT",
    "build_image",
    "cache_folder",
    "exclusive",
    "flavour_digest",
    "flavour_folder",
    "image_tag",
    "prepare_code",
    "prepare_site",
    "run_setup",
    "runner_sources",
    "site_folder",
]

PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""The checkout: holds ``images/``, ``sandbox_runner/`` and the cache folder ``.cache/``."""

_FLAVOUR = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")


def cache_folder() -> Path:
    """The folder for what is built once and may be deleted at any time."""
    return PROJECT_ROOT / ".cache"


def flavour_folder(flavour: str) -> Path:
    """The folder of an image flavour.

    Raises:
        InvalidRequest: the name is no flavour name (it could leave ``images/``).
        ConfigurationError: there is no such flavour; the message lists those that exist.
    """
    if _FLAVOUR.fullmatch(flavour) is None:
        raise InvalidRequest(f"image flavour {flavour!r} is not a name of {_FLAVOUR.pattern}")
    images = PROJECT_ROOT / "images"
    folder = images / flavour
    if not (folder / "requirements.txt").is_file():
        known = sorted(path.parent.name for path in images.glob("*/requirements.txt"))
        raise ConfigurationError(
            f"there is no image flavour {flavour!r} in {images}; known: {', '.join(known) or 'none'}"
        )
    return folder


def runner_sources() -> list[Path]:
    """Every file of ``sandbox_runner`` that belongs into a runner, sorted."""
    root = PROJECT_ROOT / "sandbox_runner"
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def flavour_digest(flavour: str, *, base_image: str = "", folder_only: bool = False) -> str:
    """Name the content of a flavour: 16 hex digits.

    Args:
        flavour: a folder of ``images/``.
        base_image: the image that it is built upon, where it is not Debian's packages.
        folder_only: leave the runner's code out: names what is below it.

    Raises:
        ConfigurationError: there is no such flavour.
    """
    folder = flavour_folder(flavour)
    digest = hashlib.sha256()
    entries: list[tuple[str, Path]] = [
        (f"image/{path.relative_to(folder)}", path) for path in sorted(folder.rglob("*")) if path.is_file()
    ]
    if not folder_only:
        entries += [(str(path.relative_to(PROJECT_ROOT)), path) for path in runner_sources()]
    digest.update(f"{base_image}\0".encode())
    for name, path in entries:
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:16]


def image_tag(flavour: str, *, base_image: str = "") -> str:
    """The tag under which the flavour's image is known to a Docker engine."""
    return f"statek-runner:{flavour}-{flavour_digest(flavour, base_image=base_image)}"


def site_folder(flavour: str, *, cache: Path | None = None) -> Path:
    """Where the embedded file tree of a flavour is (or will be): wheels for this very interpreter."""
    platform = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    digest = flavour_digest(flavour, folder_only=True)
    return (cache or cache_folder()) / "runner-site" / f"{flavour}-{digest}-{platform}"


async def prepare_site(flavour: str, *, cache: Path | None = None) -> Path:
    """Make the embedded file tree of a flavour (once) and return its folder.

    Raises:
        ConfigurationError: the wheels cannot be installed; the message carries pip's last words.
    """
    site = await asyncio.to_thread(site_folder, flavour, cache=cache)
    lock = flavour_folder(flavour) / "requirements.txt"

    async def install(folder: Path) -> None:
        await run_setup(
            [
                # What pip is warned of is its own affair, also where this process takes warnings for errors.
                *(sys.executable, "-W", "ignore", "-m", "pip", "install"),
                *("--quiet", "--no-input", "--disable-pip-version-check"),
                *("--no-deps", "--only-binary=:all:", "--require-hashes", "--target", str(folder), "-r", str(lock)),
            ],
            what=f"installing the runner's libraries into {site}",
        )
        await asyncio.to_thread(shutil.rmtree, folder / "bin", ignore_errors=True)

    return await _prepare_tree(site, install)


async def prepare_code(flavour: str, *, cache: Path | None = None) -> Path:
    """Copy the runner's code (once) and return the folder that holds the package ``sandbox_runner``.

    A copy, because its digest is what every commit of a job names: runners that start while somebody
    edits the checkout must be what their digest says. It also is readable by the runner's uids, whatever
    the checkout's own modes are.

    Raises:
        ConfigurationError: the code does not compile.
    """
    digest = await asyncio.to_thread(flavour_digest, flavour)
    target = (cache or cache_folder()) / "runner-code" / f"{digest}-{sys.implementation.cache_tag}"

    async def copy(folder: Path) -> None:
        await asyncio.to_thread(_copy_code, folder)

    return await _prepare_tree(target, copy)


def _copy_code(folder: Path) -> None:
    for path in runner_sources():
        target = folder / path.relative_to(PROJECT_ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


async def _prepare_tree(target: Path, fill: Callable[[Path], Awaitable[None]]) -> Path:
    """Fill a folder, compile it, make it readable for every uid and put it in place in one step."""
    if await asyncio.to_thread(target.is_dir):
        return target
    await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
    building = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="building-", dir=target.parent))
    try:
        await fill(building)
        # Unchecked hashes: a read-only tree can never write its own .pyc files, nor need to compare times.
        await run_setup(
            [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(building)],
            what=f"compiling {target}",
        )
        await asyncio.to_thread(_open_for_reading, building)
        try:
            await asyncio.to_thread(building.rename, target)
        except OSError:
            if not await asyncio.to_thread(target.is_dir):  # else another process was first; its tree is the same
                raise
    finally:
        await asyncio.to_thread(shutil.rmtree, building, ignore_errors=True)
    return target


def _open_for_reading(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)


async def build_image(flavour: str, *, base_image: str = "", engine: str | None = None) -> None:
    """Have the flavour's image made by ``images.build``, in a process of its own.

    Raises:
        ConfigurationError: it cannot be made; the message is the builder's.
    """
    argv = [sys.executable, "-m", "images.build", flavour]
    if base_image:
        argv += ["--base-image", base_image]
    if engine is not None:
        argv += ["--engine", engine]
    await run_setup(argv, what=f"making the image of flavour {flavour}")


async def run_setup(argv: Sequence[str], *, what: str) -> None:
    """Run one set-up command of the checkout to its end; its output is shown only when it fails.

    Raises:
        ConfigurationError: it failed; the message says what was being done and its last words.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=PROJECT_ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        last = output.decode(errors="replace").strip().splitlines()[-5:]
        raise ConfigurationError(f"{what} failed (exit {process.returncode}): {' | '.join(last) or 'no output'}")


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file: two processes that build the same thing build it one after the other. Blocks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
