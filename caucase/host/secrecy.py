"""Keeps secrets where they belong: a process leaves none behind, and no file that holds one is open to others.

It mends nothing: whoever opened a file to others may have had a reason, and has to know that it was open.
"""

from __future__ import annotations

import ctypes
import os
import resource
import stat
from pathlib import Path

from caucase.errors import Exposed

_PR_SET_DUMPABLE = 4  # prctl(2); linux/prctl.h

_READABLE = stat.S_IRGRP | stat.S_IROTH
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
_EVERYBODY = stat.S_IRWXO


def forbid_dumps() -> None:
    """From here on the memory of this process is in no core dump, and no other process of its user can look into it.

    The kernel forgets that when a program is run, and when effective ids change (prctl(2)): then call it again. Files
    in ``/proc/self`` belong to root from now on; the process itself can still open its descriptors there. OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    # The lower limit alone: programs that are run from here, which hold no key of ours, may raise it again.
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def check_secret(path: Path) -> None:
    """Exposed if anybody but its owner can read or write a file; one that is not there is nobody's. OSError."""
    if _mode(path) & (_READABLE | _WRITABLE):
        raise Exposed(f"{path} holds secrets and is open to others.", f"Run: chmod 600 {path}")


def check_key(path: Path) -> None:
    """Like ``check_secret`` for a key that an administrator may share with a group, for reading."""
    if _mode(path) & (_EVERYBODY | _WRITABLE):
        raise Exposed(
            f"{path} holds a private key and is open to others.",
            f"Run: chmod 600 {path} (or 640, if its group is to read it), and think of who has read it.",
        )


def check_folder(path: Path) -> None:
    """Exposed if anybody but its owner can exchange what is in a folder; one that is not there is nobody's. OSError."""
    if _mode(path) & _WRITABLE:
        raise Exposed(f"Others can replace what is in {path}.", f"Run: chmod go-w {path}")


def _mode(path: Path) -> int:
    """Nothing is allowed to anybody where nothing is."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0
