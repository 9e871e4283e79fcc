"""One function a route: from a call to one method of the authority, and from its result to an answer."""

from __future__ import annotations

import json
import re

from aiohttp import web

from caucase.authority import ContextAuthority, ListDocuments
from caucase.core import iso8601, message
from caucase.core.message import SignedMessage
from caucase.errors import Malformed, NotFound, QueueFull
from caucase.server import listing
from caucase.server.call import Call
from caucase.server.representation import represent

HAL = "application/hal+json"
JSON = "application/json"
CRL = "application/pkix-crl"
CSR = "application/pkcs10"
CERTIFICATE = "application/pkix-cert"
CA_CERTIFICATE = "application/x-x509-ca-cert"

_DECIMAL = re.compile(r"[0-9]{1,99}", re.ASCII)


async def description(call: Call) -> web.Response:
    document = call.service.hal[call.match.context, call.peer.is_secure]
    return represent(call.request, document, HAL)


async def revocation_lists(call: Call) -> web.Response:
    lists = await newest_lists(call, call.context)
    return represent(call.request, lists.all, CRL)


async def revocation_list_pem(call: Call) -> web.Response:
    return await _revocation_list(call, pem=True)


async def revocation_list_der(call: Call) -> web.Response:
    return await _revocation_list(call, pem=False)


async def _revocation_list(call: Call, *, pem: bool) -> web.Response:
    text = call.match.parameter
    if not _DECIMAL.fullmatch(text):
        raise NotFound("A revocation list is named by the key identifier of its authority, a decimal number.")
    lists = await newest_lists(call, call.context)
    return represent(call.request, lists.document(int(text), pem=pem), CRL)


async def newest_lists(call: Call, context: ContextAuthority) -> ListDocuments:
    """The lists of a context, after those that are due have been made, which can take a while."""
    lists = context.lists.current()
    if lists is None:
        lists = await call.run(context.lists.newest)
        call.run_later(context.lists.forget_unused)
    return lists


async def ca_certificate(call: Call) -> web.Response:
    return represent(call.request, call.context.ca_certificate(), CA_CERTIFICATE)


async def ca_chain(call: Call) -> web.Response:
    return represent(call.request, call.context.ca_chain(), JSON)


async def https_ca(call: Call) -> web.Response:
    return represent(call.request, call.service.authority.https_ca(), JSON)


async def submit(call: Call) -> web.Response:
    csr_pem = await call.csr()
    try:
        request_id = await call.carry_out(call.context.requests.submit, csr_pem, address=call.address)
    except QueueFull as error:
        call.tell_full_queue(error)
        raise
    return web.Response(status=201, headers={"Location": str(request_id)})


async def request(call: Call) -> web.Response:
    return _pem(call.context.requests.request(call.request_id), CSR)


async def pending(call: Call) -> web.Response:
    # Clients of caucase 0.9 look at the first two.
    entries = [
        {
            "id": str(entry.id),
            "csr": entry.csr_pem.decode("ascii"),
            "received_at": iso8601.dump(entry.received_at),
            "requested_from": entry.address,
        }
        for entry in call.context.requests.pending()
    ]
    return web.Response(body=json.dumps(entries).encode("ascii"), content_type=JSON)


async def reject(call: Call) -> web.Response:
    await call.carry_out(call.context.requests.reject, call.request_id, by=call.user, address=call.address)
    return web.Response(status=204)


async def certificate(call: Call) -> web.Response:
    return _pem(await call.carry_out(call.context.requests.certificate, call.request_id), CERTIFICATE)


async def sign(call: Call) -> web.Response:
    request_id, template_pem = call.request_id, await call.csr()
    if template_pem and not call.has_type(CSR):
        raise Malformed(f"A request to take subject and extensions from must be sent as {CSR}.")
    if not template_pem and call.has_type(CSR):
        # Somebody who wanted changes would get a certificate without them.
        raise Malformed("There is no request to take subject and extensions from.")
    await call.carry_out(
        call.context.requests.sign,
        request_id,
        by=call.user,
        address=call.address,
        template_pem=template_pem or None,
    )
    return web.Response(status=204)


async def issued(call: Call) -> web.Response:
    query = listing.parse(call.request.query.items())
    return web.Response(body=await call.run(listing.page, call.context.record, query), content_type=JSON)


async def renew(call: Call) -> web.Response:
    signed = await _message(call)
    return _pem(await call.carry_out(call.context.renewals.renew, signed, address=call.address), CERTIFICATE)


async def revoke(call: Call) -> web.Response:
    signed = await _message(call)
    # A signature speaks for itself, whoever delivers it; without one the caller must be a user.
    by = call.authenticate() if signed.is_null else None
    await call.carry_out(call.context.revocations.revoke, signed, by=by, address=call.address)
    return web.Response(status=204)


async def _message(call: Call) -> SignedMessage:
    if not call.has_type(JSON):
        raise Malformed(f"A signed message must be sent as {JSON}, in UTF-8.")
    return message.parse(await call.body())


def _pem(body: bytes, media_type: str) -> web.Response:
    return web.Response(body=body, content_type=media_type)
