"""What everybody may see: the CAs with their fingerprints, where each is in its life, and the revocation lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from caucase.authority import CaStatus, ContextName, ContextStatus
from caucase.core.rollover import Phase
from caucase.core.spki import KeyId
from caucase.server.call import Call
from caucase.server.handlers import newest_lists
from caucase.server.pages.rendering import ROOT, show
from caucase.server.pages.timeline import Timeline, draw


@dataclass(frozen=True, kw_only=True)
class Ca:
    """``number``: counted from 1, as in the picture. ``is_anchor``: it is the one that is handed out as the one to
    trust.
    """

    number: int
    subject: str
    phase: Phase
    not_before: datetime
    not_after: datetime
    fingerprint: bytes
    key_id: KeyId
    is_anchor: bool


@dataclass(frozen=True, kw_only=True)
class List:
    """The newest revocation list of the CA with that number; ``aki``: as the list's address has it."""

    ca: int
    number: int
    this_update: datetime
    next_update: datetime
    aki: int


@dataclass(frozen=True, kw_only=True)
class Authority:
    """One context. ``due``: when its next CA is made, ``None`` if there is none to succeed."""

    name: ContextName
    cas: tuple[Ca, ...]
    timeline: Timeline
    due: datetime | None
    lists: tuple[List, ...]


@dataclass(frozen=True, kw_only=True)
class Overview:
    authorities: tuple[Authority, ...]


async def home(_: Call) -> web.Response:
    """The address as people remember it."""
    return web.Response(status=302, headers={"Location": ROOT})


async def page(call: Call) -> web.Response:
    service = call.service
    # What is told of the lists is what whoever fetches them gets.
    for context in (service.authority.users, service.authority.services):
        await newest_lists(call, context)

    def look() -> Overview:
        now = service.clock()
        order = (ContextName.CAS, ContextName.CAU, ContextName.HTTPS)
        contexts = {context.name: context for context in service.authority.contexts()}
        return Overview(authorities=tuple(_authority(contexts[name], now) for name in order))

    return await show(call, "overview.html", look)


def shown(cas: tuple[CaStatus, ...]) -> tuple[Ca, ...]:
    """Those that have not expired, oldest first."""
    valid = [ca for ca in cas if ca.phase is not Phase.EXPIRED]
    return tuple(
        Ca(
            number=number,
            subject=ca.subject,
            phase=ca.phase,
            not_before=ca.not_before,
            not_after=ca.not_after,
            fingerprint=ca.fingerprint,
            key_id=ca.key_id,
            is_anchor=number == 1,
        )
        for number, ca in enumerate(valid, start=1)
    )


def _authority(context: ContextStatus, now: datetime) -> Authority:
    cas = shown(context.cas)
    numbers = {ca.key_id: ca.number for ca in cas}
    return Authority(
        name=context.name,
        cas=cas,
        timeline=draw([ca for ca in context.cas if ca.key_id in numbers], now=now, due=context.successor_due),
        due=context.successor_due,
        lists=tuple(
            List(
                ca=numbers[one.issuer],
                number=one.number,
                this_update=one.this_update,
                next_update=one.next_update,
                aki=int.from_bytes(one.issuer, "big"),
            )
            for one in context.lists
            if one.issuer in numbers
        ),
    )
