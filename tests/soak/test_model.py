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
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from caucase.authority import (
    Authority,
    ContextName,
    ContextPolicy,
    Principal,
    Recovery,
    verify,
)
from caucase.core import message, profile
from caucase.core.keys import KeyType
from caucase.core.x509 import (
    authority_key_id,
    dump_der,
    key_id,
    load_certificate,
    load_crls,
    not_after,
    not_before,
    public_key,
)
from caucase.errors import CaucaseError, NotAuthenticated, StoreError
from caucase.store import snapshot
from tests.authority.world import ADDRESS, POLICY, World, number, serials
from tests.conftest import FakeClock
from tests.server.material import make

from .model import DAY, GRACE, MAX_PENDING, PERIOD, RECORD_RETENTION, Ca, Cert, Context, Model, Request
from .operation import FallibleDatabase, Going, Operation, outcome_of

KEYS = [KeyType.parse("ec:P-256").generate() for _ in range(4)]
NAMES = 2
CSRS = [[make(f"n{name}", key).csr_pem for name in range(NAMES)] for key in KEYS]
NAME_OF = {f"CN=n{name}": name for name in range(NAMES)}
START = datetime(2030, 1, 1, 12, tzinfo=UTC)
RULES = replace(
    POLICY,
    users=ContextPolicy(auto_approve_count=1, max_pending=MAX_PENDING),
    services=ContextPolicy(auto_approve_count=2, max_pending=MAX_PENDING),
)
CONTEXTS = st.sampled_from(["cau", "cas"])
KEY = st.integers(0, len(KEYS) - 1)
NAME = st.integers(0, NAMES - 1)
PROCESS = st.integers(0, 1)
# Most of the time nothing goes wrong: (fails before the commit or is killed after it, at which commit).
FAULT = st.one_of(*[st.none()] * 5, st.tuples(st.sampled_from(["before", "after"]), st.integers(1, 2)))


