"""What waits for a decision: the list of both contexts, and each request with all that it says and would become."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from caucase.authority import ContextAuthority, ContextName, PendingRequest, RequestId
from caucase.core.preview import Preview
from caucase.core.spki import KeyId
from caucase.server.call import Call
from caucase.server.pages.certificates import Certificate, certificate
from caucase.server.pages.rendering import show

_NAMES = 3
_SIMILAR = 8


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A line of the list. ``more``: how many names there are besides. ``changes``: how many extensions would not be
    as asked.
    """

    context: ContextName
    id: RequestId
    subject: str
    names: tuple[str, ...]
    more: int
    key: str
    received_at: datetime
    address: str
    changes: int


@dataclass(frozen=True, kw_only=True)
class Queue:
    """All that wait, longest first, services before users."""

    requests: tuple[Waiting, ...]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. ``days``: for how long a certificate is valid. ``similar``: certificates there are already.
    ``following``: the address of the first of the others in the list, empty if there is none.
    """

    context: ContextName
    id: RequestId
    received_at: datetime
    address: str
    preview: Preview
    days: int
    similar: tuple[Certificate, ...]
    pem: str
    following: str


async def queue(call: Call) -> web.Response:
    def look() -> Queue:
        return Queue(requests=tuple(_line(context, one) for context, one in _pending(call)))

    return await show(call, "requests.html", look)


async def page(call: Call) -> web.Response:
    """One request by its id; NotFound if it does not wait (any more)."""
    context, request_id = call.context, call.request_id

    def look() -> Request:
        pending = context.requests.pending_request(request_id)
        preview = context.requests.preview(pending.csr_pem)
        found = context.record.similar(
            key_id=KeyId(bytes.fromhex(preview.key_id)),
            subject=preview.subject,
            names=preview.names,
            limit=_SIMILAR,
        )
        now = call.service.clock()
        return Request(
            context=context.name,
            id=request_id,
            received_at=pending.received_at,
            address=pending.address,
            preview=preview,
            days=context.keyring.period.days,
            similar=tuple(certificate(context.name, one, now) for one in found),
            pem=pending.csr_pem.decode("ascii"),
            following=next(
                (
                    f"/ui/{other.name}/requests/{one.id}"
                    for other, one in _pending(call)
                    if one.id != request_id
                ),
                "",
            ),
        )

    return await show(call, "request.html", look)


def _pending(call: Call) -> list[tuple[ContextAuthority, PendingRequest]]:
    authority = call.service.authority
    return [
        (context, one)
        for context in (authority.services, authority.users)
        for one in context.requests.pending()
    ]


def _line(context: ContextAuthority, pending: PendingRequest) -> Waiting:
    preview = context.requests.preview(pending.csr_pem)
    return Waiting(
        context=context.name,
        id=pending.id,
        subject=preview.subject,
        names=preview.names[:_NAMES],
        more=max(len(preview.names) - _NAMES, 0),
        key=preview.key,
        received_at=pending.received_at,
        address=pending.address,
        changes=sum(one.is_altered for one in preview.extensions),
    )
