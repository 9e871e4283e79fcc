"""A disk of a few pages, for what has to go well on a full one: each file takes whole pages."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_PAGE = 4096


@contextlib.contextmanager
def mounted(folder: Path, *, pages: int) -> Iterator[Path]:
    """The disk at a new ``folder``, as long as the context lasts; only root can mount it."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={pages * _PAGE}", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path, *, leave: int) -> None:
    """Leave so many pages, or as many as there are."""
    status = os.statvfs(disk)
    free = status.f_bavail * status.f_frsize // _PAGE
    (disk / "filler").write_bytes(bytes(max(free - leave, 0) * _PAGE))
