"""Runs use cases in the event loop: what they decide and sign in its thread, which each worker process has one of,
and what they commit in the database's own.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any, Generic, ParamSpec, TypeVar

from caucase.authority import UseCase

P = ParamSpec("P")
T = TypeVar("T")


class CarryingOut(Generic[T]):
    """One use case on its way. ``outcome`` has its result or what it raised.

    Once its first work has been handed over it goes on to its end, whoever still waits for the outcome: what is
    committed must also be reported.
    """

    def __init__(self, use_case: UseCase[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        self._loop = asyncio.get_running_loop()
        self._steps = use_case.steps(*args, **kwargs)
        self._submit = use_case.database.submit
        self.outcome: asyncio.Future[T] = self._loop.create_future()
        self._advance(None, None)

    def _advance(self, result: Any, error: BaseException | None) -> None:
        try:
            work = self._steps.send(result) if error is None else self._steps.throw(error)
            future = self._submit(work)
        except StopIteration as end:
            if not self.outcome.done():
                self.outcome.set_result(end.value)
        except Exception as failure:  # noqa: BLE001 - it is told to whoever waits
            if not self.outcome.done():
                self.outcome.set_exception(failure)
        else:
            future.add_done_callback(self._committed)

    def _committed(self, future: Future[Any]) -> None:
        """In the database's thread."""
        error = future.exception()
        result = None if error is not None else future.result()
        self._loop.call_soon_threadsafe(self._advance, result, error)
