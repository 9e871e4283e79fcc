"""Certificates that were issued: looked for by whatever is known of them, the newest first, and each by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from aiohttp import web

from caucase.authority import ContextName, Query
from caucase.core import message
from caucase.core.x509 import SERIAL_MAX, Serial
from caucase.errors import Malformed, NotFound
from caucase.server.call import Call
from caucase.server.pages.certificates import SOON, Certificate, State, certificate
from caucase.server.pages.rendering import show
from caucase.server.pages.search import PAGE, first_with_something, page_after, searched

# A random serial has 40 digits; a shorter one may be part of a name.
_SERIAL = re.compile(r"(?:0x)?[0-9a-f]{12,40}", re.ASCII)
_SHORT_SERIAL = re.compile(r"[0-9a-f]{1,40}", re.ASCII)
_RENEWALS = 20


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
    serial = _serial(text)
    here = f"/ui/{name}/issued"

    def look() -> Issued:
        record = call.context.record
        # Whoever has a serial number wants that certificate, whatever its state; but a name may look like one.
        found = record.page(Query(limit=PAGE, serial=serial)) if serial is not None else None
        if found is None or not found.certificates:
            found = first_with_something(
                query.after,
                lambda after: record.page(replace(query, after=after)),
                lambda page: bool(page.certificates),
            )
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


def _serial(text: str) -> Serial | None:
    compact = text.lower().replace(":", "").replace(" ", "")
    if _SERIAL.fullmatch(compact) and 0 < int(compact, 16) <= SERIAL_MAX:
        return Serial(int(compact, 16))
    return None


def _query(text: str, state: str, after: int, now: datetime) -> Query:
    revoked: bool | None = None
    ends_before = ends_after = None
    match state:
        case State.VALID:
            revoked, ends_after = False, now
        case State.SOON:
            revoked, ends_after, ends_before = False, now, now + SOON
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