class Life(RuleBasedStateMachine):
    """``held``: certificates that somebody has. ``ids``: of requests, once seen. ``numbers``: of lists, the highest.
    ``before``: the model as it was when two things began at once.
    """

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.clock = FakeClock(START)
        self.generation = 0
        self.model = Model()
        self.held: list[Cert] = []
        self.ids: list[tuple[str, int]] = []
        self.serials: set[int] = set()
        self.seen: dict[tuple[Ca, int], bytes] = {}
        self.numbers = {"cau": 0, "cas": 0}
        self.backups: list[tuple[list[bytes], Model, datetime]] = []
        self.before: Model | None = None
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

    def _fits(self, pem: bytes, cert: Cert) -> bool:
        """Whether it is the certificate that there should be."""
        if cert.serial is not None:
            return pem == cert.pem
        made = load_certificate(pem)
        return (
            made.serial_number not in self.serials
            and authority_key_id(made) == cert.ca.key_id
            and key_id(public_key(made)) == key_id(KEYS[cert.key].public_key())
            and NAME_OF[made.subject.rfc4514_string()] == cert.name
            and int(not_before(made).timestamp()) == cert.start
            and int(not_after(made).timestamp()) == cert.end
            and profile.is_auto_signed(made) == cert.automatic
        )

    def _learn(self, pem: bytes, cert: Cert) -> None:
        """From now on its serial is known, and somebody has it."""
        if cert.serial is None:
            cert.serial, cert.pem = load_certificate(pem).serial_number, pem
            self.serials.add(cert.serial)
            self.held.append(cert)
        assert cert.pem == pem

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
        self.perform(process, fault, self._draw(data))

    @rule(data=st.data(), is_swapped=st.booleans())
    def two_things_at_once(self, data: st.DataObject, is_swapped: bool) -> None:
        """In two processes: both decide before either commits. It must look as if one had come after the other."""
        operations = [self._draw(data), self._draw(data)]
        going = [Going(lambda at=at: self._begin(at, operations[at])) for at in (0, 1)]
        if is_swapped:
            operations.reverse()
            going.reverse()
        for one in going:
            one.finish()
        done = [(operation, one.outcome) for operation, one in zip(operations, going, strict=True)]
        self.before = self.model
        self._compare([(self.model, done), (self.model, done[::-1])])
        self.before = None

    def _draw(self, data: st.DataObject) -> Operation:
        possible = [self._submit, self._approve, self._revoke_unknown]
        if self.ids:
            possible += [self._sign, self._reject, self._fetch, self._fetch_request]
        if self.held:
            possible += [self._renew, self._revoke_own, self._revoke_others]
        if self.model.cas.renewals or self.model.cau.renewals:
            possible.append(self._renew_again)
        operation: Operation = data.draw(st.sampled_from(possible))(data)
        return operation

    def _submit(self, data: st.DataObject) -> Operation:
        key, which = data.draw(KEY), data.draw(NAME)

        def accept(got: int, wanted: Request) -> None:
            if wanted.id is None:
                wanted.id = got
                self.ids.append((name, got))
            assert wanted.id == got

        name = data.draw(CONTEXTS)
        return Operation(
            name=name,
            real=lambda context, _: partial(context.requests.submit, CSRS[key][which], address=ADDRESS),
            expected=lambda context, _: context.submit(key, which, self.now),
            agree=lambda got, wanted: wanted.id in (None, got),
            accept=accept,
        )

    def _approve(self, data: st.DataObject) -> Operation:
        key, which = data.draw(KEY), data.draw(NAME)
        return Operation(
            name=data.draw(CONTEXTS),
            real=lambda context, _: partial(
                context.requests.approve, CSRS[key][which], by=Principal.local(0)
            ),
            expected=lambda context, _: context.approve(key, which, self.now),
            agree=self._fits,
            accept=self._learn,
        )

    def _sign(self, data: st.DataObject) -> Operation:
        name, request_id = self._draw_id(data)
        user, template = self._draw_user(data), data.draw(st.one_of(st.none(), NAME))
        pem = None if template is None else CSRS[0][template]

        def expected(context: Context, model: Model) -> None:
            self._check_user(model, user)
            context.sign(request_id, template, self.now)

        return Operation(
            name=name,
            real=lambda context, authority: partial(
                context.requests.sign,
                request_id,
                by=_authenticate(authority, user),
                address=ADDRESS,
                template_pem=pem,
            ),
            expected=expected,
        )

    def _reject(self, data: st.DataObject) -> Operation:
        name, request_id = self._draw_id(data)
        user = self._draw_user(data)

        def expected(context: Context, model: Model) -> None:
            self._check_user(model, user)
            context.reject(request_id, self.now)

        return Operation(
            name=name,
            real=lambda context, authority: partial(
                context.requests.reject, request_id, by=_authenticate(authority, user), address=ADDRESS
            ),
            expected=expected,
        )

    def _fetch(self, data: st.DataObject) -> Operation:
        name, request_id = self._draw_id(data)
        return Operation(
            name=name,
            real=lambda context, _: partial(context.requests.certificate, request_id),
            expected=lambda context, _: context.fetch(request_id, self.now),
            agree=self._fits,
            accept=self._learn,
        )

    def _fetch_request(self, data: st.DataObject) -> Operation:
        name, request_id = self._draw_id(data)
        return Operation(
            name=name,
            real=lambda context, _: partial(context.requests.request, request_id),
            expected=lambda context, _: context.request(request_id, self.now),
            agree=lambda got, wanted: got == CSRS[wanted.key][wanted.name],
        )

    def _renew(self, data: st.DataObject) -> Operation:
        return self._renewal(data.draw(st.sampled_from(self.held)), data.draw(KEY), data.draw(NAME))

    def _renew_again(self, data: st.DataObject) -> Operation:
        asked = [*self.model.cas.renewals, *self.model.cau.renewals]
        old, csr = data.draw(st.sampled_from(asked))
        return self._renewal(old, *divmod(csr, NAMES))

    def _renewal(self, old: Cert, key: int, which: int) -> Operation:
        payload = {"crt_pem": old.pem.decode(), "renew_csr_pem": CSRS[key][which].decode()}
        signed = message.sign(payload, KEYS[old.key])
        return Operation(
            name=old.context,
            real=lambda context, _: partial(context.renewals.renew, signed, address=ADDRESS),
            expected=lambda context, _: context.renew(old, key * NAMES + which, key, self.now),
            agree=self._fits,
            accept=self._learn,
        )

    def _revoke_own(self, data: st.DataObject) -> Operation:
        cert = data.draw(st.sampled_from(self.held))
        signed = message.sign({"revoke_crt_pem": cert.pem.decode()}, KEYS[cert.key])
        return Operation(
            name=cert.context,
            real=lambda context, _: partial(context.revocations.revoke, signed, by=None, address=ADDRESS),
            expected=lambda context, _: context.revoke(cert, self.now),
        )

    def _revoke_others(self, data: st.DataObject) -> Operation:
        cert, user = data.draw(st.sampled_from(self.held)), self._draw_user(data)
        serial, by_serial = cert.serial, data.draw(st.booleans())
        assert serial is not None
        named = {"revoke_serial": serial} if by_serial else {"revoke_crt_pem": cert.pem.decode()}

        def expected(context: Context, model: Model) -> None:
            self._check_user(model, user)
            if by_serial:
                context.revoke_serial(serial, self.now)
            else:
                context.revoke(cert, self.now)

        return Operation(
            name=cert.context,
            real=lambda context, authority: partial(
                context.revocations.revoke,
                message.null(named),
                by=_authenticate(authority, user),
                address=ADDRESS,
            ),
            expected=expected,
        )

    def _revoke_unknown(self, data: st.DataObject) -> Operation:
        serial = data.draw(st.integers(1, 3))
        signed = message.null({"revoke_serial": serial})
        return Operation(
            name=data.draw(CONTEXTS),
            real=lambda context, _: partial(
                context.revocations.revoke, signed, by=Principal.local(0), address=ADDRESS
            ),
            expected=lambda context, _: context.revoke_serial(serial, self.now),
        )

    @rule(process=PROCESS, fault=FAULT, name=CONTEXTS)
    def lists_are_fetched(self, process: int, fault: tuple[str, int] | None, name: str) -> None:
        """The model does not know which number was used, if a write failed on the way to it."""

        def expected(context: Context, _: Model) -> Context:
            context.make_lists(self.now)
            return context

        def agree(got: bytes, context: Context) -> bool:
            lists, valid = load_crls(got), context.valid(self.now)
            numbers = {number(crl) for crl in lists}
            return (
                (numbers == {context.number} or context.is_unsure or fault is not None)
                and min(numbers) >= self.numbers[name]
                and [authority_key_id(crl) for crl in lists] == [ca.key_id for ca in valid]
                and [serials(crl) for crl in lists] == [context.lists[ca][1] for ca in valid]
            )

        def accept(got: bytes, context: Context) -> None:
            for crl, ca in zip(load_crls(got), context.valid(self.now), strict=True):
                der = self.seen.setdefault((ca, number(crl)), dump_der(crl))
                assert der == dump_der(crl), "a number for two lists"
                context.number = self.numbers[name] = max(self.numbers[name], number(crl))
            context.is_unsure = fault is not None

        self.perform(
            process,
            fault,
            Operation(
                name=name,
                real=lambda context, _: partial(lambda: context.lists.all_documents().body),
                expected=expected,
                agree=agree,
                accept=accept,
            ),
        )

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
            there = [(CSRS[one.key][one.name], one.id) for one in waiting]
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

    # Chances

    def _draw_id(self, data: st.DataObject) -> tuple[str, int]:
        drawn: tuple[str, int] = data.draw(st.sampled_from(self.ids[-8:]))
        return drawn

    def _draw_user(self, data: st.DataObject) -> Cert | None:
        """``None``: somebody on the server itself."""
        users: Sequence[Cert] = [cert for cert in self.held if cert.context == "cau"]
        drawn: Cert | None = data.draw(st.sampled_from([None, None, *users[-4:]]))
        return drawn

    def _check_user(self, model: Model, user: Cert | None) -> None:
        """Who somebody is was decided when the request came, ``before`` what others do meanwhile."""
        model = self.before or model
        if user is not None and not model.cau.is_good(user, self.now):
            raise NotAuthenticated("")


def _authenticate(authority: Authority, user: Cert | None) -> Principal:
    if user is None:
        return Principal.local(0)
    return authority.authenticate(dump_der(x509.load_pem_x509_certificate(user.pem)), address=ADDRESS)


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
