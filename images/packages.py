"""Debian packages of the release that images are made of, whatever release of Debian this machine has.

A machine of that release asks its own package lists. Another one gets apt state, lists and sources of its own in a
folder that is thrown away: the mirrors are those that the machine is configured with, the suites those of the image's
release, and what is downloaded has to be signed by Debian (sources.list(5), apt.conf(5), ``apt-get indextargets`` in
apt-get(8)). Nothing of the machine's own package management is read beyond that, or changed.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from images.commands import run, say
from statek.exceptions import ConfigurationError

__all__ = ["RELEASE", "download_packages", "host_release", "source_lines"]

RELEASE = "bookworm"
"""Codename of the release whose package names ``packages.txt`` holds: Debian 12."""

KEYRINGS = tuple(Path(f"/usr/share/keyrings/debian-archive-keyring.{form}") for form in ("gpg", "pgp"))
"""Where the package debian-archive-keyring puts Debian's keys."""

_MOVING = ("stable", "oldstable", "testing", "unstable", "sid")
"""Names of releases that are another one from time to time."""
_SUITES = ("", "updates", "security")
"""What a release consists of, by what follows its name."""
_APT = ("apt-get", "-qq", "-o", "APT::Sandbox::User=root")
_TARGETS = "$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)"


def host_release() -> str:
    """Codename of this machine's release (os-release(5)); empty where it has none."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def download_packages(names: Sequence[str], folder: Path, *, host: str | None = None) -> list[Path]:
    """Download packages of the image's release.

    Args:
        names: names of Debian packages.
        folder: empty folder that receives them.
        host: codename of this machine's release; None to find out.

    Returns:
        The files, sorted by name.

    Raises:
        ConfigurationError: they cannot be had here; the message says why and what to do instead.
    """
    host = host_release() if host is None else host
    try:
        if host == RELEASE:
            _download_of_host(names, folder)
        else:
            _download_of_release(names, folder, host)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error}; the image is made of Debian 12 packages: "
            "where they cannot be had give BASE_IMAGE=<image with Python and pip>"
        ) from error
    return sorted(folder.glob("*.deb"))


def _download_of_host(names: Sequence[str], folder: Path) -> None:
    argv = [*_APT, "download", *names]
    try:
        run(argv, "downloading Debian packages", cwd=folder)
    except ConfigurationError as error:
        try:
            # A fresh machine has no package lists yet.
            run(["apt-get", "update", "-qq"], "updating the package lists")
            run(argv, "downloading Debian packages", cwd=folder)
        except ConfigurationError:
            raise error from None  # the first one says more: only root can update the machine's lists


def _download_of_release(names: Sequence[str], folder: Path, host: str) -> None:
    keyring = next((path for path in KEYRINGS if path.is_file()), None)
    if keyring is None:
        raise ConfigurationError("the keys of Debian's archive are missing (package debian-archive-keyring)")
    targets = run(["apt-get", "indextargets", "--format", _TARGETS], "asking apt for its mirrors")
    lines = source_lines(targets.splitlines(), host, keyring)
    if not lines:
        raise ConfigurationError(f"apt has no mirror of Debian for this system ({host or 'no codename'})")
    say(f"  this machine is no Debian 12: package lists of {RELEASE} from its mirrors")
    apt = folder / "apt"
    for name in ("state/lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "sources.list").write_text("\n".join(lines) + "\n")
    (apt / "status").touch()
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::Etc::preferencesparts": "-",
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Acquire::Languages": "none",
        "APT::Default-Release": RELEASE,
    }
    argv = [*_APT, *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    try:
        run([*argv, "update"], f"reading the package lists of {RELEASE}")
    except ConfigurationError as error:
        # Somebody else's archive that looks like Debian's but is not signed by it: apt goes on without it.
        say(f"  {error}")
    run([*argv, "download", *names], f"downloading packages of {RELEASE}", cwd=folder)


def source_lines(targets: Iterable[str], host: str, keyring: Path) -> list[str]:
    """The sources of the image's release, from the index targets that apt has for the machine's own.

    Args:
        targets: lines of creator, address of the mirror, suite and component.
        host: codename of the machine's release.
        keyring: file of the keys that have to have signed them.
    """
    lines: dict[str, None] = {}
    for target in targets:
        words = target.split()
        if len(words) != 4 or words[0] != "Packages" or words[3] != "main":
            continue
        name, dash, suite = words[2].partition("-")
        if suite in _SUITES and name in (host, *_MOVING):
            lines[f"deb [signed-by={keyring}] {words[1]} {RELEASE}{dash}{suite} main"] = None
    return list(lines)
