"""Commits what use cases have decided: in the event loop's own thread while the disk is quick, else in the database's.

To hand each piece of work to another thread and to be woken by it takes longer than most disks need. All requests that
are ready share a commit; only when nothing more comes is it made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from caucase import clock
from caucase.authority import Storage, Transaction, Work, Write
from caucase.errors import CaucaseError

_log = logging.getLogger(__name__)

# Seconds. A commit that takes longer (a slow disk) must not hold up those who only read; and how long the disk is taken
# for slow then.
_SLOW = 0.01
_SLOW_FOR = 1.0
# While another process writes: how soon it is tried again, and how often before the work goes to the other thread.
_PAUSE = 0.0005
_TRIES = 10
# For how long work is gathered for which nobody waits.
_SOON = 0.05

Done: TypeAlias = Callable[[Any, Exception | None], None]
"""Called with the result, or with what was raised instead."""


class Committer:
    """For use by the event loop's thread alone."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._batch: list[Write] = []
        self._unhurried: list[Work] = []
        self._is_failing = False
        self._seen = 0
        self._tries = 0
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

    def commit_later(self, work: Work) -> None:
        """Have ``work`` committed soon, with all that came meanwhile. If that fails the journal hears of it."""
        if not self._unhurried:
            asyncio.get_running_loop().call_later(_SOON, self._commit_unhurried)
        self._unhurried.append(work)

    def finish(self) -> None:
        """Before the database is closed: let it have what was to be committed later."""
        for work in self._unhurried:
            self._storage.submit(Write(work, self._note))
        self._unhurried = []

    def _commit_unhurried(self) -> None:
        works, self._unhurried = self._unhurried, []

        def all_of_them(transaction: Transaction) -> None:
            for work in works:
                work(transaction)

        if not works:
            return  # the end has come before
        try:
            self.commit(all_of_them, self._note)
        except CaucaseError as error:
            self._note(None, error)

    def _note(self, _: Any, error: Exception | None) -> None:
        """Tell of a failure, but not of each while it lasts."""
        if error is not None and not self._is_failing:
            _log.error("What nobody waits for could not be stored: %s", error)
        self._is_failing = error is not None

    def _commit_if_complete(self) -> None:
        """Commit what there is, unless more has come since the loop has looked the last time."""
        if len(self._batch) > self._seen:
            self._seen = len(self._batch)
            asyncio.get_running_loop().call_soon(self._commit_if_complete)
            return
        # Whoever is told may have more to commit.
        batch, self._batch = self._batch, []
        began = clock.monotonic()
        if not self._storage.commit(batch):
            self._batch = batch
            self._try_again()
            return
        self._tries = 0
        ended = clock.monotonic()
        if ended - began > _SLOW:
            self._slow_until = ended + _SLOW_FOR

    def _try_again(self) -> None:
        """Another process is writing, which usually takes less than a request does."""
        self._tries += 1
        if self._tries < _TRIES:
            asyncio.get_running_loop().call_later(_PAUSE, self._commit_if_complete)
            return
        batch, self._batch, self._tries = self._batch, [], 0
        for write in batch:
            try:
                self._hand_over(write.work, write.done)
            except CaucaseError as error:
                write.done(None, error)

    def _hand_over(self, work: Work, done: Done) -> None:
        loop = asyncio.get_running_loop()

        def committed(result: Any, error: Exception | None) -> None:
            """In the database's thread."""
            loop.call_soon_threadsafe(done, result, error)

        self._storage.submit(Write(work, committed))
