"""What a tree of processes takes, as /proc has it: a server may be a parent and its workers."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """In MiB, summed over the processes. ``pss``: what is shared is counted once. ``rss``: as often as it is shared."""

    pss: float
    rss: float


def tree(root: int) -> list[int]:
    """The process and all its descendants that live."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """Processor time of the tree, of those that have ended and were waited for too."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            fields = _stat(pid)
            total += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
    return total / _TICKS


def memory(root: int) -> Memory:
    """What the tree has in memory now."""
    pss = rss = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    pss += int(line.split()[1])
                elif line.startswith("Rss:"):
                    rss += int(line.split()[1])
    return Memory(pss=pss / 1024, rss=rss / 1024)


def machine_busy_seconds() -> float:
    """Processor time of everything on this machine since it started, what a hypervisor took included."""
    fields = list(map(int, (_PROC / "stat").read_text().splitlines()[0].split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / _TICKS  # all but idle and iowait


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may contain anything: state, parent, ... (proc(5))."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
