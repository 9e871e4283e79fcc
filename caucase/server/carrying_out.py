"""Runs use cases in the event loop: what they decide and sign in its thread, which each worker process has one of."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, ParamSpec, TypeVar

from caucase.authority import Later, UseCase
from caucase.server.committing import Committer

P = ParamSpec("P")
T = TypeVar("T")


class CarryingOut(Generic[T]):
    """One use case on its way. ``outcome`` has its result or what it raised.

    Once its first work has been handed over it goes on to its end, whoever still waits for the outcome: what is
    committed must also be reported.
    """

    def __init__(
        self, committer: Committer, use_case: UseCase[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        self._committer = committer
        self._steps = use_case.steps(*args, **kwargs)
        self.outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._advance(None, None)

    def _advance(self, result: Any, error: Exception | None) -> None:
        try:
            work = self._steps.send(result) if error is None else self._steps.throw(error)
            while isinstance(work, Later):
                self._committer.commit_later(work.work)
                work = self._steps.send(None)
            self._committer.commit(work, self._advance)
        except StopIteration as end:
            if not self.outcome.done():
                self.outcome.set_result(end.value)
        except Exception as failure:  # noqa: BLE001 - it is told to whoever waits
            if not self.outcome.done():
                self.outcome.set_exception(failure)
