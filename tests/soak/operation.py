"""What is done to an authority and to the model of it, and how that can fail on its way.

No real disk fails at a commit of the test's choosing, so here a database's commit raises. (Disks that really fail are in
``test_io_errors.py``.)
"""

from __future__ import annotations

import copy
import functools
import operator
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from caucase.authority import Authority, ContextAuthority, UseCase
from caucase.errors import CaucaseError
from caucase.store import Database, Transaction

from .model import Context, Model


class FallibleDatabase(Database):
    """``fault``: what happens to which of the next commits."""

    fault: tuple[str, int] | None = None

    def _commit(self, connection: Transaction, batch: Any) -> None:
        if self.fault is None:
            return super()._commit(connection, batch)
        when, left = self.fault
        self.fault = (when, left - 1)
        if left != 1:
            return super()._commit(connection, batch)
        self.fault = None
        if when == "before":
            raise sqlite3.OperationalError("disk I/O error")
        # It is on disk, and nobody hears of it.
        results = [copy.copy(job) for job in batch]
        for job in results:
            job.future = type(job.future)()
        super()._commit(connection, results)
        raise sqlite3.OperationalError("killed")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """``name``: of the context. ``real`` may authenticate, and gives what is to be called; ``expected`` does it to the
    model. ``accept`` is called with what both gave, if they ``agree``.
    """

    name: str
    real: Callable[[ContextAuthority, Authority], functools.partial[Any]]
    expected: Callable[[Context, Model], Any]
    agree: Callable[[Any, Any], bool] = operator.eq
    accept: Callable[[Any, Any], None] = lambda got, wanted: None

    def agrees(self, got: Any, wanted: Any) -> bool:
        """Also for errors, which agree by their class."""
        if isinstance(got, CaucaseError) or isinstance(wanted, CaucaseError):
            return type(got) is type(wanted)
        return self.agree(got, wanted)


class Going:
    """A use case that has decided and not committed yet, or whatever else, which is over at once."""

    def __init__(self, begin: Callable[[], functools.partial[Any]]) -> None:
        self._steps: Any = None
        self._work: Any = None
        self.outcome = outcome_of(lambda: self._decide(begin()))

    def _decide(self, call: functools.partial[Any]) -> Any:
        if not isinstance(call.func, UseCase):
            return call()
        self._database, self._steps = call.func.database, call.func.steps(*call.args, **call.keywords)
        return self._advance(lambda: next(self._steps))

    def finish(self) -> None:
        while self._work is not None:
            work, self._work = self._work, None
            result = outcome_of(lambda: self._database.write(work))
            if isinstance(result, CaucaseError):
                self.outcome = outcome_of(lambda: self._advance(lambda: self._steps.throw(result)))
            else:
                self.outcome = outcome_of(lambda: self._advance(lambda: self._steps.send(result)))

    def _advance(self, step: Callable[[], Any]) -> Any:
        try:
            self._work = step()
        except StopIteration as end:
            return end.value


def outcome_of(action: Callable[[], Any]) -> Any:
    """What it gives, or the error that it raises."""
    try:
        return action()
    except CaucaseError as error:
        return error
