"""A clock that tests set, for all processes that they start: libfaketime, told by a file how far it is ahead.

It goes on by itself; nothing stands still. Must never be what the tests' own process goes by.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

# libfaketime 0.9.10 fakes the monotonic clock, too, and waiting for a semaphore never ends then; if it is told not to,
# time.sleep() fails (EINVAL). So it is told not to, and Python sleeps in another way.
_SLEEP = """\
import select
import time

time.sleep = lambda seconds: select.select([], [], [], seconds)
"""


class MovedClock:
    """``now`` of the processes that are started while it is there, and of those that run already."""

    def __init__(self, folder: Path, environment: pytest.MonkeyPatch) -> None:
        self._ahead = timedelta(0)
        self._file = folder / "ahead"
        self._write()
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        (folder / "sitecustomize.py").write_text(_SLEEP)
        for name, value in {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": self._file,
            "FAKETIME_NO_CACHE": 1,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
            "NO_FAKE_STAT": 1,
            "PYTHONPATH": folder,
            "PYTHONUNBUFFERED": 1,
        }.items():
            environment.setenv(name, str(value))

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, amount: timedelta) -> None:
        self._ahead += amount
        self._write()

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"+{int(self._ahead.total_seconds())}")
        new.rename(self._file)
