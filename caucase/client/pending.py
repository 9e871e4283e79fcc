"""The note that something renewed is still to be told to whoever uses it. It survives a crash, and losing a race.

It is a folder in which each change leaves a token. Whoever acts upon them removes, once all went well, only
the tokens it had seen: a change that came meanwhile stays to be done. While the folder exists something may be
pending (systemd's ConditionPathExists=). Root and the updater's user share it, so nothing in it is followed or
read.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from caucase.host.places import place

DEPLOY_PENDING = "deploy-pending"

_TOKEN_BYTES = 8
_FOLDER_MODE = 0o700
_TOKEN_MODE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Pending:
    """The note ``name`` in ``folder``, which exists and is given by an absolute path."""

    folder: Path
    name: str = DEPLOY_PENDING

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """What is changed within this context is pending, wherever it stops; OSError before anything is changed."""
        token = self.mark()
        try:
            yield
        finally:
            # Somebody may have acted upon it before the change was made.
            if token not in self.tokens():
                self.mark()

    def mark(self) -> str:
        """Note that something is to be done, durably; its token. OSError."""
        token = secrets.token_hex(_TOKEN_BYTES)
        with place(self.path) as note:
            while True:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(note.name, _FOLDER_MODE, dir_fd=note.folder)
                try:
                    with _opened(note.name, note.folder) as folder:
                        _give_to_owner_of(note.folder, folder)
                        os.close(os.open(token, _NEW, _TOKEN_MODE, dir_fd=folder))
                        os.fsync(folder)
                    break
                except FileNotFoundError:
                    continue  # removed in between: what was in it has been done
            with _opened(".", note.folder) as above:
                os.fsync(above)
        return token

    def tokens(self) -> frozenset[str]:
        """What is to be done; empty if nothing is. OSError."""
        try:
            with place(self.path) as note, _opened(note.name, note.folder) as folder:
                return frozenset(os.listdir(folder))  # noqa: PTH208 - a descriptor
        except FileNotFoundError:
            return frozenset()

    def clear(self, tokens: frozenset[str]) -> None:
        """Forget what has been done. OSError."""
        try:
            with place(self.path) as note:
                with _opened(note.name, note.folder) as folder:
                    for token in tokens:
                        with contextlib.suppress(FileNotFoundError):
                            os.unlink(token, dir_fd=folder)
                # Not empty: something came meanwhile.
                with contextlib.suppress(OSError):
                    os.rmdir(note.name, dir_fd=note.folder)
        except FileNotFoundError:
            pass


@contextlib.contextmanager
def _opened(name: str, folder: int) -> Iterator[int]:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _give_to_owner_of(model: int, folder: int) -> None:
    """What root has made must be the updater's, too."""
    wanted, made = os.fstat(model), os.fstat(folder)
    if os.geteuid() == 0 and (wanted.st_uid, wanted.st_gid) != (made.st_uid, made.st_gid):
        os.fchown(folder, wanted.st_uid, wanted.st_gid)
