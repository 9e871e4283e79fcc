"""Says how far a long job is: a bar on a terminal, now and then a line in the log elsewhere."""

from __future__ import annotations

import logging
import sys

from caucase import clock

_WIDTH = 30
_BAR_SECONDS = 0.1
_LOG_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Progress:
    """Of one job. ``what``: a word for it; ``total``: about how many bytes there will be."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = max(total, 1)
        self._done = 0
        self._on_terminal = sys.stderr.isatty()
        self._shown = False
        self._last = clock.monotonic()

    def add(self, size: int) -> None:
        """So many bytes more."""
        self._done += size
        now = clock.monotonic()
        if now - self._last >= (_BAR_SECONDS if self._on_terminal else _LOG_SECONDS):
            self._last = now
            self._show()

    def end(self) -> None:
        """Take the bar away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _show(self) -> None:
        share = min(self._done / self._total, 1.0)
        if not self._on_terminal:
            _log.info("%s: %d %%", self._what, 100 * share)
            return
        self._shown = True
        filled = int(_WIDTH * share)
        bar = "#" * filled + "." * (_WIDTH - filled)
        print(f"\r{self._what} [{bar}] {100 * share:3.0f} %\x1b[K", end="", file=sys.stderr, flush=True)
