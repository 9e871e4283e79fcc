"""What no input may do: raise anything but a CaucaseError, take 200 ms of CPU, or 20 MiB of memory."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from caucase.errors import CaucaseError

CPU_SECONDS = 0.2
MEMORY_BYTES = 20 * 1024 * 1024
_ENDLESS_SECONDS = 20  # atheris makes everything slower, but not that much
_ATTEMPTS = 3  # the best counts: a first one may load modules, and the machine may be busy

_CLEAR_REFS = "/proc/self/clear_refs"
_STATUS = Path("/proc/self/status")

Run = Callable[[bytes], None]


class Violation(Exception):
    """An input did what none may do. ``data``: that input."""

    def __init__(self, what: str, data: bytes) -> None:
        shown = repr(data if len(data) <= 2000 else data[:1000] + b"..." + data[-1000:])
        super().__init__(f"{what}; {len(data)} bytes: {shown}")
        self.data = data


def cost(run: Run, data: bytes) -> tuple[float, int]:
    """Seconds of CPU of all threads, and by how many bytes the memory of this process was more than before.

    Violation for an exception, and for what does not end.
    """
    before = _peak(reset=True)
    began = time.process_time()
    try:
        with _patience():
            run(data)
    except CaucaseError:
        pass
    except _Endless as error:
        raise Violation(f"not done after {_ENDLESS_SECONDS} s of CPU", data) from error
    except Exception as error:
        raise Violation(f"{type(error).__name__}: {error}", data) from error
    return time.process_time() - began, _peak() - before


class _Endless(BaseException):
    """Nothing catches it by accident."""


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    def end(*_: object) -> None:
        raise _Endless

    former = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, _ENDLESS_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)


def check(run: Run, data: bytes) -> tuple[float, int]:
    """The least of some attempts; Violation if that is too much."""
    least = (float("inf"), MEMORY_BYTES * 1000)
    for _ in range(_ATTEMPTS):
        seconds, size = cost(run, data)
        least = min(least[0], seconds), min(least[1], size)
        if not is_too_much(*least):
            return least
    raise Violation(f"{least[0] * 1000:.0f} ms of CPU, {least[1] / 2**20:.1f} MiB of memory", data)


def is_too_much(seconds: float, size: int) -> bool:
    return seconds > CPU_SECONDS or size > MEMORY_BYTES


def _peak(*, reset: bool = False) -> int:
    """The most memory that this process has had since the last reset (proc(5): clear_refs, VmHWM)."""
    if reset:
        descriptor = os.open(_CLEAR_REFS, os.O_WRONLY)
        try:
            os.write(descriptor, b"5")
        finally:
            os.close(descriptor)
    line = _STATUS.read_bytes().partition(b"VmHWM:")[2]
    return int(line.split(maxsplit=1)[0]) * 1024
