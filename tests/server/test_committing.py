"""Commits in the event loop: shared, told once, and never in the way of those who only read."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.authority.use_case import Later, Steps, use_case
from caucase.server import committing
from caucase.server.carrying_out import CarryingOut
from caucase.server.committing import Committer
from caucase.store import Database, Transaction
from caucase.store.settings import count, counter


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "caucase.sqlite") as opened:
        opened.write(step)  # makes the file of the turns
        yield opened


def step(transaction: Transaction) -> int:
    return count(transaction, "cas", "n")


class Told:
    """What came of some work, as futures."""

    def __init__(self, committer: Committer) -> None:
        self.committer = committer

    def commit(self, work=step) -> asyncio.Future[int]:
        future = asyncio.get_running_loop().create_future()

        def done(result: int, error: Exception | None) -> None:
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.committer.commit(work, done)
        return future


def test_what_is_ready_shares_a_commit(database: Database) -> None:
    batches: list[int] = []
    commit = database.commit

    def counted(batch):
        batches.append(len(batch))
        return commit(batch)

    database.commit = counted  # type: ignore[method-assign]

    async def run() -> list[int]:
        told = Told(Committer(database))

        async def next_turn() -> int:
            return await told.commit()

        return await asyncio.gather(told.commit(), told.commit(), next_turn())

    assert asyncio.run(run()) == [2, 3, 4]
    assert batches == [3]


def test_who_is_told_may_have_more(database: Database) -> None:
    async def run() -> int:
        told = Told(Committer(database))
        first = told.commit()
        more: list[asyncio.Future[int]] = []
        first.add_done_callback(lambda _: more.append(told.commit()))
        others = [told.commit() for _ in range(3)]
        await asyncio.gather(first, *others)
        await asyncio.sleep(0)
        return await more[0]

    assert asyncio.run(run()) == 6


def test_what_fails_is_told_to_who_asked_for_it(database: Database) -> None:
    async def run() -> None:
        told = Told(Committer(database))
        good, bad, other = told.commit(), told.commit(refuse), told.commit()
        assert (await good, await other) == (2, 3)
        with pytest.raises(KeyError):
            await bad

    asyncio.run(run())


def test_the_loop_goes_on_while_another_process_writes(database: Database) -> None:
    """However long that takes: it may have been stopped."""

    async def run() -> int:
        told = Told(Committer(database))
        with database.path.with_name(database.path.name + "-turn").open("rb") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            waiting = told.commit()
            longest, last = 0.0, time.monotonic()
            while (now := time.monotonic()) < last + 0.001 or not waiting.done():
                longest, last = max(longest, now - last), now
                await asyncio.sleep(0.005)
                if turn and now > began + 0.3:
                    break
            assert not waiting.done()
            assert longest < 0.1
        return await waiting

    began = time.monotonic()
    assert asyncio.run(run()) == 2


def test_a_slow_disk_is_waited_for_elsewhere(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "_SLOW", 0.0)
    inline = []
    commit = database.commit
    monkeypatch.setattr(database, "commit", lambda batch: inline.append(len(batch)) or commit(batch))

    async def run() -> list[int]:
        told = Told(Committer(database))
        return [await told.commit() for _ in range(4)]

    assert asyncio.run(run()) == [2, 3, 4, 5]
    assert inline == [1]


def test_a_closed_database_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        told = Told(Committer(database))
        database.close()
        with pytest.raises(Exception, match="is closed"):
            await told.commit()

    asyncio.run(run())


class Desk:
    """Has a use case of two commits, and remembers what came of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reported: list[object] = []

    @use_case
    def handle(self, by: int) -> Steps[int]:
        """Counts twice; what is raised instead is told as its result."""
        first = yield step
        try:
            second = yield refuse if by < 0 else step
        except KeyError as error:
            second = error
        self.reported.append((first, second))
        return first * by

    @use_case
    def note(self, number: int) -> Steps[int]:
        """Counts, and nobody waits for that."""
        yield Later(step)
        return number


def refuse(_: Transaction) -> None:
    raise KeyError("no")


def test_a_use_case_is_carried_out_in_either_way(database: Database) -> None:
    desk = Desk(database)

    async def run() -> int:
        return await CarryingOut(Committer(database), desk.handle, 10).outcome

    assert desk.handle(10) == 20
    assert asyncio.run(run()) == 40
    assert desk.reported == [(2, 3), (4, 5)]


def test_what_a_commit_raises_arrives_in_the_use_case(database: Database) -> None:
    desk = Desk(database)

    async def run() -> int:
        return await CarryingOut(Committer(database), desk.handle, -1).outcome

    assert [desk.handle(-1), asyncio.run(run())] == [-2, -3]
    assert [str(second) for _, second in desk.reported] == ["'no'"] * 2


def test_it_goes_on_when_nobody_waits(database: Database) -> None:
    """What is committed must be reported, also when the client has gone."""
    desk = Desk(database)

    async def run() -> None:
        CarryingOut(Committer(database), desk.handle, 1).outcome.cancel()
        for _ in range(20):
            await asyncio.sleep(0)

    asyncio.run(run())
    assert desk.reported == [(2, 3)]


# What nobody waits for


def counted(database: Database) -> int:
    with database.read() as transaction:
        return counter(transaction, "cas", "n")


def test_nobody_waits_for_what_is_done_later(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "_SOON", 0.2)
    batches: list[int] = []
    commit = database.commit
    monkeypatch.setattr(database, "commit", lambda batch: batches.append(len(batch)) or commit(batch))
    desk = Desk(database)

    async def run() -> None:
        committer = Committer(database)
        for number in range(10):
            assert await CarryingOut(committer, desk.note, number).outcome == number
        assert counted(database) == 1
        await asyncio.sleep(0.4)

    asyncio.run(run())
    assert counted(database) == 11
    assert batches == [1]


def test_outside_of_the_loop_it_is_done_at_once(database: Database) -> None:
    assert Desk(database).note(7) == 7
    assert counted(database) == 2


def test_at_the_end_it_is_done(database: Database) -> None:
    async def run() -> None:
        committer = Committer(database)
        await CarryingOut(committer, Desk(database).note, 1).outcome
        committer.finish()
        database.close()
        await asyncio.sleep(2 * committing._SOON)

    asyncio.run(run())
    with Database(database.path) as opened:
        assert counted(opened) == 2


def test_a_failure_of_it_is_told_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(committing, "_SOON", 0.0)

    async def run() -> None:
        committer = Committer(database)
        for work in (refuse, refuse, step, refuse):
            committer.commit_later(work)
            await asyncio.sleep(0.05)

    asyncio.run(run())
    assert counted(database) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "What nobody waits for could not be stored: 'no'"
    ] * 2
