"""Random sequences of everything that can be done with an authority, against a model of it: whatever is answered must be
what the model answers, and what is there what the model has.

Two authorities over one database stand for two processes. A write can fail, and a process be killed right after one.
"""

from __future__ import annotations

import copy
import functools
import os
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from caucase.authority import (
    Authority,
    ContextName,
    ContextPolicy,
    Recovery,
    verify,
)
from caucase.errors import CaucaseError, StoreError
from caucase.store import snapshot
from tests.authority.world import POLICY, World
from tests.conftest import FakeClock

from .model import DAY, GRACE, MAX_PENDING, PERIOD, RECORD_RETENTION, Model
from .operation import FallibleDatabase, Going, Operation, outcome_of
from .people import CONTEXTS, CSRS, People

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
RULES = replace(
    POLICY,
    users=ContextPolicy(auto_approve_count=1, max_pending=MAX_PENDING),
    services=ContextPolicy(auto_approve_count=2, max_pending=MAX_PENDING),
)
PROCESS = st.integers(0, 1)
# Most of the time nothing goes wrong: (fails before the commit or is killed after it, at which commit).
FAULT = st.one_of(*[st.none()] * 5, st.tuples(st.sampled_from(["before", "after"]), st.integers(1, 2)))


class Life(RuleBasedStateMachine):
    """``generation``: how often the database was restored. ``backups``: with the model of then, and the time."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.clock = FakeClock(START)
        self.generation = 0
        self.model = Model()
        self.people = People(lambda: self.now)
        self.backups: list[tuple[list[bytes], Model, datetime]] = []
        self.databases: list[FallibleDatabase] = []
        self.authorities: list[Authority] = []
        self._start()

    def teardown(self) -> None:
        if hasattr(self, "databases"):
            self._stop()
            self.folder.cleanup()

    # Processes

    @property
    def path(self) -> Path:
        return Path(self.folder.name) / f"caucase{self.generation}.sqlite"

    def _start(self) -> None:
        for _ in range(2):
            world = World(self.path, self.clock, _no_key, _no_csr)
            database = FallibleDatabase(self.path)
            self.databases.append(database)
            self.authorities.append(
                Authority(database, RULES, https_file=world.https_file, clock=self.clock, audit=world.audit)
            )

    def _stop(self) -> None:
        for database in self.databases:
            database.close()
        self.databases, self.authorities = [], []

    @property
    def now(self) -> int:
        return int(self.clock().timestamp())

    def perform(self, process: int, fault: tuple[str, int] | None, operation: Operation) -> Any:
        """Do it to both, and compare; what the model gave. After a fault it is done again, as a client would."""
        self.databases[process].fault = fault
        got = outcome_of(lambda: self._begin(process, operation)())
        self.databases[process].fault = None
        begun = [self.model]
        if isinstance(got, StoreError):
            assert fault is not None
            if fault[0] == "after":  # then it may have been done
                done = copy.deepcopy(self.model)
                outcome_of(lambda: operation.expected(done.context(operation.name), done))
                begun.append(done)
            got = outcome_of(lambda: self._begin(process, operation)())
        self._compare([(model, [(operation, got)]) for model in begun])

    def _begin(self, process: int, operation: Operation) -> functools.partial[Any]:
        authority = self.authorities[process]
        return operation.real(authority.context(ContextName(operation.name)), authority)

    def _compare(self, possible: list[tuple[Model, list[tuple[Operation, Any]]]]) -> None:
        """One of these models, after these operations in this order, explains what they gave: it is ours from now on."""
        differences = []
        for model, operations in possible:
            tried = copy.deepcopy(model)
            wanted = [
                outcome_of(lambda: operation.expected(tried.context(operation.name), tried))
                for operation, _ in operations
            ]
            self._learn_cas(tried)
            if all(
                operation.agrees(got, value)
                for (operation, got), value in zip(operations, wanted, strict=True)
            ):
                for (operation, got), value in zip(operations, wanted, strict=True):
                    if not isinstance(value, CaucaseError):
                        operation.accept(got, value)
                self.model = tried
                return
            differences.append(wanted)
        raise AssertionError(f"got {[got for _, got in possible[0][1]]!r} and none of {differences!r}")

    def _learn_cas(self, model: Model) -> None:
        for authority in self.authorities:
            for context in (model.cau, model.cas):
                real = authority.context(ContextName(context.name)).keyring.snapshot().valid(self.clock())
                if len(real) == len(context.valid(self.now)) + 1 and context.is_due(self.now):
                    context.ensure(self.now)  # it may be made by whatever needs it
                valid = context.valid(self.now)
                assert [int(ca.lifetime.not_before.timestamp()) for ca in real] == [ca.start for ca in valid]
                for one, ca in zip(real, valid, strict=True):
                    assert ca.key_id in (None, one.key_id)
                    ca.key_id = one.key_id
                    assert int(one.lifetime.not_after.timestamp()) == ca.end

    # Time

    @rule(seconds=st.sampled_from([1, 60, 3600, DAY // 20, DAY // 10, DAY + 1, 10 * DAY, 31 * DAY, 60 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(data=st.data(), after=st.integers(-1, 1), with_timer=st.booleans())
    def a_border_comes(self, data: st.DataObject, after: int, with_timer: bool) -> None:
        """Where something ends, begins or is forgotten: that is where mistakes are."""
        borders: set[float] = set()
        for context in (self.model.cau, self.model.cas):
            for ca in context.cas:
                borders |= {ca.end, ca.start + PERIOD, ca.end - 2 * PERIOD}
            borders |= {end for end, _ in context.record}
            borders |= {end + RECORD_RETENTION for end, _ in context.record}
            borders |= {one.kept for one in context.requests if one.cert is not None}
            borders |= {kept for _, kept in context.renewals.values()}
            borders |= {until for until, _ in context.revoked.values()}
            borders |= {until + GRACE for until, _ in context.revoked.values()}
        coming = sorted(border for border in borders if border + after > self.now)
        if coming:
            border = data.draw(st.sampled_from(coming[:5]))
            self.clock.advance(seconds=border + after - self.now)
        if with_timer:
            self._timer(0, None)

    # Operations

    @rule(process=PROCESS, fault=FAULT, data=st.data())
    def something_happens(self, process: int, fault: tuple[str, int] | None, data: st.DataObject) -> None:
        self.perform(process, fault, self.people.draw(data, self.model))

    @rule(data=st.data(), is_swapped=st.booleans())
    def two_things_at_once(self, data: st.DataObject, is_swapped: bool) -> None:
        """In two processes: both decide before either commits. It must look as if one had come after the other."""
        operations = [self.people.draw(data, self.model), self.people.draw(data, self.model)]
        going = [Going(lambda at=at: self._begin(at, operations[at])) for at in (0, 1)]
        if is_swapped:
            operations.reverse()
            going.reverse()
        for one in going:
            one.finish()
        done = [(operation, one.outcome) for operation, one in zip(operations, going, strict=True)]
        self.people.before = self.model
        self._compare([(self.model, done), (self.model, done[::-1])])
        self.people.before = None

    @rule(process=PROCESS, fault=FAULT, name=CONTEXTS)
    def lists_are_fetched(self, process: int, fault: tuple[str, int] | None, name: str) -> None:
        self.perform(process, fault, self.people.fetch_lists(name, fault))

    @rule(process=PROCESS, fault=FAULT)
    def the_timer_comes(self, process: int, fault: tuple[str, int] | None) -> None:
        self._timer(process, fault)

    def _timer(self, process: int, fault: tuple[str, int] | None) -> None:
        timer = Operation(
            name="cas",
            real=lambda _, authority: partial(authority.maintain),
            expected=lambda _, model: model.maintain(self.now),
        )
        self.perform(process, fault, timer)
        for context in (self.model.cau, self.model.cas):
            context.is_unsure |= fault is not None

    # Ends and beginnings

    @rule()
    def restart(self) -> None:
        self._stop()
        self._start()

    @rule()
    def back_up(self) -> None:
        with self.databases[0].read() as transaction:
            rows = list(snapshot.dump(transaction, taken_at=self.now))
        self.backups.append((rows, copy.deepcopy(self.model), self.clock()))

    @precondition(lambda self: self.backups)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        rows, model, taken_at = data.draw(st.sampled_from(self.backups[-3:]))
        self._stop()
        # By the time, lists of the restored server are numbered higher than those that were published since.
        self.clock.advance(seconds=1)
        self.generation += 1
        snapshot.load(rows, self.path)
        self._start()
        self.model = copy.deepcopy(model)
        Recovery(self.authorities[0], self.databases[0], clock=self.clock).advance(taken_at)
        self.authorities[0].maintain()  # as a server begins
        for context in (self.model.cau, self.model.cas):
            context.prune(self.now)
            context.lists = {}
            context.is_behind = True
            context.make_lists(self.now)
            context.is_unsure = True  # how far it was put forward

    # What holds

    @invariant()
    def both_have_the_same(self) -> None:
        if not hasattr(self, "databases") or not self.databases:
            return
        self._learn_cas(self.model)
        for context in (self.model.cau, self.model.cas):
            real = self.authorities[0].context(ContextName(context.name))
            waiting = sorted(context.pending(), key=lambda one: one.since)
            there = [(CSRS[one.key][one.name], one.id.number) for one in waiting]
            found = [(one.csr_pem, one.id) for one in real.requests.pending()]
            assert sorted(pem for pem, _ in found) == sorted(pem for pem, _ in there)
            assert {number for _, number in there} - {None} <= {number for _, number in found}
            with closing(sqlite3.connect(self.path)) as connection:
                counted = [
                    connection.execute(
                        f"SELECT COUNT(*) FROM {table} WHERE context = ?", (context.name,)
                    ).fetchone()[0]
                    for table in ("record", "revocation")
                ]
                assert not any(chain.problem for chain in verify(connection))
            assert counted == [len(context.record), len(context.revoked)]


def _no_key(*_: object) -> Any:
    raise AssertionError("every key is made before")


def _no_csr(*_: object) -> Any:
    raise AssertionError("every request is made before")


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=int(os.environ.get("CAUCASE_SOAK_EXAMPLES", "40")),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
