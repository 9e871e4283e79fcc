"""Files as a service needs them: replaced at once or not at all, and read no further than a limit.

A file is never truncated in place, and its content is never readable by more people than its final mode
allows.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

# What mkstemp(3) adds to the prefix tells our temporaries from files that somebody else has called so.
_TEMPORARY = ".caucase-new-"
_LEFTOVER = re.compile(re.escape(_TEMPORARY) + "[a-z0-9_]{8}")


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace the content of ``path`` by ``data``, durably: after a crash there is the old file or the new
    one.

    An existing file keeps its owner, group and mode; ``mode`` is that of a new one (the umask does not
    apply). A symbolic link stays, what it points to is replaced. Raises OSError, and then the old file is
    untouched; also where the owner cannot be kept, and for anything but a regular file.
    """
    target = Path(os.path.realpath(path))
    existing = _stat_regular(target)
    # Opened first: a folder that cannot be synchronised is found out before anything is changed.
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # mkstemp opens with O_EXCL and 0600: until it is the new file's, owner and mode let nobody else in.
        descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if existing is not None:
                    _keep_owner(descriptor, existing)
                # After the owner, because changing that one can clear mode bits (chown(2)); before the
                # content.
                os.fchmod(descriptor, mode if existing is None else stat.S_IMODE(existing.st_mode))
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            Path(temporary).rename(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_leftovers(folder: Path, *, older_than: datetime) -> None:
    """Remove temporaries of ``write_atomic`` in ``folder`` that a killed process has left; a key may be in them.

    OSError. Those that are not old may be somebody's who is writing just now.
    """
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and status.st_mtime < older_than.timestamp():
                    path.unlink()


def read_limited(path: Path, limit: int) -> bytes:
    """The content of ``path``, at most ``limit`` bytes; OSError (EFBIG) if there is more."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"is larger than {limit} bytes", str(path))
    return data


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """One process at a time: waits until no other one holds the lock file, which stays behind, empty. OSError."""
    descriptor = os.open(
        path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, stat.S_IRUSR | stat.S_IWUSR
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _stat_regular(target: Path) -> os.stat_result | None:
    try:
        existing = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(existing.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not stat.S_ISREG(existing.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(target))
    return existing


def _keep_owner(descriptor: int, existing: os.stat_result) -> None:
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (existing.st_uid, existing.st_gid):
        os.fchown(descriptor, existing.st_uid, existing.st_gid)
