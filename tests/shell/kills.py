"""Ends ``caucase.sh`` with SIGKILL at each command that changes a file, one after the other.

Every change is made by a command, so commands of the same names that come first in PATH count them, and at the n-th kill
the whole process group. Killed before the n-th is the same as after the one before it. (awk and cp write only where nobody
else looks.)
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

from .shells import Result, Shell

CHANGING = ("cat", "chmod", "chown", "curl", "mkdir", "mktemp", "mv", "openssl", "rm", "rmdir", "sync")
MOST = 200

# Openssl is asked for many things; what changes something begins with the new key, and counting begins there.
_SHIM = """\
#!/bin/dash
case "{name} $1" in openssl\\ genpkey) : >{armed} ;; openssl\\ *) exec {real} "$@" ;; esac
if [ -e {armed} ]; then
    printf . >>{count}
    # Not only if it is that many: those of a pipe count at the same time.
    [ "$(/usr/bin/wc -c <{count})" -lt {at} ] || kill -9 0
fi
exec {real} "$@"
"""


def kill_points(shell: Shell, folder: Path, *arguments: str | Path, cwd: Path) -> Iterator[int]:
    """Yields n after a run was killed at its n-th change since the new key; ends when one came to its end, a good one.

    ``folder``: for what this needs.
    """
    folder.mkdir()
    for number in range(1, MOST):
        armed, count = folder / "armed", folder / "count"
        armed.unlink(missing_ok=True)
        count.unlink(missing_ok=True)
        for name in CHANGING:
            real = next(path for place in shell.path.split(":") if (path := Path(place) / name).exists())
            shim = folder / name
            shim.write_text(_SHIM.format(name=name, armed=armed, count=count, real=real, at=number))
            shim.chmod(0o755)
        done: Result = shell.run(*arguments, cwd=cwd, before=folder)
        if done.code != -signal.SIGKILL:
            done.expect(0)
            assert number > 10, "hardly anything was changed"
            return
        yield number
    raise AssertionError(f"more than {MOST} changes")
