"""Use cases in two halves: what is decided and signed, and what is committed once that is done.

A use case is a generator. It yields each piece of work for a write transaction and is sent the result, so that
whoever runs it waits for the disk in its own way: a thread by blocking, the server's event loop without. For what is
yielded as ``Later`` nobody has to wait.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from caucase.store import Database, Transaction, Write

P = ParamSpec("P")
T = TypeVar("T")

Work: TypeAlias = Callable[[Transaction], Any]  # what Database.write takes


@dataclass(frozen=True)
class Later:
    """Work whose result is nobody's concern, and which does no harm by never being done: the process may end before."""

    work: Work


Steps: TypeAlias = Generator[Work | Later, Any, T]  # ends with the use case's result


class Storage(Protocol):
    """What commits work (``store.Database``): in this thread, or in one of its own."""

    def commit(self, batch: list[Write]) -> bool: ...

    def submit(self, write: Write) -> None: ...


class _Owner(Protocol):
    """What has use cases."""

    _database: Database


OwnerT = TypeVar("OwnerT", bound=_Owner)


class use_case(Generic[OwnerT, P, T]):  # noqa: N801 - a decorator
    """Makes a method of one that is written as ``Steps``.

    Called, it runs them all and returns the result once that is on disk; ``steps`` hands them out instead.
    """

    def __init__(self, function: Callable[Concatenate[OwnerT, P], Steps[T]]) -> None:
        self._function = function
        functools.update_wrapper(self, function)  # type: ignore[arg-type]  # it becomes callable in an object

    @overload
    def __get__(self, owner: None, kind: type[OwnerT]) -> use_case[OwnerT, P, T]: ...
    @overload
    def __get__(self, owner: OwnerT, kind: type[OwnerT]) -> UseCase[P, T]: ...
    def __get__(self, owner: OwnerT | None, kind: type[OwnerT]) -> use_case[OwnerT, P, T] | UseCase[P, T]:
        if owner is None:
            return self
        return UseCase(functools.partial(self._function, owner), owner._database)


class UseCase(Generic[P, T]):
    """One use case of one object."""

    __slots__ = ("database", "steps")

    def __init__(self, steps: Callable[P, Steps[T]], database: Database) -> None:
        self.steps = steps
        self.database = database

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """All of it in this thread, which waits for each commit."""
        steps = self.steps(*args, **kwargs)
        try:
            work = next(steps)
            while True:
                try:
                    result = self.database.write(work.work if isinstance(work, Later) else work)
                except Exception as error:  # noqa: BLE001 - it is the use case's to deal with
                    work = steps.throw(error)
                else:
                    work = steps.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
