"""An authority over a database in a temporary folder, with a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

from cryptography import x509

from caucase.authority import (
    AuditEvent,
    Authority,
    ContextAuthority,
    ContextPolicy,
    Policy,
    Principal,
    RequestId,
)
from caucase.core import message
from caucase.core.keys import KeyType, PrivateKey
from caucase.core.message import SignedMessage
from caucase.core.netloc import NetLoc
from caucase.core.x509 import dump_pem, load_certificate, load_crls, subject_key_id
from caucase.store import Database

PERIOD = timedelta(days=93)
SECOND = timedelta(seconds=1)
BOSS = Principal(subject="CN=boss", serial=None, key_id=None)
POLICY = Policy(netloc=NetLoc.parse("ca.example.com:8009"), key_type=KeyType.parse("ec:P-256"))
ADDRESS = "192.0.2.7"


class MemoryFile:
    """A ``CredentialFile``."""

    def __init__(self) -> None:
        self.content: bytes | None = None

    def read(self) -> bytes | None:
        return self.content

    def write(self, content: bytes) -> None:
        self.content = content


class Audit:
    """An ``AuditSink`` that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[AuditEvent, dict[str, str | int | None]]] = []

    def __call__(self, event: AuditEvent, **fields: str | int | None) -> None:
        self.events.append((event, fields))

    def of(self, event: AuditEvent, context: str | None = None) -> list[dict[str, str | int | None]]:
        return [
            fields
            for seen, fields in self.events
            if seen is event and context in (None, fields.get("context"))
        ]


class World:
    """Everything around an authority; ``start()`` gives one more on the same database, as another process would."""

    def __init__(
        self, path: Path, clock: Any, keys: Callable[..., PrivateKey], make_csr: Callable[..., bytes]
    ) -> None:
        self.path = path
        self.clock = clock
        self.keys = keys
        self.make_csr = make_csr
        self.audit = Audit()
        self.https_file = MemoryFile()
        self._open: list[Database] = []

    def start(self, policy: Policy = POLICY) -> Authority:
        database = Database(self.path)
        self._open.append(database)
        return Authority(database, policy, https_file=self.https_file, clock=self.clock, audit=self.audit)

    def stop(self) -> None:
        for database in self._open:
            database.close()
        self._open = []

    def issue(
        self, context: ContextAuthority, name: str = "x", key: PrivateKey | None = None, **options: Any
    ) -> x509.Certificate:
        """Submit, sign and fetch."""
        request_id = context.requests.submit(self.make_csr(name, key=key, **options), address=ADDRESS)
        context.requests.sign(request_id, by=BOSS, address=ADDRESS)
        return fetch(context, request_id)

    def renewal(
        self, old: x509.Certificate, old_key: PrivateKey, new_key: PrivateKey, name: str = "ignored"
    ) -> SignedMessage:
        csr = self.make_csr(name, key=new_key)
        payload = {"crt_pem": dump_pem(old).decode(), "renew_csr_pem": csr.decode()}
        return message.sign(payload, old_key)


def fetch(context: ContextAuthority, request_id: RequestId) -> x509.Certificate:
    return load_certificate(context.requests.certificate(request_id))


def renew(context: ContextAuthority, signed: SignedMessage) -> x509.Certificate:
    return load_certificate(context.renewals.renew(signed, address=ADDRESS))


def revocation(certificate: x509.Certificate, key: PrivateKey | None = None) -> SignedMessage:
    """Signed with ``key``, or not at all."""
    payload = {"revoke_crt_pem": dump_pem(certificate).decode()}
    return message.null(payload) if key is None else message.sign(payload, key)


def three(
    context: ContextAuthority, world: World, clock: Any, *, also: Sequence[str] = ()
) -> ContextAuthority:
    """alpha, Beta (revoked), gamma, each on a day of its own, then gamma renewed; ``also``: names that all have."""
    for number, name in enumerate(("alpha", "Beta", "gamma")):
        names = x509.SubjectAlternativeName([x509.DNSName(one) for one in (f"{name.lower()}.example", *also)])
        key = world.keys(number=number)
        made = world.issue(context, name, key=key, extensions=[(names, False)])
        if name == "Beta":
            context.revocations.revoke(revocation(made, key), by=None, address=ADDRESS)
        clock.advance(days=1)
    renew(context, world.renewal(made, key, world.keys(number=5)))
    return context


def lists(context: ContextAuthority) -> dict[bytes, x509.CertificateRevocationList]:
    """The lists, by the key identifier of their CA."""
    return {
        crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier: crl
        for crl in load_crls(context.lists.newest().all.body)
    }


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def serials(crl: x509.CertificateRevocationList) -> set[int]:
    return {entry.serial_number for entry in crl}


def ca_set(context: ContextAuthority, now: datetime) -> list[x509.Certificate]:
    return [ca.certificate for ca in context.keyring.ensure(now).valid(now)]


def key_ids(certificates: Sequence[x509.Certificate]) -> list[bytes]:
    return [subject_key_id(certificate) for certificate in certificates]


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run all at the same time, each in its thread; results, or the exceptions, in order."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        barrier.wait(10)
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - handed on
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def users(**options: Any) -> Policy:
    return replace(POLICY, users=ContextPolicy(**options))


def services(**options: Any) -> Policy:
    return replace(POLICY, services=ContextPolicy(**options))


def submit(context: ContextAuthority, csr: bytes) -> RequestId:
    return context.requests.submit(csr, address=ADDRESS)
