"""Requests: taken, waiting for a user's decision, signed or rejected, fetched."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.issuer import Issued, Issuer
from caucase.authority.principal import Principal
from caucase.authority.use_case import Later, Steps, use_case
from caucase.clock import Clock
from caucase.core import profile
from caucase.core.pem import CERTIFICATE, REQUEST, to_pem
from caucase.core.preview import Preview, preview
from caucase.core.profile import Asked
from caucase.core.record import Entry, Kind
from caucase.core.x509 import (
    dump_der,
    key_id_in,
    load_request,
    load_stored_certificate,
    load_stored_request,
    subject,
)
from caucase.errors import CertificateInvalid, NotFound, QueueFull, QueueShareFull, StoreError
from caucase.store import Database, Transaction, requests, settings
from caucase.store.requests import REQUEST_ID_BITS, NewRequest, RequestId
from caucase.store.schema import from_seconds

# Two random 63-bit numbers are the same once in 10^9 even among 10^5 requests; three tries are plenty.
_ID_TRIES = 3

# The address of a request that came with a command on the server itself.
_LOCAL = "local"

_NO_REQUEST = "There is no such request, or not any more."
_NOT_PENDING = "There is no such pending request."
_NO_CERTIFICATE = "There is no such certificate: not signed yet, rejected, or not kept any more."


@dataclass(frozen=True, kw_only=True)
class PendingRequest:
    """A request that waits for a user's decision. ``received_at``: when it came first. ``address``: from where,
    ``local`` if it came with a command on the server itself, ``migrated`` if from a former server.
    """

    id: RequestId
    csr_pem: bytes
    received_at: datetime
    address: str


class Requests:
    """The requests of CAU or CAS. Thread-safe. A use case decides and signs first, then compares and commits."""

    def __init__(
        self, issuer: Issuer, database: Database, *, auto_approve_count: int, clock: Clock, audit: AuditSink
    ) -> None:
        self.name = issuer.name
        self._issuer = issuer
        self._database = database
        self._auto_approve_count = auto_approve_count
        self._clock = clock
        self._audit = audit

    @use_case
    def submit(self, csr_pem: bytes, *, address: str) -> Steps[RequestId]:
        """Take a request, or recognise it. Malformed, NotAcceptable, DuplicateKey, QueueFull."""
        new = self._parsed(csr_pem, address)
        # Signed before it is stored, so that the two are stored together.
        made = self._certified(new, Kind.AUTOMATIC, actor=None) if self._may_be_automatic(new) else None

        def commit(transaction: Transaction) -> tuple[RequestId, bool, bool]:
            """The id, whether it is new, whether it was signed."""
            known = requests.find(transaction, self.name, new.digest, new.submitted_at)
            if known is not None:
                return known.id, False, False
            signed = made if self._is_automatic(transaction) else None
            if signed is None:
                self._check_queue(transaction, address)
            request_id = self._insert(transaction, new)
            if signed is not None:
                self._store_certificate(transaction, request_id, signed)
            return request_id, True, signed is not None

        request_id: RequestId
        request_id, is_new, is_signed = yield commit
        if is_new:
            self._report_submission(request_id, new)
        if is_signed and made is not None:
            self._report_signature(request_id, made.entry, user="automatic", address=address)
        return request_id

    @use_case
    def approve(self, csr_pem: bytes, *, by: Principal) -> Steps[bytes]:
        """Take a request that never crossed the network and sign it at once; the certificate in PEM.

        The queue's limit does not apply, so whoever runs the server cannot be shut out. A request that waits
        already is signed, and one that was signed is answered again. Malformed, NotAcceptable, DuplicateKey,
        CertificateInvalid if what was signed has been revoked since.
        """
        new = self._parsed(csr_pem, _LOCAL)
        made = self._certified(new, Kind.SIGNED, actor=by.subject)

        def commit(transaction: Transaction) -> tuple[RequestId, bytes]:
            known = requests.find(transaction, self.name, new.digest, new.submitted_at)
            if known is not None and known.certificate is not None:
                self._check_not_revoked(transaction, known.certificate)
                return known.id, known.certificate
            if known is None:
                request_id, address = self._insert(transaction, new), new.address
            else:
                request_id, address = known.id, known.address
            entry = replace(made.entry, address=address)
            self._store_certificate(transaction, request_id, replace(made, entry=entry))
            return request_id, made.der

        request_id, der = yield commit
        if der == made.der:
            self._report_signature(request_id, made.entry, user=by.subject, address=_LOCAL)
        return to_pem(der, CERTIFICATE)

    def request(self, request_id: RequestId) -> bytes:
        """A request, pending or signed and still kept, in PEM; NotFound."""
        row = self._select(request_id)
        if row is None:
            raise NotFound(_NO_REQUEST)
        return to_pem(row.csr, REQUEST)

    def pending(self) -> list[PendingRequest]:
        """What waits for a decision, longest first."""
        with self._database.read() as transaction:
            rows = requests.select_pending(transaction, self.name)
        return [_pending(row) for row in rows]

    def pending_request(self, request_id: RequestId) -> PendingRequest:
        """One of them; NotFound if it does not wait (any more)."""
        row = self._select(request_id)
        if row is None or row.certificate is not None:
            raise NotFound(_NOT_PENDING)
        return _pending(row)

    def preview(self, csr_pem: bytes, template_pem: bytes | None = None) -> Preview:
        """What would become of a request, with subject and extensions of the template's if there is one. Malformed."""
        return preview(
            load_request(csr_pem),
            backups=self._issuer.profile.backups,
            publishes_crl_url=self._issuer.profile.publishes_crl_url,
            template=None if template_pem is None else load_request(template_pem),
        )

    @use_case
    def sign(
        self, request_id: RequestId, *, by: Principal, address: str, template_pem: bytes | None = None
    ) -> Steps[None]:
        """Sign a pending request, with subject and extensions of the template's if there is one.

        NotFound if it is not pending (any more); Malformed, NotAcceptable for the template.
        """
        with self._database.read() as transaction:
            row = requests.select(transaction, self.name, request_id, int(self._clock().timestamp()))
            known = self._issuer.cas(transaction)
        if row is None or row.certificate is not None:
            raise NotFound(_NOT_PENDING)
        csr = load_stored_request(row.csr)
        asked = Asked.by(csr if template_pem is None else load_request(template_pem))
        profile.check_identity(asked)
        made = self._issuer.certify(
            csr, asked, Kind.SIGNED, address=row.address, actor=by.subject, known=known
        )
        if not (yield partial(self._store_certificate, request_id=request_id, made=made)):
            raise NotFound(_NOT_PENDING)  # another user was faster
        self._report_signature(request_id, made.entry, user=by.subject, address=address)

    @use_case
    def reject(self, request_id: RequestId, *, by: Principal, address: str) -> Steps[None]:
        """Forget a pending request; NotFound if it is not pending."""
        if not (yield partial(requests.delete_pending, context=self.name, request_id=request_id)):
            raise NotFound(_NOT_PENDING)
        self._audit(
            AuditEvent.REQUEST_REJECTED,
            context=self.name,
            csr_id=request_id,
            user=by.subject,
            address=address,
        )

    @use_case
    def certificate(self, request_id: RequestId) -> Steps[bytes]:
        """The certificate made for a request, in PEM; NotFound while it is pending, and once it is not kept."""
        row = self._select(request_id)
        if row is None or row.certificate is None:
            raise NotFound(_NO_CERTIFICATE)
        kept = self._issuer.profile.kept_after_read
        if row.read_at is None and kept is not None:
            now = self._clock()
            until = int((now + kept).timestamp())
            # If that is lost, it is kept for longer.
            yield Later(
                partial(
                    requests.set_read,
                    context=self.name,
                    request_id=request_id,
                    now=int(now.timestamp()),
                    keep_until=until,
                )
            )
        return to_pem(row.certificate, CERTIFICATE)

    def _check_queue(self, transaction: Transaction, address: str) -> None:
        """Whether one more request from that address may wait; QueueFull, QueueShareFull."""
        hint = "Ask an operator to sign or reject some."
        policy = self._issuer.policy
        if requests.count_pending(transaction, self.name) >= policy.max_pending:
            raise QueueFull("Too many requests are pending.", hint)
        share = policy.max_pending_per_address
        if share and requests.count_pending_of(transaction, self.name, address) >= share:
            raise QueueShareFull("Too many requests from this address are pending.", hint)

    def _check_not_revoked(self, transaction: Transaction, der: bytes) -> None:
        try:
            self._issuer.check_not_revoked(transaction, load_stored_certificate(der))
        except CertificateInvalid:
            raise CertificateInvalid(
                "The certificate for this request has been revoked.", "Make a new key and a new request."
            ) from None

    def _parsed(self, csr_pem: bytes, address: str) -> NewRequest:
        csr = load_request(csr_pem)
        profile.check_request(csr, backups=self._issuer.profile.backups)
        der = dump_der(csr)
        return NewRequest(
            key_id=key_id_in(csr),
            digest=hashlib.sha256(der).digest(),
            csr=der,
            address=address,
            submitted_at=int(self._clock().timestamp()),
        )

    def _certified(self, new: NewRequest, kind: Kind, *, actor: str | None) -> Issued:
        csr = load_stored_request(new.csr)
        is_marked = kind is Kind.AUTOMATIC
        return self._issuer.certify(
            csr, Asked.by(csr), kind, address=new.address, actor=actor, is_marked=is_marked
        )

    def _may_be_automatic(self, new: NewRequest) -> bool:
        """Whether this looks like one of the first, which are signed without asking."""
        if not self._auto_approve_count:
            return False
        with self._database.read() as transaction:
            known = requests.find(transaction, self.name, new.digest, new.submitted_at)
            return known is None and self._is_automatic(transaction)

    def _is_automatic(self, transaction: Transaction) -> bool:
        received = settings.counter(transaction, self.name, settings.RECEIVED_CSR)
        return received < self._auto_approve_count

    def _select(self, request_id: RequestId) -> requests.RequestRow | None:
        with self._database.read() as transaction:
            return requests.select(transaction, self.name, request_id, int(self._clock().timestamp()))

    def _insert(self, transaction: Transaction, new: NewRequest) -> RequestId:
        """Store a request as pending, and count it; DuplicateKey."""
        self._issuer.check_key_is_new(transaction, new.key_id, from_seconds(new.submitted_at))
        settings.count(transaction, self.name, settings.RECEIVED_CSR)
        for _ in range(_ID_TRIES):
            request_id = RequestId(secrets.randbits(REQUEST_ID_BITS))
            if requests.insert(transaction, self.name, request_id, new):
                return request_id
        raise StoreError("No free request id was found.")

    def _store_certificate(self, transaction: Transaction, request_id: RequestId, made: Issued) -> bool:
        """Turn a pending request into a signed one; False if it is not pending."""
        until = self._issuer.kept_until(made)
        if not requests.set_certificate(transaction, self.name, request_id, made.der, until):
            return False
        self._issuer.record(transaction, made.entry)
        return True

    def _report_submission(self, request_id: RequestId, new: NewRequest) -> None:
        self._audit(
            AuditEvent.REQUEST_SUBMITTED,
            context=self.name,
            csr_id=request_id,
            key_id=new.key_id.hex(),
            subject=subject(load_stored_request(new.csr)).rfc4514_string(),
            address=new.address,
        )

    def _report_signature(self, request_id: RequestId, entry: Entry, *, user: str, address: str) -> None:
        self._issuer.report(
            AuditEvent.CERTIFICATE_SIGNED, entry, csr_id=request_id, user=user, address=address
        )


def _pending(row: requests.RequestRow) -> PendingRequest:
    return PendingRequest(
        id=row.id,
        csr_pem=to_pem(row.csr, REQUEST),
        received_at=from_seconds(row.submitted_at),
        address=row.address,
    )
