"""Make the image of a flavour: ``python -m images.build [flavour] [--base-image IMAGE]``.

Prints the tag on standard output and progress on standard error. The tag is the hash of what goes
in, so an image that exists is never built again. Two ways, same result for the driver:

* without a registry (default): Debian packages and wheels, unpacked and imported;
* ``--base-image``: a Dockerfile upon any image with Python and pip.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import docker
import docker.errors
import requests

from images.commands import run, say
from images.rootfs import SITE, build_rootfs, compile_tree
from orchestrator.sandboxes.runner_files import (
    PROJECT_ROOT,
    cache_folder,
    exclusive,
    flavour_digest,
    flavour_folder,
    image_tag,
    runner_sources,
)
from statek.exceptions import ConfigurationError, StatekError

__all__ = ["build_image", "main"]


def build_image(flavour: str, *, base_image: str = "", wheels: Path | None = None, engine: str | None = None) -> str:
    """Make the flavour's image known to the engine and return its tag.

    Args:
        flavour: a folder of ``images/``.
        base_image: image to build upon; empty makes it from Debian packages.
        wheels: folder with the locked wheels for the base image's Python; the build then has no network. None lets pip
            fetch them in the build.
        engine: address of the Docker engine; None takes what the Docker client's own settings say.

    Raises:
        ConfigurationError: no engine answers, or something that the build needs is missing.
    """
    tag = image_tag(flavour, base_image=base_image)
    try:
        client = docker.DockerClient(base_url=engine, timeout=600) if engine else docker.from_env(timeout=600)
        with exclusive(cache_folder() / "image.lock"):
            if _exists(client, tag):
                return tag
            begun = time.monotonic()
            say(f"making the runner image {tag}")
            if base_image:
                _build_upon(client, flavour, base_image, tag, wheels)
            else:
                _import(client, flavour, tag)
            size = client.images.get(tag).attrs["Size"] / 1e6
            say(f"  image {tag}: {size:.0f} MB in {time.monotonic() - begun:.1f} s")
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise ConfigurationError(f"the image {tag} cannot be made: {error}") from error
    return tag


def _exists(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def _import(client: docker.DockerClient, flavour: str, tag: str) -> None:
    with tempfile.TemporaryDirectory(prefix="image-", dir=cache_folder()) as name:
        work = Path(name)
        archive = work / "image.tar"
        shutil.copyfile(_root_archive(flavour, work), archive)
        _append_runner(archive, work)
        begun = time.monotonic()
        # No ENV: a runner's whole environment is given at its start.
        changes = ['ENTRYPOINT ["/usr/bin/python3.11", "-s", "-P", "-m", "sandbox_runner"]', "WORKDIR /"]
        repository, _, version = tag.partition(":")
        client.api.import_image_from_file(str(archive), repository=repository, tag=version, changes=changes)
        say(f"  imported ({time.monotonic() - begun:.1f} s)")


def _root_archive(flavour: str, work: Path) -> Path:
    """The tar of everything below the runner's code; kept, because the code changes more often than it does."""
    kept = cache_folder() / "rootfs" / f"{flavour}-{flavour_digest(flavour, folder_only=True)}.tar"
    if kept.is_file():
        return kept
    root, downloads = work / "root", work / "downloads"
    root.mkdir()
    downloads.mkdir()
    build_rootfs(flavour_folder(flavour), root, downloads)
    kept.parent.mkdir(exist_ok=True)
    made = work / "root.tar"
    _tar(root, made)
    made.replace(kept)
    return kept


def _append_runner(archive: Path, work: Path) -> None:
    """Add the runner's code, compiled, to the archive."""
    root = work / "code"
    root.mkdir()
    # Only what runs the compiler: the interpreter, its libraries and the loader.
    run(["tar", "-C", str(root), "-xf", str(archive), f"--exclude=./{SITE}/*"], "unpacking the interpreter")
    for path in runner_sources():
        target = root / SITE / path.relative_to(PROJECT_ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    compile_tree(root, [f"{SITE}/sandbox_runner"])
    _tar(root, archive, append=f"./{SITE}/sandbox_runner")


def _tar(root: Path, archive: Path, *, append: str = "") -> None:
    mode = "--append" if append else "--create"
    run(
        [
            *(
                "tar",
                "--directory",
                str(root),
                mode,
                "--file",
                str(archive),
                "--format=gnu",
                "--sort=name",
                "--mtime=@0",
            ),
            *("--owner=0", "--group=0", "--numeric-owner", append or "."),
        ],
        "packing the image",
    )


def _build_upon(client: docker.DockerClient, flavour: str, base_image: str, tag: str, wheels: Path | None) -> None:
    say(f"  building upon {base_image}")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        tar.add(PROJECT_ROOT / "images" / "Dockerfile", "Dockerfile")
        tar.add(flavour_folder(flavour) / "requirements.txt", "requirements.txt")
        tar.addfile(_folder("wheels"))
        for path in sorted(wheels.glob("*.whl")) if wheels is not None else ():
            tar.add(path, f"wheels/{path.name}")
        for path in runner_sources():
            tar.add(path, str(path.relative_to(PROJECT_ROOT)))
    context.seek(0)
    arguments = {"BASE_IMAGE": base_image}
    if wheels is not None:
        arguments |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/opt/runner-wheels"}
    try:
        client.images.build(
            fileobj=context,
            custom_context=True,
            tag=tag,
            rm=True,
            forcerm=True,
            buildargs=arguments,
            network_mode=None if wheels is None else "none",
        )
    except docker.errors.BuildError as error:
        last = [str(line.get("stream") or line.get("error") or "").strip() for line in error.build_log]
        raise ConfigurationError(
            f"building upon {base_image} failed: {' | '.join([x for x in last if x][-4:])}"
        ) from error


def _folder(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    return entry


def main() -> int:
    """Build one image; 0 when it is there, 2 with one sentence when it cannot be made."""
    parser = argparse.ArgumentParser(description="Make the runner image of a flavour and print its tag.")
    parser.add_argument("flavour", nargs="?", default="base", help="a folder of images/ (%(default)s)")
    parser.add_argument("--base-image", default="", help="image with Python and pip to build upon")
    parser.add_argument("--wheels", type=Path, default=None, help="folder of wheels for it: the build needs no network")
    parser.add_argument("--engine", default=None, help="address of the Docker engine")
    options = parser.parse_args()
    try:
        print(build_image(options.flavour, base_image=options.base_image, wheels=options.wheels, engine=options.engine))
    except StatekError as error:
        say(f"error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
