"""The CA certificates and keys of one context: makes them, hands them out, replaces them in time.

What is known is cached by a generation that any process can move. A private key is read when something has to
be signed, and not before.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.document import Document
from caucase.authority.policy import PROFILES, ContextName, Policy
from caucase.authority.status import CaStatus
from caucase.clock import Clock
from caucase.core import message, profile, rollover
from caucase.core.chain import vouch
from caucase.core.issue import Signer, Validity, issue_ca, random_serial
from caucase.core.profile import Extension
from caucase.core.rollover import Lifetime, Roles
from caucase.core.spki import KeyId
from caucase.core.x509 import (
    Serial,
    dump_der,
    dump_pem,
    dump_private_key_der,
    fingerprint,
    is_signed_by,
    load_certificate,
    load_certificate_der,
    load_private_key_der,
    not_after,
    not_before,
    subject_key_id,
)
from caucase.errors import ConfigError, NotAcceptable, StoreError
from caucase.store import Database, Transaction, cas, settings


@dataclass(frozen=True, kw_only=True)
class Ca:
    """A CA certificate, parsed. ``link``: the signed message by which its ``predecessor`` (a key identifier)
    vouches for it, in JSON; both ``None`` for the first.
    """

    key_id: KeyId
    certificate: x509.Certificate
    link: str | None
    predecessor: KeyId | None

    @property
    def lifetime(self) -> Lifetime:
        return Lifetime(not_before=not_before(self.certificate), not_after=not_after(self.certificate))

    @cached_property
    def document(self) -> Document:
        """The certificate in PEM, as it is handed out."""
        return Document.of(dump_pem(self.certificate), not_before(self.certificate))

    def own_copy(self) -> x509.Certificate:
        """The certificate for one thread alone, which may read its extensions (see ``core.x509``)."""
        return load_certificate_der(dump_der(self.certificate))

    def signed(self, certificate: x509.Certificate) -> bool:
        return is_signed_by(certificate, self.certificate)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Who does what, from ``start`` until ``end``, which is not included. ``valid``: oldest first. ``is_calm``: no
    successor is due, and each CA vouches for the next.
    """

    start: datetime
    end: datetime
    valid: tuple[Ca, ...]
    roles: Roles
    is_calm: bool


class CaSet:
    """All CAs of a context at one generation, oldest first. ``period``: the life of a normal certificate."""

    def __init__(self, generation: int, cas: tuple[Ca, ...], period: timedelta) -> None:
        self.generation = generation
        self.cas = cas
        self._period = period
        self._lifetimes = [ca.lifetime for ca in cas]
        self._latest: Moment | None = None

    def at(self, now: datetime) -> Moment:
        """Who does what at ``now``. It changes a few times a year, so the last answer is kept."""
        moment = self._latest
        if moment is None or not moment.start <= now < moment.end:
            moment = self._latest = self._moment(now)
        return moment

    def valid(self, now: datetime) -> tuple[Ca, ...]:
        """Those that have not expired, oldest first."""
        return self.at(now).valid

    def unlinked(self, now: datetime) -> list[tuple[Ca, Ca]]:
        """Pairs of valid CAs, one right after the other, where the first does not vouch for the second.

        There are some only if a wrong clock has put a CA among the others, or if they were imported.
        """
        return _unlinked(self.valid(now))

    def find(self, key_id: KeyId | None, now: datetime) -> Ca | None:
        """The valid CA with that key identifier."""
        return next((ca for ca in self.valid(now) if ca.key_id == key_id), None)

    def _moment(self, now: datetime) -> Moment:
        roles = rollover.roles(self._lifetimes, now, self._period)
        valid = tuple(ca for ca in self.cas if ca.lifetime.is_valid(now))
        is_due = roles.successor_due is None or now >= roles.successor_due
        return Moment(
            start=now,
            end=rollover.roles_until(self._lifetimes, now, self._period),
            valid=valid,
            roles=roles,
            is_calm=not is_due and not _unlinked(valid),
        )


