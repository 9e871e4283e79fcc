"""Runs a command in a process that kills itself at the n-th call that changes a file; as a program, that process.

Every call that changes what is on disk counts: made, written, synchronised, renamed, removed, owner or mode set.
Killed *before* the n-th is the same as after the one before it, so all n together are all moments that matter.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SECONDS = 60
# More than any command makes; so a loop that never ends is noticed.
MOST = 500
CALLS = (
    *("chmod", "chown", "fchmod", "fchown", "fdatasync", "fsync", "ftruncate", "link", "mkdir"),
    *("remove", "rename", "replace", "rmdir", "symlink", "truncate", "unlink", "utime", "write"),
)


def kill_points(module: str, *arguments: str, cwd: Path | None = None) -> Iterator[int]:
    """Yields n after the process that runs ``module.main(arguments)`` was killed at its n-th change; ends when one
    came to its end, which must be a good one. What is on disk before each run is the caller's business.
    """
    for number in range(1, MOST):
        done = subprocess.run(
            [sys.executable, "-m", "tests.kills", str(number), module, *arguments],
            cwd=cwd or ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != -signal.SIGKILL:
            assert done.returncode == 0, done.stderr + done.stdout
            assert number > 1, "nothing was changed"
            return
        yield number
    raise AssertionError(f"more than {MOST} changes")


def _arm(number: int) -> None:
    left = number

    def armed(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, armed(getattr(os, name)))
    make = armed(os.open)
    plain = os.open
    # Opening changes something only if it makes a file.
    os.open = lambda path, flags, *args, **kwargs: (make if flags & os.O_CREAT else plain)(  # type: ignore[assignment]
        path, flags, *args, **kwargs
    )


def main() -> int:
    number, module, *arguments = sys.argv[1:]
    command = importlib.import_module(module).main
    _arm(int(number))
    code: int = command(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
