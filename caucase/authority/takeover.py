"""Takes over what a caucase 0.9 kept, into an empty database: its CAs with their keys, requests and kept
certificates, revocations and counters, so that its clients notice nothing.

All of it becomes ours in one transaction, or nothing does. What cannot be read any more is left out and said;
a CA is never left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from caucase.authority.keyring import new_ca
from caucase.authority.policy import PROFILES, ContextName, Policy, lock_name
from caucase.core import crl, profile, rollover
from caucase.core.chain import in_order, links
from caucase.core.issue import Signer
from caucase.core.origin import check_origin
from caucase.core.record import Entry, Kind, issued
from caucase.core.spki import spki
from caucase.core.x509 import (
    SERIAL_MAX,
    Serial,
    authority_key_id,
    dump_der,
    key_id_in,
    load_certificate,
    load_private_key,
    load_request,
    not_after,
    not_before,
    spki_in,
    subject_key_id,
)
from caucase.errors import CaucaseError, Malformed
from caucase.store import Database, Transaction, cas, record, requests, revocations, settings
from caucase.store.legacy import Legacy, LegacyCa, LegacyContext, LegacyRequest, LegacyRevocation
from caucase.store.requests import NewRequest, RequestId
from caucase.store.schema import from_seconds

# Where a request came from is not known any more.
_ADDRESS = "migrated"
# Nor who revoked.
_ACTOR = "a former server"


@dataclass(frozen=True, kw_only=True)
class TakenOver:
    """How much was taken over, both contexts together. ``left_out``: a sentence for each thing that was not.
    ``last_change``: the former server worked until then at least.
    """

    cas: int
    pending: int
    certificates: int
    revocations: int
    left_out: tuple[str, ...]
    last_change: datetime


@dataclass(kw_only=True)
class _Context:
    """What is about to be stored for one context."""

    signers: list[Signer] = field(default_factory=list)
    requests: list[tuple[RequestId, NewRequest, x509.Certificate | None, int]] = field(default_factory=list)
    revocations: list[revocations.RevocationRow] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def certificates(self) -> list[x509.Certificate]:
        """Those that are still kept."""
        return [certificate for _id, _new, certificate, _until in self.requests if certificate is not None]


def take_over(database: Database, legacy: Legacy, policy: Policy | None, *, now: datetime) -> TakenOver:
    """Fill an empty database. Malformed if a CA cannot be used.

    With a policy, also NotAcceptable if the CAs do not live long enough for it, and ConfigError if its netloc is
    not the former server's.
    """
    prepared = {name: _prepared(name, legacy.contexts[name], now) for name in ContextName}
    if not any(context.signers for context in prepared.values()):
        raise Malformed("There is no CA in it.")
    if policy is not None:
        _check_fit(prepared, policy, now)
    rows = {
        name: [new_ca(signer, link) for signer, link in links(context.signers)]
        for name, context in prepared.items()
    }

    def commit(transaction: Transaction) -> None:
        for name, context in prepared.items():
            for row in rows[name]:
                cas.insert(transaction, name, row)
            _insert(transaction, name, context, legacy.contexts[name], int(now.timestamp()))

    database.write(commit)
    everything = [request for context in prepared.values() for request in context.requests]
    return TakenOver(
        cas=sum(len(context.signers) for context in prepared.values()),
        pending=sum(certificate is None for _id, _new, certificate, _until in everything),
        certificates=sum(len(context.certificates) for context in prepared.values()),
        revocations=sum(len(context.revocations) for context in prepared.values()),
        left_out=tuple(sentence for context in prepared.values() for sentence in context.left_out),
        last_change=max(_moments(prepared, legacy)),
    )


def _prepared(name: ContextName, legacy: LegacyContext, now: datetime) -> _Context:
    result = _Context(signers=in_order(_signer(name, ca) for ca in legacy.cas))
    if name is ContextName.HTTPS:
        return result  # the server makes its own certificate, and nobody asks for one there
    for request in legacy.requests:
        try:
            result.requests.append(_request(name, request, now))
        except CaucaseError as error:
            kind = "request" if request.certificate_pem is None else "kept certificate"
            result.left_out.append(f"{name} {kind} {request.id}: {error.message}")
    for revocation in legacy.revocations:
        if 0 < revocation.serial <= SERIAL_MAX:
            result.revocations.append(_revocation(revocation))
        else:
            result.left_out.append(f"{name} revoked serial {revocation.serial}: no certificate can have it.")
    return result


def _signer(name: ContextName, ca: LegacyCa) -> Signer:
    try:
        certificate, key = load_certificate(ca.certificate_pem), load_private_key(ca.key_pem)
    except CaucaseError as error:
        raise Malformed(f"A {name} CA cannot be read: {error.message}", error.hint) from None
    if spki_in(certificate) != spki(key.public_key()):
        raise Malformed(f"The key of a {name} CA is not that of its certificate.")
    return Signer(certificate=certificate, key=key, key_id=subject_key_id(certificate))


def _check_fit(prepared: Mapping[ContextName, _Context], policy: Policy, now: datetime) -> None:
    """Whether a server with that policy can go on where the former one stopped."""
    for name, context in prepared.items():
        _check_life(name, context.signers, policy, now)
    check_origin(
        policy.netloc,
        service_title=PROFILES[ContextName.CAS].title,
        service_certificates=prepared[ContextName.CAS].certificates,
        service_cas=[signer.certificate for signer in prepared[ContextName.CAS].signers],
        https_cas=[signer.certificate for signer in prepared[ContextName.HTTPS].signers],
    )


def _moments(prepared: Mapping[ContextName, _Context], legacy: Legacy) -> Iterator[datetime]:
    """When something happened of which there is a trace."""
    for name, context in prepared.items():
        for certificate in (*context.certificates, *(signer.certificate for signer in context.signers)):
            yield not_before(certificate)
        for revocation in context.revocations:
            yield from_seconds(revocation.revoked_at)
        if (last_list := legacy.contexts[name].last_list) is not None:
            yield from_seconds(last_list)


def _check_life(name: ContextName, signers: list[Signer], policy: Policy, now: datetime) -> None:
    """With too long a life of certificates the server would refuse to start on this database."""
    valid = [signer.certificate for signer in signers if not_after(signer.certificate) >= now]
    if valid:
        users = name is ContextName.CAU
        period = (policy.users if users else policy.services).validity
        rollover.check_ca_life(not_after(valid[-1]) - not_before(valid[-1]), period)


def _request(
    name: ContextName, legacy: LegacyRequest, now: datetime
) -> tuple[RequestId, NewRequest, x509.Certificate | None, int]:
    """Its id and itself, with its certificate and until when that is kept."""
    csr = load_request(legacy.csr_pem)
    der = dump_der(csr)
    new = NewRequest(
        key_id=key_id_in(csr),
        digest=hashlib.sha256(der).digest(),
        csr=der,
        address=_ADDRESS,
        submitted_at=int(now.timestamp()),
    )
    if legacy.certificate_pem is None:
        profile.check_request(csr, backups=PROFILES[name].backups)
        return RequestId(legacy.id), new, None, 0
    certificate = load_certificate(legacy.certificate_pem)
    end = int(not_after(certificate).timestamp())
    return RequestId(legacy.id), new, certificate, end if legacy.keep_until is None else legacy.keep_until


def _revocation(legacy: LegacyRevocation) -> revocations.RevocationRow:
    """For the lists of all CAs of its context, as before: which of them issued it was never kept."""
    serial = Serial(legacy.serial)
    return revocations.RevocationRow(
        serial=serial,
        issuer=revocations.UNKNOWN_ISSUER,
        revoked_at=legacy.revoked_at,
        keep_until=legacy.keep_until,
        entry=crl.revocation_entry(serial, from_seconds(legacy.revoked_at)),
    )


def _insert(
    transaction: Transaction, name: ContextName, context: _Context, legacy: LegacyContext, now: int
) -> None:
    for request_id, new, certificate, keep_until in context.requests:
        if not requests.insert(transaction, name, request_id, new):
            raise Malformed(f"Two requests have the id {request_id}.")
        if certificate is not None:
            requests.set_certificate(transaction, name, request_id, dump_der(certificate), keep_until)
    for entry in _entries(context, now):
        record.append(transaction, name, entry)
    for revocation in context.revocations:
        revocations.insert(transaction, name, revocation)
    settings.raise_counter(transaction, name, settings.RECEIVED_CSR, legacy.received_csr)
    settings.raise_counter(transaction, name, settings.CRL_NUMBER, legacy.crl_number)
    if legacy.auto_approve_count is not None:
        settings.first_setting(transaction, lock_name(name), str(legacy.auto_approve_count))


def _entries(context: _Context, now: int) -> Iterator[Entry]:
    """What the record begins with: the certificates that are left, and what was revoked."""
    ends: dict[int, int] = {}
    for certificate in context.certificates:
        if authority_key_id(certificate) is not None and certificate.serial_number not in ends:
            entry = issued(certificate, Kind.IMPORTED, at=now, address=_ADDRESS)
            ends[entry.serial] = entry.not_after
            yield entry
    for revocation in context.revocations:
        yield Entry(
            kind=Kind.REVOKED,
            at=revocation.revoked_at,
            serial=revocation.serial,
            issuer=revocation.issuer,
            not_after=ends.get(revocation.serial, revocation.keep_until),
            actor=_ACTOR,
        )
