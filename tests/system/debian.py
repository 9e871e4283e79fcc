"""Debian as folders: a minimal system of each release, and the packages built in that release.

mmdebstrap makes the folders once and keeps them in ``build/system``; what apt is told on this machine (mirror, proxy) it
is told there. ``overlay`` gives throw-away copies.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "system"
RELEASES = ("bookworm", "trixie")
SECONDS = 600

# What boots, and has a network. Nothing of caucase's needs: those come with its packages.
_CLEAN = ("dbus", "iproute2", "systemd-sysv")
# The same with what an administrator would use.
_MINIMAL = (*_CLEAN, "ca-certificates", "curl", "openssl")
# What the packages depend on.
DEPENDENCIES = (
    *(
        "python3-aiohttp",
        "python3-cryptography",
        "python3-itsdangerous",
        "python3-jinja2",
        "python3-sdnotify",
        "python3-systemd",
    ),
    *("python3-urllib3", "python3-yaml"),
)
# Fetched beforehand, because a booted machine has no network: that, the web server, and what moves the clock.
_FETCHED = (*DEPENDENCIES, "faketime", "nginx")
# What the documents tell their readers to install.
_FETCHED_FOR_READERS = (
    *(
        "apache2",
        "curl",
        "docker-registry",
        "git",
        "haproxy",
        "make",
        "openssl",
        "openvpn",
        "postfix",
        "postgresql",
    ),
)


def cannot_run() -> str:
    """Why containers cannot be booted here; empty if they can."""
    if os.geteuid() != 0:
        return "containers need root"
    missing = [name for name in ("mmdebstrap", "systemd-nspawn", "nsenter", "ip") if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


def minimal_root(release: str) -> Path:
    """A minimal system, with what the packages need in apt's cache but not installed."""
    return _made(release, _MINIMAL, "--skip=cleanup/apt", _fetch("true", _FETCHED))


def clean_root(release: str) -> Path:
    """What a person who reads the documents begins with; what they install, and what ``make deb`` does, is in apt's
    cache. Each is fetched by itself, as apt would choose it there."""
    fetched = [_fetch("true", [name]) for name in (*_FETCHED, *_FETCHED_FOR_READERS)]
    building = _fetch("false", ("build-essential", *_build_depends(release)))
    return _made(release, _CLEAN, "--skip=cleanup/apt", *fetched, building)


def _fetch(recommended: str, packages: Sequence[str]) -> str:
    """An option of mmdebstrap that puts packages, and what they need, into apt's cache."""
    return (
        '--customize-hook=APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get install --yes --download-only '
        f"--option=APT::Install-Recommends={recommended} {' '.join(packages)}"
    )


def build_root(release: str) -> Path:
    """A system with everything that building and checking the packages takes."""
    return _made(release, ("build-essential", "lintian", *_build_depends(release)))


def built_packages(release: str, into: Path, *, version: str | None = None) -> dict[str, Path]:
    """The packages of this working copy, built by the release itself, by their names; ``version`` instead of its own."""
    with overlay(build_root(release)) as root:
        source = root / "srv" / "caucase"
        copy_source(source)
        if version is not None:
            changelog = source / "packaging" / "debian" / "changelog"
            changelog.write_text(re.sub(r"\(.*?\)", f"({version})", changelog.read_text(), count=1))
        # The script asks git what belongs to the source.
        run_in(
            root,
            "git init -q /srv/caucase && cd /srv/caucase && git add -A && make deb SYSTEM_PYTHON=/usr/bin/python3",
        )
        into.mkdir(parents=True, exist_ok=True)
        for package in (source / "dist").glob("*.deb"):
            shutil.copy(package, into)
    return {package.name.partition("_")[0]: package for package in into.glob("*.deb")}


def copy_source(into: Path) -> None:
    """What git knows of in this working copy, and would be told of."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, into / name, follow_symlinks=False)


def run_in(root: Path, script: str) -> str:
    """Run a shell script in a folder that is not booted, without network; what it wrote."""
    done = subprocess.run(
        ["unshare", "--net", "chroot", root, "/bin/bash", "-euc", script],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            "HOME": "/root",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-8000:]}"
    return done.stdout


@contextlib.contextmanager
def overlay(*layers: Path) -> Iterator[Path]:
    """A throw-away copy of folders laid over each other, the uppermost first. What changes is in memory."""
    CACHE.mkdir(parents=True, exist_ok=True)
    place = CACHE / f"overlay-{os.getpid()}-{next(_numbers)}"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place], check=True)
    try:
        for name in ("upper", "work", "merged"):
            (place / name).mkdir()
        options = f"lowerdir={':'.join(map(str, layers))},upperdir={place}/upper,workdir={place}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", place / "merged"], check=True)
        try:
            yield place / "merged"
        finally:
            subprocess.run(["umount", "--lazy", place / "merged"], check=True)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


_numbers = iter(range(1_000_000))


def _made(release: str, packages: Sequence[str], *options: str) -> Path:
    """The folder with those packages, made if it is not there; several processes may ask at once."""
    key = hashlib.sha256(repr((packages, options)).encode()).hexdigest()[:12]
    root = CACHE / f"{release}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{release}-{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists():
            return root
        partial = root.with_suffix(".partial")
        if partial.exists():
            shutil.rmtree(partial)
        settings = CACHE / f"{release}-{key}.apt.conf"
        settings.write_text(_apt_settings())
        command = [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=apt", f"--aptopt={settings}"),
            *(f"--include={','.join(packages)}", *options, release, partial),
        ]
        done = subprocess.run(
            [*command, *_mirror(release)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-8000:]}"
        partial.rename(root)
    return root


def _build_depends(release: str) -> list[str]:
    """Those of the source package, under the names of real packages, and what ``make deb`` itself needs."""
    control = (ROOT / "packaging" / "debian" / "control").read_text()
    field = re.search(r"^Build-Depends:\n((?: .*\n)+)", control, re.MULTILINE)
    assert field
    names = re.findall(r"^ ([a-z0-9.+-]+)", field[1], re.MULTILINE)
    real = {
        "debhelper-compat": "debhelper",
        "dh-sequence-installsysusers": "debhelper",
        "dh-sequence-python3": "dh-python",
        "systemd-dev": "systemd" if release == "bookworm" else "systemd-dev",
    }
    return [*(real.get(name, name) for name in names), "git", "make"]


def _mirror(release: str) -> list[str]:
    """Where this machine gets Debian from; nothing, and so mmdebstrap's own choice, if that is not to be found out."""
    codename = re.search(r"^VERSION_CODENAME=(.*)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    found = subprocess.run(
        [
            *("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"),
            *("Component: main", f"Codename: {codename[1] if codename else ''}"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split()
    return [f"deb {found[0]} {release} main"] if found else []


def _apt_settings() -> str:
    """How apt reaches its mirrors from here."""
    dump = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True, check=True).stdout
    wanted = re.compile(r"Acquire::(http|https|Retries|Check-|ForceIPv)", re.IGNORECASE)
    return "".join(f"{line}\n" for line in dump.splitlines() if wanted.match(line))
