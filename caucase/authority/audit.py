"""The kinds of events an authority reports, and the sink they go to. The sink is handed in; nothing here
logs.
"""

from __future__ import annotations

import enum
from typing import Protocol


class AuditEvent(enum.Enum):
    """What happened. Each member has its own MESSAGE_ID in the journal."""

    REQUEST_SUBMITTED = "request_submitted"
    CERTIFICATE_SIGNED = "certificate_signed"
    REQUEST_REJECTED = "request_rejected"
    CERTIFICATE_RENEWED = "certificate_renewed"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CA_CREATED = "ca_created"
    CRL_PUBLISHED = "crl_published"
    HTTPS_CERTIFICATE_ISSUED = "https_certificate_issued"
    CA_IMPORTED = "ca_imported"
    CA_EXPORTED = "ca_exported"
    CRL_IMPORTED = "crl_imported"
    TAKEN_OVER = "taken_over"
    RECORD_HEAD = "record_head"
    RECORD_BROKEN = "record_broken"
    AUTHENTICATION_REFUSED = "authentication_refused"


class AuditSink(Protocol):
    """Where events go. It must not raise, and it escapes what strangers sent.

    ``fields``: context, serial (hex), key_id (hex), csr_id, user, address, subject, number …
    """

    def __call__(self, event: AuditEvent, **fields: str | int | None) -> None: ...
