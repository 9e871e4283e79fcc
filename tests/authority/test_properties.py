"""Whatever happens in whatever order, also with clocks that are put back: what must hold after every step."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from caucase.authority import AuditEvent
from caucase.core import message
from caucase.core.keys import KeyType, PrivateKey, signature_hash
from caucase.core.x509 import (
    authority_key_id,
    dump_der,
    dump_pem,
    is_signed_by,
    next_update,
    not_after,
    not_before,
    subject_key_id,
    this_update,
)
from caucase.errors import CaucaseError, CertificateInvalid
from tests.conftest import FakeClock

from .world import ADDRESS, BOSS, PERIOD, World, lists, number, renew, revocation, serials

CRL_LIFE = 0.33 * PERIOD
_KEYS = [KeyType.parse("ec:P-256").generate() for _ in range(2)]


class Years(RuleBasedStateMachine):
    """One context over years. ``held``: certificates and which key each has. ``revoked``: serial to certificate."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock(datetime(2030, 1, 1, 12, tzinfo=UTC))
        self.world = World(Path(self.folder.name) / "caucase.sqlite", self.clock, _key, _csr)
        self.context = self.world.start().services
        self.other = self.world.start().services  # another process
        self.held: list[tuple[x509.Certificate, int]] = []
        self.revoked: dict[int, x509.Certificate | None] = {}
        self.numbers: dict[bytes, int] = {}
        self.cas: dict[bytes, x509.Certificate] = {}
        self.successors = 0

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.stop()
            self.folder.cleanup()

    # What happens

    @rule(days=st.integers(0, 60), seconds=st.integers(0, 86400))
    def time_passes(self, days: int, seconds: int) -> None:
        self.clock.advance(days=days, seconds=seconds)

    @rule(data=st.data(), hours=st.floats(-1, 2))
    def a_border_comes(self, data: st.DataObject, hours: float) -> None:
        """Where something ends, begins, or is forgotten: that is where mistakes are."""
        borders = [not_after(ca) for ca in self.cas.values()]
        borders += [not_before(ca) + PERIOD for ca in self.cas.values()]
        borders += [not_after(ca) - 2 * PERIOD for ca in self.cas.values()]
        borders += [not_after(made) + CRL_LIFE for made in self.revoked.values() if made is not None]
        coming = [border for border in borders if border > self.clock()]
        if coming:
            self.clock.moment = max(
                self.clock(), data.draw(st.sampled_from(sorted(coming)[:4])) + timedelta(hours=hours)
            )

    @rule(hours=st.floats(0.1, 12))
    def the_clock_is_put_back(self, hours: float) -> None:
        self.clock.advance(hours=-hours)

    @rule()
    def the_timer_comes(self) -> None:
        before = len(self.world.audit.of(AuditEvent.CA_CREATED))
        authority = self.world.start()
        authority.maintain()
        first = len(self.world.audit.of(AuditEvent.CA_CREATED))
        authority.maintain()
        assert len(self.world.audit.of(AuditEvent.CA_CREATED)) == first, "made twice"
        assert first - before <= 3

    @rule()
    def a_service_gets_a_certificate(self) -> None:
        key = len(self.held) % 2
        made = self.world.issue(self.context, f"s{len(self.held)}", _KEYS[key])
        self.held.append((made, key))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def renewal(self, data: st.DataObject) -> None:
        old, key = data.draw(st.sampled_from(self.held))
        signed = self.world.renewal(old, _KEYS[key], _KEYS[1 - key], name=str(len(self.held)))
        try:
            self.held.append((renew(self.other, signed), 1 - key))
        except CertificateInvalid:
            now = self.clock()
            ended = now.replace(microsecond=0) > not_after(old) or now < not_before(old)
            assert old.serial_number in self.revoked or ended

    @precondition(lambda self: self.held)
    @rule(data=st.data(), bare=st.booleans())
    def revocation(self, data: st.DataObject, bare: bool) -> None:
        made, _key_number = data.draw(st.sampled_from(self.held))
        signed = message.null({"revoke_serial": made.serial_number}) if bare else revocation(made)
        try:
            self.other.revocations.revoke(signed, by=BOSS, address=ADDRESS)
        except CaucaseError:
            return
        self.revoked[made.serial_number] = made

    @rule(serial=st.integers(1, 2**100))
    def revocation_of_something_unknown(self, serial: int) -> None:
        if serial not in self.revoked:
            signed = message.null({"revoke_serial": serial})
            self.context.revocations.revoke(signed, by=BOSS, address=ADDRESS)
            self.revoked[serial] = None

    # What holds

    @invariant()
    def lists_hold_what_they_must(self) -> None:
        if not hasattr(self, "world"):
            return
        now = self.clock()
        published = lists(self.context)
        assert published
        assert {aki: dump_der(crl) for aki, crl in lists(self.other).items()} == {
            aki: dump_der(crl) for aki, crl in published.items()
        }
        for aki, crl in published.items():
            assert number(crl) >= self.numbers.get(aki, 0), "a number went back"
            self.numbers[aki] = number(crl)
            end = next_update(crl)
            assert end is not None
            assert this_update(crl) <= now < end
            listed = serials(crl)
            for serial, made in self.revoked.items():
                if made is None:
                    continue
                is_its = authority_key_id(made) == aki
                if is_its and now <= not_after(made) + CRL_LIFE:
                    assert serial in listed, "lost before its time"

    @invariant()
    def no_certificate_outlives_its_ca(self) -> None:
        if not hasattr(self, "world"):
            return
        for ca in self.context.keyring.ensure(self.clock()).cas:
            self.cas[ca.key_id] = ca.certificate
        for made, _number in self.held:
            issuer = self.cas[authority_key_id(made) or b""]
            assert is_signed_by(made, issuer)
            assert not_after(made) <= not_after(issuer)

    @invariant()
    def no_valid_ca_is_lost(self) -> None:
        if hasattr(self, "world"):
            now = self.clock()
            there = {ca.key_id for ca in self.context.keyring.snapshot().cas}
            for ca in self.cas.values():
                assert now > not_after(ca) or subject_key_id(ca) in there

    @invariant()
    def unknown_serials_are_on_every_list(self) -> None:
        if hasattr(self, "world"):
            unknown = {serial for serial, made in self.revoked.items() if made is None}
            last = min((not_after(ca) for ca in self.cas.values()), default=None)
            if last is not None and self.clock() <= last + CRL_LIFE:
                for crl in lists(self.context).values():
                    assert unknown <= serials(crl)


def _key(_kind: str = "ec:P-256", index: int = 0) -> PrivateKey:
    return _KEYS[index]


def _csr(name: str = "x", *, key: PrivateKey | None = None) -> bytes:
    key = key or _KEYS[0]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return dump_pem(builder.sign(key, signature_hash(key)))


TestYears = Years.TestCase
TestYears.settings = settings(
    max_examples=12,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
