"""How many files a process may have open (getrlimit(2)): each connection is one."""

from __future__ import annotations

import contextlib
import resource

# What nobody needs more of, where there is no limit.
_ENOUGH = 1 << 20


def allow_descriptors() -> int:
    """Allow this process as many open files as it can have without further rights; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # systemd's filter for system calls may have it otherwise; then the unit has said what there is.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft
