"""Finds files by walking down from the root, folder by folder, so that nobody can lead a privileged process astray.

A process that runs as root touches folders of other users here. A symbolic link is followed only where nobody
but root, or the process's own user, could have made it; everything is then done relative to an open folder,
so that what is renamed meanwhile does not matter.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from caucase.errors import ConfigError

_LINKS_LIMIT = 40  # as many as the kernel follows (path_resolution(7))
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a file is or will be. ``folder``: an open folder, for the ``dir_fd`` of calls; ``name``: in it, and no
    symbolic link when it was looked at. ``is_sealed``: whether only root, or our own user, can put files there.
    """

    path: Path
    folder: int
    name: str
    is_sealed: bool

    def identity(self) -> tuple[int, int, str]:
        """Equal for two places that are the same, whatever links lead there."""
        folder = os.fstat(self.folder)
        return folder.st_dev, folder.st_ino, self.name

    def status(self) -> os.stat_result | None:
        """What is there, ``None`` if nothing is. OSError."""
        with about(self.path):
            try:
                return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def read(self, limit: int) -> tuple[bytes, os.stat_result] | None:
        """The content of a regular file and its status, ``None`` if nothing is there.

        OSError, also if it is something else, or larger than ``limit`` bytes.
        """
        with about(self.path):
            try:
                # Without O_NONBLOCK a named pipe would keep us waiting.
                descriptor = os.open(
                    self.name,
                    os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                    dir_fd=self.folder,
                )
            except FileNotFoundError:
                return None
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "is not a regular file")
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    data = file.read(limit + 1)
            finally:
                os.close(descriptor)
        if len(data) > limit:
            raise OSError(errno.EFBIG, f"is larger than {limit} bytes", str(self.path))
        return data, status


@contextlib.contextmanager
def place(path: Path) -> Iterator[Place]:
    """The place of an absolute path, open as long as the context lasts.

    PermissionError for a symbolic link that somebody else could have made; OSError, also if a folder on the way
    is missing. The file itself may be.
    """
    with about(path):
        found = _walk(path)
    try:
        yield found
    finally:
        os.close(found.folder)


def check_sealed(path: Path) -> None:
    """ConfigError unless the file ``path``, its folder and all above are such that only root, or our own user, can
    change what is read there. OSError.
    """
    with place(path) as found:
        status = found.status()
        if status is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        folder = os.fstat(found.folder)
        if not found.is_sealed or folder.st_mode & _OTHERS_WRITE or not _is_ours(status):
            who, hint = "the file, or a folder above it, can be changed by others", "chown root, chmod go-w"
        elif status.st_mode & _OTHERS_WRITE:
            who, hint = "the file can be written by others", "chmod go-w"
        else:
            return
        raise ConfigError(f"{path}: {who}, and it says what root does.", f"Make it root's alone ({hint}).")


def _walk(path: Path) -> Place:
    if not path.is_absolute():
        raise ValueError(f"{path} is not absolute")
    parts = deque(path.parts[1:] or ["."])
    folder, is_sealed, links = _root(), True, 0
    try:
        while True:
            around = os.fstat(folder)
            # In a folder with the sticky bit nobody renames what is not his own (unlink(2)).
            is_shared = bool(around.st_mode & _OTHERS_WRITE)
            is_held = _is_ours(around) and (not is_shared or bool(around.st_mode & stat.S_ISVTX))
            is_sealed = is_sealed and is_held
            name = parts.popleft()
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                if parts:
                    raise
                return Place(path=path, folder=folder, name=name, is_sealed=is_sealed and not is_shared)
            if stat.S_ISLNK(status.st_mode):
                if not (is_held and _is_ours(status)):
                    raise PermissionError(errno.EPERM, "there is a symbolic link that others could have made")
                if (links := links + 1) > _LINKS_LIMIT:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = PurePosixPath(os.readlink(name, dir_fd=folder))
                if target.is_absolute():
                    folder = _moved(folder, _root())
                parts.extendleft(reversed(target.parts[target.is_absolute() :] or ["."]))
            elif parts:
                folder = _moved(folder, os.open(name, _FOLDER, dir_fd=folder))
            else:
                # Where others may put files, one that is there already is safe if it is ours.
                is_ours = not is_shared or _is_ours(status)
                return Place(path=path, folder=folder, name=name, is_sealed=is_sealed and is_ours)
    except BaseException:
        os.close(folder)
        raise


# O_PATH: to pass through a folder one need not be allowed to list it.
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _root() -> int:
    return os.open("/", _FOLDER)


def _moved(old: int, new: int) -> int:
    os.close(old)
    return new


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())


@contextlib.contextmanager
def about(path: Path) -> Iterator[None]:
    """An OSError from within names ``path``, which calls relative to a folder do not know."""
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None
