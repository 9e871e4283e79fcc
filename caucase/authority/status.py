"""What there is, what is next, and when: a picture of the authority at one moment, for people and for
monitoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from caucase.authority.policy import ContextName
from caucase.core.rollover import Phase, Span
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial


@dataclass(frozen=True, kw_only=True)
class CaStatus:
    """A CA. ``fingerprint``: SHA-256 of its certificate. ``spans``: its phases, past and to come, as far as they are
    decided.
    """

    key_id: KeyId
    serial: Serial
    subject: str
    fingerprint: bytes
    phase: Phase
    not_before: datetime
    not_after: datetime
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class ListStatus:
    """The newest revocation list of a valid CA. ``refresh_due``: when the timer's job makes the next, at the
    latest.
    """

    issuer: KeyId
    number: int
    this_update: datetime
    next_update: datetime
    refresh_due: datetime


@dataclass(frozen=True, kw_only=True)
class ContextStatus:
    """One authority. ``successor_due``: when the next CA is made. ``pending``: requests that wait, ``None``
    for https.
    """

    name: ContextName
    cas: tuple[CaStatus, ...]
    successor_due: datetime | None
    lists: tuple[ListStatus, ...]
    pending: int | None


@dataclass(frozen=True, kw_only=True)
class UserStatus:
    """A user's certificate that is valid and not revoked."""

    subject: str
    serial: Serial
    key_id: KeyId
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole. ``https_not_after``: end of the HTTPS certificate, ``https_due``: when it is renewed; ``None``
    while there is none to use. ``users``: by subject, then by end.
    """

    netloc: str
    now: datetime
    contexts: tuple[ContextStatus, ...]
    https_not_after: datetime | None
    https_due: datetime | None
    users: tuple[UserStatus, ...]
