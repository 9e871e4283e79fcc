"""A certificate as pages show it: what the record says of it, and what it is good for now."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from caucase.authority import ContextName, IssuedCertificate
from caucase.core.record import Kind, serial_text

# A holder renews a month before the end; what has not done so by now needs somebody.
SOON = timedelta(days=14)
_NAMES = 3


class State(enum.StrEnum):
    """What a certificate is good for. ``SOON``: it ends within days."""

    VALID = "valid"
    SOON = "soon"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """``at`` ``None`` if that is not known."""

    at: datetime | None
    by: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """One, as the record has it; what is not known is ``None``, or empty. ``serial``: hexadecimal. ``actor``: who
    approved it.
    """

    context: ContextName
    serial: str
    state: State
    kind: Kind
    subject: str
    names: tuple[str, ...]
    key_id: str
    issuer: str
    issued_at: datetime | None
    not_before: datetime | None
    not_after: datetime
    address: str
    actor: str
    renewed_from: str
    revocation: Revocation | None

    @property
    def first_names(self) -> tuple[str, ...]:
        return self.names[:_NAMES]

    @property
    def more_names(self) -> int:
        return max(len(self.names) - _NAMES, 0)


def certificate(context: ContextName, one: IssuedCertificate, now: datetime) -> Certificate:
    entry, revoked = one.entry, one.revocation
    end = datetime.fromtimestamp(entry.not_after, UTC)
    return Certificate(
        context=context,
        serial=serial_text(entry.serial),
        state=_state(end, now, is_revoked=revoked is not None),
        kind=entry.kind,
        subject=entry.subject or "",
        names=tuple(json.loads(entry.names or "[]")),
        key_id="" if entry.key_id is None else entry.key_id.hex(),
        issuer=entry.issuer.hex(),
        issued_at=moment(entry.at),
        not_before=moment(entry.not_before),
        not_after=end,
        address=entry.address or "",
        actor=entry.actor or "",
        renewed_from="" if entry.renewed_from is None else serial_text(entry.renewed_from),
        revocation=None
        if revoked is None
        else Revocation(at=moment(revoked.at), by=revoked.actor or "", address=revoked.address or ""),
    )


def moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _state(end: datetime, now: datetime, *, is_revoked: bool) -> State:
    if is_revoked:
        return State.REVOKED
    if now > end:
        return State.EXPIRED
    return State.SOON if end - now < SOON else State.VALID
