"""The only place that reads the time.

Everything else takes a ``Clock`` as an argument, so that a test runs years in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Says what time it is, as an aware UTC ``datetime``."""


def now() -> datetime:
    """The wall clock, UTC. What certificates, lists and the journal are dated with; it may jump."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds since an arbitrary moment, never going back: for durations such as idle times and deadlines."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Let so much time pass; for a client that tries again, a job that lets others go first, never in an
    event loop."""
    time.sleep(seconds)
