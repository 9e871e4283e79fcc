"""Certificates that were issued: looked for by whatever is known of them, the newest first, and each by itself."""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from caucase.authority import ContextName, IssuedCertificate, Query
from caucase.core import message
from caucase.core.record import Kind, serial_text
from caucase.core.x509 import SERIAL_MAX, Serial
from caucase.errors import Malformed, NotFound
from caucase.server.call import Call
from caucase.server.pages.rendering import show

PAGE = 50  # certificates: some screens of a telephone

# A holder renews a month before the end; what has not done so by now needs somebody.
_SOON = timedelta(days=14)
_TEXT_LIMIT = 256
_NUMBER_MAX = 2**63 - 1
# A random serial has 40 digits; a shorter one may be part of a name.
_SERIAL = re.compile(r"(?:0x)?[0-9a-f]{12,40}", re.ASCII)
_SHORT_SERIAL = re.compile(r"[0-9a-f]{1,40}", re.ASCII)
_NAMES = 3
_RENEWALS = 20


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


@dataclass(frozen=True, kw_only=True)
class Issued:
    """One page of the list. ``text`` and ``state``: what is looked for. ``older``: the address of the next page, and
    ``newest`` of the first, empty where there is none.
    """

    context: ContextName
    text: str
    state: str
    certificates: tuple[Certificate, ...]
    older: str
    newest: str


@dataclass(frozen=True, kw_only=True)
class Details:
    """``renewals``: what was made of it with its key, as far as that was found. ``message``: what revokes it, to be
    sent to the API. ``is_own``: the caller's.
    """

    certificate: Certificate
    renewals: tuple[Certificate, ...]
    message: str
    is_own: bool


async def page(call: Call) -> web.Response:
    """The list; Malformed for a search that cannot be."""
    name = call.context.name
    text, state = searched(call, "text"), call.request.query.get("state", "")
    if state not in ("", *State):
        raise Malformed("Certificates have no such state.")
    query = _query(text, state, page_after(call), call.service.clock())
    here = f"/ui/{name}/issued"

    def look() -> Issued:
        found = call.context.record.page(query)
        now = call.service.clock()
        asked = {key: value for key, value in (("text", text), ("state", state)) if value}
        return Issued(
            context=name,
            text=text,
            state=state,
            certificates=tuple(certificate(name, one, now) for one in found.certificates),
            older="" if found.next is None else f"{here}?{urlencode({**asked, 'after': found.next})}",
            newest=f"{here}?{urlencode(asked)}" if query.after else "",
        )

    return await show(call, "issued.html", look)


async def details(call: Call) -> web.Response:
    """One certificate by its serial, hexadecimal; NotFound."""
    name, record, text = call.context.name, call.context.record, call.match.parameter
    if not _SHORT_SERIAL.fullmatch(text) or not 0 < int(text, 16) <= SERIAL_MAX:
        raise NotFound("A certificate is named by its serial number, hexadecimal.")
    serial = Serial(int(text, 16))

    def look() -> Details:
        found = record.page(Query(serial=serial)).certificates
        if not found:
            raise NotFound("There is no certificate with this serial number in the record, or not any more.")
        now = call.service.clock()
        return Details(
            certificate=certificate(name, found[0], now),
            renewals=tuple(
                certificate(name, one, now) for one in record.renewals_of(found[0], limit=_RENEWALS)
            ),
            message=message.null({"revoke_serial": serial}).dump().decode("ascii"),
            is_own=name is ContextName.CAU and call.user.serial == serial,
        )

    return await show(call, "certificate.html", look)


def searched(call: Call, name: str) -> str:
    """What is looked for, as the query says it, perhaps nothing; Malformed."""
    text = call.request.query.get(name, "").strip()
    if len(text) > _TEXT_LIMIT or not text.isprintable():
        raise Malformed(f"Look for at most {_TEXT_LIMIT} characters, each of which can be seen.")
    return text


def page_after(call: Call) -> int:
    """The number of the entry that the page before ended with, 0 for the first page; Malformed."""
    text = call.request.query.get("after", "")
    if not re.fullmatch(r"[0-9]{0,19}", text, re.ASCII) or int(text or 0) > _NUMBER_MAX:
        raise Malformed("There is no page after that.")
    return int(text or 0)


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
    return State.SOON if end - now < _SOON else State.VALID


def _query(text: str, state: str, after: int, now: datetime) -> Query:
    compact = text.lower().replace(":", "").replace(" ", "")
    if _SERIAL.fullmatch(compact) and 0 < int(compact, 16) <= SERIAL_MAX:
        return Query(limit=PAGE, serial=Serial(int(compact, 16)))
    revoked: bool | None = None
    ends_before = ends_after = None
    match state:
        case State.VALID:
            revoked, ends_after = False, now
        case State.SOON:
            revoked, ends_after, ends_before = False, now, now + _SOON
        case State.EXPIRED:
            ends_before = now
        case State.REVOKED:
            revoked = True
    return Query(
        limit=PAGE,
        after=after,
        newest_first=True,
        text=text or None,
        revoked=revoked,
        expires_before=ends_before,
        expires_after=ends_after,
    )
