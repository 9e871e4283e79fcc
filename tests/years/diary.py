"""Simulated time: what is to happen when. The clock jumps from one entry to the next, and nothing waits."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count

from tests.conftest import FakeClock


class Diary:
    """Entries are kept in the order of their time, those of the same moment in the order they were made."""

    def __init__(self, start: datetime) -> None:
        self.clock = FakeClock(start)
        self._entries: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = count()

    @property
    def now(self) -> datetime:
        return self.clock()

    def at(self, moment: datetime, what: Callable[[], None]) -> None:
        """Do that then, or at once if that moment has passed."""
        heapq.heappush(self._entries, (max(moment, self.now), next(self._numbers), what))

    def run(self, until: datetime) -> None:
        while self._entries and self._entries[0][0] < until:
            self.clock.moment, _, what = heapq.heappop(self._entries)
            what()
        self.clock.moment = until
