"""Says on a terminal that something takes longer than two seconds, and how far it is; elsewhere in the log.

Only commands show anything (``allow``): a library has no terminal of its own. It goes to standard error, on one line
that is gone at the end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

from caucase import clock

# What is over sooner needs no explanation.
_QUIET_SECONDS = 2.0
_WIDTH = 30
_BAR_SECONDS = 0.1
_COUNT_SECONDS = 1.0
_LOG_SECONDS = 30.0
_MIB = 1 << 20
_CLEAR = "\r\x1b[K"
# Columns for the seconds behind a text.
_ROOM = 12

_log = logging.getLogger(__name__)
_allowed = False


def allow() -> None:
    """This process is a command: what takes long may be said to whoever has started it."""
    global _allowed
    _allowed = True


def _on_terminal() -> bool:
    return _allowed and sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


class Progress:
    """Of one job. ``what``: a word for it; ``total``: about how many bytes there will be, or whatever is counted; 0 for
    bytes of which nobody knows how many.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._on_terminal = _on_terminal()
        self._shown = False
        self._begun = self._last = clock.monotonic()

    def add(self, size: int) -> None:
        """So many more."""
        self._done += size
        now = clock.monotonic()
        if self._on_terminal:
            if now - self._begun >= _QUIET_SECONDS and now - self._last >= _BAR_SECONDS:
                self._last = now
                self._show()
        elif now - self._last >= _LOG_SECONDS:
            self._last = now
            _log.info("%s: %s", self._what, self._share())

    def end(self) -> None:
        """Take the bar away."""
        if self._shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)

    def _show(self) -> None:
        self._shown = True
        bar = ""
        if self._total:
            filled = int(_WIDTH * min(self._done / self._total, 1.0))
            bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] "
        print(f"\r{self._what} {bar}{self._share():>5}\x1b[K", end="", file=sys.stderr, flush=True)

    def _share(self) -> str:
        if not self._total:
            return f"{self._done / _MIB:.1f} MiB"
        return f"{100 * min(self._done / self._total, 1.0):.0f} %"


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Progress]:
    """A ``Progress`` that ends with its block."""
    made = Progress(what, total)
    try:
        yield made
    finally:
        made.end()


@contextlib.contextmanager
def counting_seconds(what: str) -> Iterator[None]:
    """Of something that does not say how far it is: on a terminal the seconds are counted, elsewhere nothing is said.

    A process of its own counts: while some versions of ``cryptography`` make a key, no other thread runs.
    """
    if not _on_terminal():
        yield
        return
    begun = clock.monotonic()
    own = os.getpid()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _count(what, own)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if clock.monotonic() - begun >= _QUIET_SECONDS:
            print(_CLEAR, end="", file=sys.stderr, flush=True)


def _count(what: str, parent: int) -> NoReturn:
    """Never comes back, nor touches what the parent has buffered or holds."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        shown = what[: shutil.get_terminal_size().columns - _ROOM]
        seconds = int(_QUIET_SECONDS)
        clock.sleep(_QUIET_SECONDS)
        while os.getppid() == parent:
            os.write(2, f"\r{shown} ... {seconds} s\x1b[K".encode("ascii", "replace"))
            clock.sleep(_COUNT_SECONDS)
            seconds += 1
    finally:
        os._exit(0)
