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


def publish(staged: Path, target: Path) -> None:
    """Let a complete file out of a staging folder appear at ``target``, durably. FileExistsError; OSError.

    A link and not a renaming, because a renaming would replace what is there.
    """
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    target.hardlink_to(staged)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[int]:
    """Holds a lock on the folder, and removes what was left unfinished in it; the folder's descriptor."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"Another backup or restoration is at work in {folder}.", "Wait until it is done."
            ) from None
        for leftover in folder.iterdir():
            if leftover.name.startswith(_PREFIX):
                _remove(leftover)
        yield descriptor
    finally:
        os.close(descriptor)


def _remove(leftover: Path) -> None:
    if stat.S_ISDIR(leftover.lstat().st_mode):
        shutil.rmtree(leftover)
    else:
        leftover.unlink()
