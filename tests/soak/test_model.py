"""Random sequences of everything that can be done with an authority, against a model of it: whatever is answered must be
what the model answers, and what is there what the model has.

Two authorities over one database stand for two processes. A write that fails, and a process that is killed right after
one, are made by a database whose commit raises: no real disk fails at a commit of the test's choosing. (Disks that
really fail are in ``test_io_errors.py``.)
"""

from __future__ import annotations

import copy
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from caucase.authority import Authority, ContextAuthority, ContextName, ContextPolicy, Principal, Recovery
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
from caucase.store import Database, Transaction, snapshot
from tests.authority.world import ADDRESS, POLICY, World, number, serials
from tests.conftest import FakeClock
from tests.server.material import make

from .model import DAY, MAX_PENDING, PERIOD, Cert, Context, Model, Request

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


class Life(RuleBasedStateMachine):
    """``held``: certificates that somebody has. ``ids``: of requests, once seen. ``numbers``: of lists, the highest."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.clock = FakeClock(START)
        self.generation = 0
        self.model = Model()
        self.held: list[Cert] = []
        self.ids: list[tuple[str, int]] = []
        self.serials: set[int] = set()
        self.seen: dict[tuple[str, bytes, int], bytes] = {}
        self.numbers = {"cau": 0, "cas": 0}
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

    def perform(
        self,
        process: int,
        fault: tuple[str, int] | None,
        name: str,
        real: Callable[[ContextAuthority, Authority], Any],
        expected: Callable[[Context, Model], Any],
        agree: Callable[[Any, Any], bool] = lambda got, wanted: got == wanted,
    ) -> Any:
        """Do it to both, and compare; what both gave. After a fault it is done again, as a client would."""
        authority = self.authorities[process]
        context = authority.context(ContextName(name))
        self.databases[process].fault = fault
        got = _outcome(lambda: real(context, authority))
        self.databases[process].fault = None
        begun = [self.model]
        if isinstance(got, StoreError):
            assert fault is not None
            if fault[0] == "after":  # then it may have been done
                done = copy.deepcopy(self.model)
                _outcome(lambda: expected(done.context(name), done))
                begun.append(done)
            got = _outcome(lambda: real(context, authority))
        differences = []
        for model in begun:
            tried = copy.deepcopy(model)
            wanted = _outcome(lambda: expected(tried.context(name), tried))
            self._learn_cas(tried)
            if isinstance(got, CaucaseError) or isinstance(wanted, CaucaseError):
                agrees = type(got) is type(wanted)
            else:
                agrees = agree(got, wanted)
            if agrees:
                self.model = tried
                return wanted
            differences.append(wanted)
        raise AssertionError(f"got {got!r} and not {' nor '.join(map(repr, differences))}")

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

    def learn(self, pem: bytes, cert: Cert) -> bool:
        """Whether it is the certificate that there should be; from now on it is known."""
        if cert.serial is not None:
            return pem == cert.pem
        made = load_certificate(pem)
        same = (
            authority_key_id(made) == cert.ca.key_id
            and key_id(public_key(made)) == key_id(KEYS[cert.key].public_key())
            and NAME_OF[made.subject.rfc4514_string()] == cert.name
            and int(not_before(made).timestamp()) == cert.start
            and int(not_after(made).timestamp()) == cert.end
            and profile.is_auto_signed(made) == cert.automatic
        )
        if same:
            assert made.serial_number not in self.serials, "a serial twice"
            self.serials.add(made.serial_number)
            cert.serial, cert.pem = made.serial_number, pem
            self.held.append(cert)
        return same

    # Time

    @rule(seconds=st.sampled_from([1, 60, 3600, DAY // 20, DAY // 10, DAY + 1, 10 * DAY, 31 * DAY, 60 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(data=st.data(), after=st.integers(-1, 1))
    def a_border_comes(self, data: st.DataObject, after: int) -> None:
        """Where something ends, begins or is forgotten: that is where mistakes are."""
        borders: set[float] = set()
        for context in (self.model.cau, self.model.cas):
            for ca in context.cas:
                borders |= {ca.end, ca.start + PERIOD, ca.end - 2 * PERIOD}
            borders |= {cert.end for cert in context.issued}
            borders |= {one.kept for one in context.requests if one.cert is not None}
            borders |= {kept for _, kept in context.renewals.values()}
            borders |= {until for until, _ in context.revoked.values()}
        coming = sorted(border for border in borders if border + after > self.now)
        if coming:
            border = data.draw(st.sampled_from(coming[:5]))
            self.clock.advance(seconds=border + after - self.now)

    # Operations

    @rule(process=PROCESS, fault=FAULT, name=CONTEXTS, key=KEY, which=NAME)
    def submit(self, process: int, fault: Any, name: str, key: int, which: int) -> None:
        def agree(got: int, wanted: Request) -> bool:
            if wanted.id is None:
                assert (name, got) not in self.ids
                wanted.id = got
                self.ids.append((name, got))
            return got == wanted.id

        self.perform(
            process,
            fault,
            name,
            lambda context, _: context.requests.submit(CSRS[key][which], address=ADDRESS),
            lambda context, _: context.submit(key, which, self.now),
            agree,
        )

    @rule(process=PROCESS, fault=FAULT, name=CONTEXTS, key=KEY, which=NAME)
    def approve(self, process: int, fault: Any, name: str, key: int, which: int) -> None:
        self.perform(
            process,
            fault,
            name,
            lambda context, _: context.requests.approve(CSRS[key][which], by=Principal.local(0)),
            lambda context, _: context.approve(key, which, self.now),
            self.learn,
        )

    @precondition(lambda self: self.ids)
    @rule(process=PROCESS, fault=FAULT, data=st.data(), template=st.one_of(st.none(), NAME), by=st.data())
    def sign(self, process: int, fault: Any, data: Any, template: int | None, by: Any) -> None:
        name, request_id = self._draw_id(data)
        user = self._draw_user(by)
        pem = None if template is None else CSRS[0][template]

        def real(context: ContextAuthority, authority: Authority) -> None:
            context.requests.sign(
                request_id, by=_authenticate(authority, user), address=ADDRESS, template_pem=pem
            )

        def expected(context: Context, model: Model) -> None:
            self._check_user(model, user)
            context.sign(request_id, template, self.now)

        self.perform(process, fault, name, real, expected)

    @precondition(lambda self: self.ids)
    @rule(process=PROCESS, fault=FAULT, data=st.data(), by=st.data())
    def reject(self, process: int, fault: Any, data: Any, by: Any) -> None:
        name, request_id = self._draw_id(data)
        user = self._draw_user(by)

        def real(context: ContextAuthority, authority: Authority) -> None:
            context.requests.reject(request_id, by=_authenticate(authority, user), address=ADDRESS)

        def expected(context: Context, model: Model) -> None:
            self._check_user(model, user)
            context.reject(request_id, self.now)

        self.perform(process, fault, name, real, expected)

    @precondition(lambda self: self.ids)
    @rule(process=PROCESS, fault=FAULT, data=st.data())
    def fetch(self, process: int, fault: Any, data: Any) -> None:
        name, request_id = self._draw_id(data)
        self.perform(
            process,
            fault,
            name,
            lambda context, _: context.requests.certificate(request_id),
            lambda context, _: context.fetch(request_id, self.now),
            self.learn,
        )

    @precondition(lambda self: self.ids)
    @rule(process=PROCESS, data=st.data())
    def fetch_request(self, process: int, data: Any) -> None:
        name, request_id = self._draw_id(data)
        self.perform(
            process,
            None,
            name,
            lambda context, _: context.requests.request(request_id),
            lambda context, _: context.request(request_id, self.now),
            lambda got, wanted: got == CSRS[wanted.key][wanted.name],
        )

    @precondition(lambda self: self.held)
    @rule(process=PROCESS, fault=FAULT, data=st.data(), key=KEY, which=NAME)
    def renew(self, process: int, fault: Any, data: Any, key: int, which: int) -> None:
        old = data.draw(st.sampled_from(self.held))
        payload = {"crt_pem": old.pem.decode(), "renew_csr_pem": CSRS[key][which].decode()}
        signed = message.sign(payload, KEYS[old.key])
        self.perform(
            process,
            fault,
            old.context,
            lambda context, _: context.renewals.renew(signed, address=ADDRESS),
            lambda context, _: context.renew(old, key * NAMES + which, key, self.now),
            self.learn,
        )

    @precondition(lambda self: self.model.cas.renewals or self.model.cau.renewals)
    @rule(process=PROCESS, fault=FAULT, data=st.data())
    def renew_again(self, process: int, fault: Any, data: Any) -> None:
        asked = [*self.model.cas.renewals, *self.model.cau.renewals]
        old, csr = data.draw(st.sampled_from(asked))
        key, which = divmod(csr, NAMES)
        payload = {"crt_pem": old.pem.decode(), "renew_csr_pem": CSRS[key][which].decode()}
        signed = message.sign(payload, KEYS[old.key])
        self.perform(
            process,
            fault,
            old.context,
            lambda context, _: context.renewals.renew(signed, address=ADDRESS),
            lambda context, _: context.renew(old, csr, key, self.now),
            self.learn,
        )

    @precondition(lambda self: self.held)
    @rule(process=PROCESS, fault=FAULT, data=st.data())
    def revoke_own(self, process: int, fault: Any, data: Any) -> None:
        cert = data.draw(st.sampled_from(self.held))
        signed = message.sign({"revoke_crt_pem": cert.pem.decode()}, KEYS[cert.key])
        self.perform(
            process,
            fault,
            cert.context,
            lambda context, _: context.revocations.revoke(signed, by=None, address=ADDRESS),
            lambda context, _: context.revoke(cert, self.now),
        )

    @precondition(lambda self: self.held)
    @rule(process=PROCESS, fault=FAULT, data=st.data(), by=st.data(), bare=st.booleans())
    def revoke_others(self, process: int, fault: Any, data: Any, by: Any, bare: bool) -> None:
        cert, user = data.draw(st.sampled_from(self.held)), self._draw_user(by)
        assert cert.serial is not None
        named = {"revoke_serial": cert.serial} if bare else {"revoke_crt_pem": cert.pem.decode()}

        def real(context: ContextAuthority, authority: Authority) -> None:
            by = _authenticate(authority, user)
            context.revocations.revoke(message.null(named), by=by, address=ADDRESS)

        def expected(context: Context, model: Model) -> None:
            self._check_user(model, user)
            if bare:
                context.revoke_serial(cert.serial or 0, self.now)
            else:
                context.revoke(cert, self.now)

        self.perform(process, fault, cert.context, real, expected)

    @rule(process=PROCESS, fault=FAULT, name=CONTEXTS, serial=st.integers(1, 3))
    def revoke_unknown(self, process: int, fault: Any, name: str, serial: int) -> None:
        signed = message.null({"revoke_serial": serial})
        self.perform(
            process,
            fault,
            name,
            lambda context, _: context.revocations.revoke(signed, by=Principal.local(0), address=ADDRESS),
            lambda context, _: context.revoke_serial(serial, self.now),
        )

    @rule(process=PROCESS, fault=FAULT, name=CONTEXTS)
    def fetch_lists(self, process: int, fault: Any, name: str) -> None:
        def agree(got: bytes, context: Context) -> bool:
            """The model may not know which number was used, if a write failed on the way to it."""
            lists = load_crls(got)
            valid = context.valid(self.now)
            numbers = {number(crl) for crl in lists}
            if fault is None and not context.is_unsure:
                assert numbers == {context.number}, (numbers, context.number)
            context.is_unsure = fault is not None
            assert min(numbers) >= self.numbers[name]
            context.number = self.numbers[name] = max(numbers)
            for crl, ca in zip(lists, valid, strict=True):
                assert authority_key_id(crl) == ca.key_id
                assert serials(crl) == context.lists[ca][1]
                assert ca.key_id is not None
                der = self.seen.setdefault((name, ca.key_id, number(crl)), dump_der(crl))
                assert der == dump_der(crl), "a number for two lists"
            return True

        def expected(context: Context, _: Model) -> Context:
            context.make_lists(self.now)
            return context

        self.perform(
            process, fault, name, lambda context, _: context.lists.all_documents().body, expected, agree
        )

    @rule(process=PROCESS, fault=FAULT)
    def maintain(self, process: int, fault: Any) -> None:
        self.perform(
            process, fault, "cas", lambda _, it: it.maintain(), lambda _, model: model.maintain(self.now)
        )
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
        rows, model, taken_at = data.draw(st.sampled_from(self.backups[-2:]))
        self._stop()
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
                [(issued,)] = connection.execute(
                    "SELECT COUNT(*) FROM issued WHERE context = ?", (context.name,)
                )
                [(revoked,)] = connection.execute(
                    "SELECT COUNT(*) FROM revocation WHERE context = ?", (context.name,)
                )
            assert (issued, revoked) == (len(context.issued), len(context.revoked))

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
        if user is not None and not model.cau.is_good(user, self.now):
            raise NotAuthenticated("")


def _authenticate(authority: Authority, user: Cert | None) -> Principal:
    if user is None:
        return Principal.local(0)
    return authority.authenticate(dump_der(x509.load_pem_x509_certificate(user.pem)), address=ADDRESS)


def _outcome(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except CaucaseError as error:
        return error


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
