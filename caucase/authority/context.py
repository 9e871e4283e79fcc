"""CAU or CAS as a whole: its use cases, each a small object, and what it publishes."""

from __future__ import annotations

import json

from caucase.authority.audit import AuditSink
from caucase.authority.document import Document
from caucase.authority.issuer import Issuer
from caucase.authority.keyring import Ca, Keyring
from caucase.authority.lists import RevocationLists
from caucase.authority.policy import Policy
from caucase.authority.record import Record
from caucase.authority.renewals import Renewals
from caucase.authority.requests import Requests
from caucase.authority.revocations import Revocations
from caucase.clock import Clock
from caucase.core.x509 import dump_pem
from caucase.store import Database


class ContextAuthority:
    """One authority: ``requests``, ``renewals``, ``revocations``, ``lists``, ``record`` and its CA
    certificates. Thread-safe.
    """

    def __init__(
        self,
        keyring: Keyring,
        database: Database,
        policy: Policy,
        *,
        auto_approve_count: int,
        clock: Clock,
        audit: AuditSink,
    ) -> None:
        issuer = Issuer(keyring, database, policy, clock=clock, audit=audit)
        self.name = keyring.name
        self.keyring = keyring
        self.lists = RevocationLists(keyring, database, clock=clock, audit=audit)
        self.requests = Requests(
            issuer, database, auto_approve_count=auto_approve_count, clock=clock, audit=audit
        )
        self.renewals = Renewals(issuer, database, clock=clock)
        self.record = Record(keyring.name, database)
        self.revocations = Revocations(issuer, self.lists, database, clock=clock, audit=audit)
        self._clock = clock

    def ca_certificate(self) -> Document:
        """The trust anchor: the oldest valid CA certificate, PEM."""
        return self._valid_cas()[0].document

    def ca_certificates(self) -> bytes:
        """All valid CA certificates, PEM, oldest first."""
        return b"".join(dump_pem(ca.certificate) for ca in self._valid_cas())

    def ca_chain(self) -> Document:
        """The signed messages by which each valid CA vouches for the next, JSON, oldest first."""
        now = self._clock()
        valid = self.keyring.ensure(now).valid(now)
        links = [json.loads(ca.link) for ca in valid[1:] if ca.link is not None]
        newest = valid[-1].lifetime.not_before
        # RFC 9110, 8.8.2.1: not in the future, where a wrong clock may have put a CA.
        return Document.of(json.dumps(links).encode("ascii"), min(newest, now))

    def _valid_cas(self) -> tuple[Ca, ...]:
        now = self._clock()
        return self.keyring.ensure(now).valid(now)
