"""Looks at installed files and replaces them, in folders that may be somebody else's.

Every new file is complete beside the old one, with its owner and mode from before its content on, before the
first old one is replaced. A file is replaced at once or not at all, and no link is written through.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from caucase.client.api import CRL_LIMIT
from caucase.client.deploy.plan import FileState
from caucase.config.updater import Installed, Part
from caucase.errors import ConfigError
from caucase.host.places import Place, about

# What is there is compared with what shall be: at most all lists, and some keys and certificates.
_SIZE_LIMIT = 2 * CRL_LIMIT

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_MODE = 0o600
_SUFFIX_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Ownership:
    """Numbers of the user and the group that a file shall have, ``None`` where the configuration has no word."""

    uid: int | None
    gid: int | None


def ownerships(entries: Sequence[Installed]) -> list[Ownership]:
    """Of each entry. ConfigError with a line for each user or group that this machine does not know."""
    unknown: list[str] = []

    def number(entry: Installed, what: str, name: str | None) -> int | None:
        if name is None or name.isdigit():
            return None if name is None else int(name)
        try:
            return pwd.getpwnam(name).pw_uid if what == "user" else grp.getgrnam(name).gr_gid
        except KeyError:
            unknown.append(f"{entry.path}: there is no {what} {name!r} on this machine")
            return None

    found = [
        Ownership(uid=number(entry, "user", entry.owner), gid=number(entry, "group", entry.group))
        for entry in entries
    ]
    if unknown:
        raise ConfigError("\n".join(unknown), "Correct owner or group, or make the account with adduser.")
    return found


def look(place: Place) -> FileState | None:
    """What is installed there, ``None`` if nothing is. OSError, also for anything but a regular file."""
    result = place.read(_SIZE_LIMIT)
    if result is None:
        return None
    content, status = result
    return FileState(content=content, uid=status.st_uid, gid=status.st_gid, mode=stat.S_IMODE(status.st_mode))


def intended(
    entry: Installed, content: bytes, ownership: Ownership, place: Place, found: FileState | None
) -> FileState:
    """The file as it shall be.

    ConfigError for a private key whose reader would be chosen by whoever can put files into that folder.
    """
    uid, gid = ownership.uid, ownership.gid
    if Part.KEY in entry.content and not place.is_sealed and None in (uid, gid):
        raise ConfigError(
            f"{entry.path}: others than root can put files into this folder, and the owner of one with a private "
            "key is not to be theirs to choose.",
            "Give owner and group.",
        )
    if uid is None:
        uid = os.geteuid() if found is None else found.uid
    if gid is None:
        gid = os.getegid() if found is None else found.gid
    return FileState(content=content, uid=uid, gid=gid, mode=entry.mode)


def replace(files: Sequence[tuple[Place, FileState]]) -> None:
    """Replace all of them, in this order. OSError: if it comes before all are written, none is replaced."""
    with contextlib.ExitStack() as stack:
        written = [(place, stack.enter_context(_written(place, state))) for place, state in files]
        for place, temporary in written:
            with about(place.path):
                os.rename(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        for place, _ in written:
            _sync_folder(place)


@contextlib.contextmanager
def _written(place: Place, state: FileState) -> Iterator[str]:
    """The name of a complete new file beside the old one; away afterwards, unless it was given another name."""
    # A name that nobody can foresee: two deployments at once must not write into each other's.
    name = f"{_prefix(place)}{secrets.token_hex(_SUFFIX_BYTES)}"
    try:
        with about(place.path):
            _sweep(place)
            descriptor = os.open(name, _NEW, _NEW_MODE, dir_fd=place.folder)
            try:
                _fill(descriptor, state)
            finally:
                os.close(descriptor)
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=place.folder)


def _fill(descriptor: int, state: FileState) -> None:
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (state.uid, state.gid):
        os.fchown(descriptor, state.uid, state.gid)
    # After the owner, because changing that one can clear mode bits (chown(2)); before the content.
    os.fchmod(descriptor, state.mode)
    content = memoryview(state.content)
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)


def _prefix(place: Place) -> str:
    return f".{place.name}.caucase-"


def _sweep(place: Place) -> None:
    """Remove what an interrupted deployment left: it may hold a key."""
    left = re.compile(rf"{re.escape(_prefix(place))}[0-9a-f]{{{2 * _SUFFIX_BYTES}}}")
    with _listable(place) as folder:
        for name in os.listdir(folder):  # noqa: PTH208 - a descriptor
            if left.fullmatch(name):
                # A folder of that name is the work of somebody who may put things there.
                with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                    os.unlink(name, dir_fd=folder)


def _sync_folder(place: Place) -> None:
    with _listable(place) as folder:
        os.fsync(folder)


@contextlib.contextmanager
def _listable(place: Place) -> Iterator[int]:
    """The folder, opened for more than passing through."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
