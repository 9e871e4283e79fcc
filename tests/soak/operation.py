"""What is done to an authority and to the model of it, and how that can fail on its way.

No real disk fails at a commit of the test's choosing, so here a database's commit raises. (Disks that really fail are in
``test_io_errors.py``.)
"""

from __future__ import annotations

import functools
import operator
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from caucase.authority import Authority, ContextAuthority, Later, UseCase
from caucase.errors import CaucaseError
from caucase.store import Database, Transaction, Write

from .model import Context, Model


class FallibleDatabase(Database):
    """``fault``: what happens to which of the next commits."""

    fault: tuple[str, int] | None = None

    def _run(self, connection: Transaction, batch: list[Write]) -> Any:
        if self.fault is None:
            return super()._run(connection, batch)
        when, left = self.fault
        self.fault = None if left == 1 else (when, left - 1)
        if left == 1 and when == "before":
            raise sqlite3.OperationalError("disk I/O error")
        outcomes = super()._run(connection, batch)
        if left == 1:
            raise sqlite3.OperationalError("killed")  # it is on disk, and nobody hears of it
        return outcomes


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
            # As for who calls a use case, who waits also for what could be done later.
            now = work.work if isinstance(work, Later) else work
            result = outcome_of(functools.partial(self._database.write, now))
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
