"""Large new files that appear complete or not at all, and what an interrupted run left of them.

Only one process at a time stages files in a folder, so that whatever is found there unfinished may be removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from caucase.errors import Conflict

_PREFIX = ".caucase-partial-"
# A tmpfs on every Debian (systemd's API file systems).
_SHARED_MEMORY = Path("/dev/shm")  # nosec B108 # noqa: S108 - with a private folder in it
# A database is larger than the rows in its backup, and has a journal.
_ROOM = 6
# A folder is taken for left over in the moment in which another process begins.
_ATTEMPTS = 10


@contextlib.contextmanager
def staged_file(target: Path) -> Iterator[BinaryIO]:
    """A file, 0600, to be written; it becomes ``target``, durably, when the context ends without an exception.

    Conflict while another process stages files in the same folder; OSError. Whatever fails, ``target`` is as it was.
    """
    with _alone_in(target.parent) as folder:
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).rename(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        os.fsync(folder)


@contextlib.contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """A private folder, 0700, in ``parent``, that is gone when the context ends, with all that is in it.

    Conflict while another process stages files in ``parent``; OSError.
    """
    with _alone_in(parent):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextlib.contextmanager
def passing_folder(size: int, *, beside: Path) -> Iterator[Path]:
    """Like ``staging_folder``, for what will not stay: in memory if ``size`` bytes fit there easily, else ``beside``.

    A folder in memory that a killed process of the same user has left is removed.
    """
    memory = _memory(size)
    if memory is None:
        with staging_folder(beside) as folder:
            yield folder
        return
    # The folder is everybody's, so there is no lock on it, and nothing of others is touched.
    prefix = f"{_PREFIX}{os.geteuid()}-"
    for leftover in memory.glob(prefix + "*"):
        # Another process may be just done with it.
        with contextlib.suppress(Conflict, FileNotFoundError):
            if leftover.lstat().st_uid == os.geteuid() and not leftover.is_symlink():
                with _locked(leftover):
                    _remove(leftover)
    with _locked_folder(memory, prefix) as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextlib.contextmanager
def _locked_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder that is locked. Until it is, another process may take it for left over, and remove it."""
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_locked(folder))
                folder.lstat()
            except (Conflict, FileNotFoundError):
                continue
            yield folder
            return
    raise Conflict(f"Others are too busy in {parent}.", "Try again.")


def publish(staged: Path, target: Path) -> None:
    """Let a complete file out of a staging folder appear at ``target``, durably. Conflict if there is one; OSError.

    A link and not a renaming, because a renaming would replace what is there.
    """
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    try:
        target.hardlink_to(staged)
    except FileExistsError:
        raise Conflict(f"{target} exists already, and is never replaced.", "Name another file.") from None
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[int]:
    """Holds a lock on the folder, and removes what was left unfinished in it; the folder's descriptor."""
    with _locked(folder) as descriptor:
        for leftover in list(folder.glob(_PREFIX + "*")):
            _remove(leftover)
        yield descriptor


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"Another backup or restoration is at work in {folder}.", "Wait until it is done."
            ) from None
        yield descriptor
    finally:
        os.close(descriptor)


def _memory(size: int) -> Path | None:
    """Where files are in memory, if there is room for several times so many bytes."""
    mounts = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    if not any(mount.split()[1:3] == [str(_SHARED_MEMORY), "tmpfs"] for mount in mounts):
        return None
    free = os.statvfs(_SHARED_MEMORY)
    roomy = free.f_bavail * free.f_frsize > _ROOM * size
    return _SHARED_MEMORY if roomy and os.access(_SHARED_MEMORY, os.W_OK, effective_ids=True) else None


def _remove(leftover: Path) -> None:
    if stat.S_ISDIR(leftover.lstat().st_mode):
        shutil.rmtree(leftover)
    else:
        leftover.unlink()
