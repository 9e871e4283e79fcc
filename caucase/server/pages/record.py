"""Who did what: every entry of the record, the newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from aiohttp import web

from caucase.authority import ContextName
from caucase.core.record import Kind, serial_text
from caucase.server.call import Call
from caucase.server.pages.certificates import moment
from caucase.server.pages.rendering import show
from caucase.server.pages.search import PAGE, first_with_something, page_after, searched


@dataclass(frozen=True, kw_only=True)
class Event:
    """One entry. ``has_certificate``: there is a page about it. ``actor``: who decided; ``renewed_from``: whose key
    asked.
    """

    number: int
    at: datetime | None
    kind: Kind
    serial: str
    has_certificate: bool
    subject: str
    actor: str
    address: str
    renewed_from: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """One page. ``actor``: what is looked for. ``older`` and ``newest``: addresses of other pages, or empty."""

    context: ContextName
    actor: str
    events: tuple[Event, ...]
    older: str
    newest: str


async def page(call: Call) -> web.Response:
    """Malformed for a search that cannot be."""
    name, actor, after = call.context.name, searched(call, "actor"), page_after(call)
    here = f"/ui/{name}/record"

    def look() -> Record:
        found = first_with_something(
            after,
            lambda number: call.context.record.entries(limit=PAGE, after=number, actor=actor),
            lambda page: bool(page.entries),
        )
        asked = {"actor": actor} if actor else {}
        return Record(
            context=name,
            actor=actor,
            events=tuple(
                Event(
                    number=one.number,
                    at=moment(one.entry.at),
                    kind=one.entry.kind,
                    serial=serial_text(one.entry.serial),
                    has_certificate=one.has_certificate,
                    subject=one.subject or "",
                    actor=one.entry.actor or "",
                    address=one.entry.address or "",
                    renewed_from=""
                    if one.entry.renewed_from is None
                    else serial_text(one.entry.renewed_from),
                )
                for one in found.entries
            ),
            older="" if found.next is None else f"{here}?{urlencode({**asked, 'after': found.next})}",
            newest=f"{here}?{urlencode(asked)}" if after else "",
        )

    return await show(call, "record.html", look)
