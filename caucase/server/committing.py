"""Commits what use cases have decided: in the event loop's own thread while the disk is quick, else in the database's.

To hand each piece of work to another thread and to be woken by it takes longer than most disks need. All requests that
are ready share a commit; only when nothing more comes is it made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from caucase import clock
from caucase.authority import Storage, Work, Write

# Seconds. A commit that takes longer (a slow disk, another process that writes much) must not hold up those who only
# read; and how long the disk is taken for slow then.
_SLOW = 0.01
_SLOW_FOR = 1.0

Done: TypeAlias = Callable[[Any, Exception | None], None]
"""Called with the result, or with what was raised instead."""


class Committer:
    """For use by the event loop's thread alone."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._batch: list[Write] = []
        self._seen = 0
        self._slow_until = 0.0

    def commit(self, work: Work, done: Done) -> None:
        """Have ``work`` committed; ``done`` is called in this thread afterwards. StoreError if it is closed."""
        if clock.monotonic() < self._slow_until:
            self._hand_over(work, done)
            return
        if not self._batch:
            self._seen = 0
            asyncio.get_running_loop().call_soon(self._commit_if_complete)
        self._batch.append(Write(work, done))

    def _commit_if_complete(self) -> None:
        """Commit what there is, unless more has come since the loop has looked the last time."""
        if len(self._batch) > self._seen:
            self._seen = len(self._batch)
            asyncio.get_running_loop().call_soon(self._commit_if_complete)
            return
        batch, self._batch = self._batch, []
        began = clock.monotonic()
        self._storage.commit(batch)
        ended = clock.monotonic()
        if ended - began > _SLOW:
            self._slow_until = ended + _SLOW_FOR

    def _hand_over(self, work: Work, done: Done) -> None:
        loop = asyncio.get_running_loop()

        def committed(result: Any, error: Exception | None) -> None:
            """In the database's thread."""
            loop.call_soon_threadsafe(done, result, error)

        self._storage.submit(Write(work, committed))