def _unlinked(valid: Sequence[Ca]) -> list[tuple[Ca, Ca]]:
    return [(old, new) for old, new in itertools.pairwise(valid) if new.predecessor != old.key_id]


class Keyring:
    """The CAs of one context. Thread-safe; other processes may use the same database."""

    def __init__(
        self, name: ContextName, database: Database, policy: Policy, *, clock: Clock, audit: AuditSink
    ) -> None:
        self.name = name
        self._database = database
        self._policy = policy
        self._clock = clock
        self._audit = audit
        self._cached = CaSet(-1, (), self.period)
        self._signers: dict[KeyId, Signer] = {}
        self._making = threading.Lock()

    @property
    def period(self) -> timedelta:
        """The life of a normal certificate of this context."""
        users = self.name is ContextName.CAU
        return (self._policy.users if users else self._policy.services).validity

    def snapshot(self, transaction: Transaction | None = None) -> CaSet:
        """The CAs as they are now, in ``transaction`` or in a read of its own."""
        if transaction is None:
            with self._database.read() as own:
                return self.snapshot(own)
        cached = self._cached
        generation = settings.counter(transaction, self.name, settings.CA_GENERATION)
        if cached.generation != generation:
            rows = cas.select_all(transaction, self.name)
            cached = self._cached = CaSet(generation, tuple(map(_parsed, rows)), self.period)
        return cached

    def status(self, transaction: Transaction, now: datetime) -> tuple[tuple[CaStatus, ...], datetime | None]:
        """The CAs that have not been forgotten, oldest first, and when the next one is due."""
        current = self.snapshot(transaction)
        roles = current.at(now).roles
        timeline = rollover.timeline([ca.lifetime for ca in current.cas], self.period)
        cas = tuple(
            CaStatus(
                key_id=ca.key_id,
                serial=Serial(ca.certificate.serial_number),
                subject=ca.certificate.subject.rfc4514_string(),
                fingerprint=fingerprint(ca.certificate),
                phase=phase,
                not_before=ca.lifetime.not_before,
                not_after=ca.lifetime.not_after,
                spans=tuple(spans),
            )
            for ca, phase, spans in zip(current.cas, roles.phases, timeline, strict=True)
        )
        return cas, roles.successor_due

    def signer(self, known: CaSet | None = None) -> Signer:
        """The CA that signs now, made first if there is none; its successor is made when that is due.

        ``known``: the CAs, where they have just been read.
        """
        now = self._clock()
        current = known if known is not None and known.at(now).is_calm else self.ensure(now)
        index = current.at(now).roles.signing
        assert index is not None  # ensure() has seen to it
        return self.signer_of(current.cas[index])

    def lasting_signer(self) -> Signer:
        """The CA that signs now, or, where that would cut a certificate short, the one that ends last. For
        certificates that need no known CA, because their holder hands it out together with them.
        """
        now = self._clock()
        signer = self.signer()
        if not_after(signer.certificate) >= now + self.period:
            return signer
        begun = [ca for ca in self.snapshot().valid(now) if ca.lifetime.not_before <= now]
        return self.signer_of(max(begun, key=lambda ca: ca.lifetime.not_after)) if begun else signer

    def is_settled(self, now: datetime) -> bool:
        """Whether some CA has been signing for long enough to show that the clock is right.

        When all have expired, the clock may be far ahead, and what seems to be long over still needed.
        """
        valid = self.snapshot().valid(now)
        return any(now - ca.lifetime.not_before > self.period for ca in valid)

    def signer_of(self, ca: Ca) -> Signer:
        """The CA with its private key."""
        signer = self._signers.get(ca.key_id)
        if signer is None:
            with self._database.read() as transaction:
                key = cas.private_key(transaction, self.name, ca.key_id)
            if key is None:
                raise StoreError(f"The database has no key for the {self.name} CA {ca.key_id.hex()}.")
            signer = Signer(certificate=ca.certificate, key=load_private_key_der(key), key_id=ca.key_id)
            self._signers[ca.key_id] = signer
        return signer

    def check_period(self, now: datetime) -> None:
        """ConfigError if the newest CA was made for a shorter period: it could not roll over in time."""
        valid = self.snapshot().valid(now)
        if valid:
            life = valid[-1].lifetime
            try:
                rollover.check_ca_life(life.not_after - life.not_before, self.period)
            except NotAcceptable as error:
                raise ConfigError(error.message, error.hint) from None

    def ensure(self, now: datetime) -> CaSet:
        """Make a CA if none is valid, or the successor if it is due; of several that race, one wins. Each valid
        CA is vouched for by the one before it.
        """
        current = self.snapshot()
        if current.at(now).is_calm:
            return current
        with self._making:  # another thread may have made it in the meantime
            current = self.snapshot()
            if self._is_due(current, now):
                self._make(current, now)
                current = self.snapshot()
            if unlinked := current.unlinked(now):
                self._link_up(current.generation, unlinked)
        return self.snapshot()

    def _is_due(self, current: CaSet, now: datetime) -> bool:
        due = current.at(now).roles.successor_due
        return due is None or now >= due

    def _make(self, current: CaSet, now: datetime) -> None:
        life = PROFILES[self.name].ca_periods * self.period
        key, validity = self._policy.key_type.generate(), Validity.starting(now, life)
        valid = current.valid(now)
        older = [ca for ca in valid if ca.lifetime.not_before <= validity.not_before]
        if valid:
            model = (older or valid)[-1].own_copy()
            subject, extensions = model.subject, profile.inherited_ca_extensions(model)
        else:
            subject, extensions = self._first_ca()
        made = issue_ca(
            key, subject=subject, extensions=extensions, validity=validity, serial=random_serial()
        )
        link = self._link(older[-1], made.certificate) if older else None
        new = new_ca(made, link)

        def commit(transaction: Transaction) -> bool:
            generation = settings.counter(transaction, self.name, settings.CA_GENERATION)
            if generation != current.generation:
                return False
            cas.insert(transaction, self.name, new)
            return True

        if self._database.write(commit):
            self._audit(
                AuditEvent.CA_CREATED,
                context=self.name,
                key_id=new.row.key_id.hex(),
                serial=f"{made.certificate.serial_number:x}",
                subject=made.certificate.subject.rfc4514_string(),
            )

    def _first_ca(self) -> tuple[x509.Name, list[Extension]]:
        netloc = self._policy.netloc
        subject = profile.ca_subject(PROFILES[self.name].title, netloc)
        https = self.name is ContextName.HTTPS
        return subject, profile.https_ca_extensions(netloc) if https else profile.ca_extensions()

    def _link(self, old: Ca, new: x509.Certificate) -> str:
        """By which ``old`` vouches for ``new``."""
        return vouch(self.signer_of(old), new).dump().decode("ascii")

    def _link_up(self, generation: int, pairs: list[tuple[Ca, Ca]]) -> None:
        links = [(new.key_id, self._link(old, new.certificate)) for old, new in pairs]

        def commit(transaction: Transaction) -> None:
            if settings.counter(transaction, self.name, settings.CA_GENERATION) == generation:
                for key_id, link in links:
                    cas.set_link(transaction, self.name, key_id, link)

        self._database.write(commit)


def _parsed(row: cas.CaRow) -> Ca:
    predecessor = None
    if row.link is not None:
        old = message.parse(row.link.encode("utf-8", "replace")).text("old_pem")
        predecessor = subject_key_id(load_certificate(old.encode("utf-8", "replace")))
    return Ca(
        key_id=row.key_id,
        certificate=load_certificate_der(row.certificate),
        link=row.link,
        predecessor=predecessor,
    )


def new_ca(signer: Signer, link: str | None) -> cas.NewCa:
    """A CA as it is stored. ``link``: how its predecessor vouches for it, in JSON."""
    certificate = signer.certificate
    row = cas.CaRow(
        key_id=signer.key_id,
        not_before=int(not_before(certificate).timestamp()),
        not_after=int(not_after(certificate).timestamp()),
        certificate=dump_der(certificate),
        link=link,
    )
    return cas.NewCa(row=row, private_key=dump_private_key_der(signer.key))
