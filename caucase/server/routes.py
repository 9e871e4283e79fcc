"""Every route of the server, once: the router, ``Allow``, pre-flights and the HAL documents come from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from caucase.authority import ContextName
from caucase.server import consent, contracts, handlers, pages
from caucase.server.call import Handler
from caucase.server.contracts import Contract
from caucase.server.cors import Kind

_CAU, _CAS = ContextName.CAU, ContextName.CAS


@dataclass(frozen=True, kw_only=True)
class Route:
    """``path`` is below each of ``contexts``, or the root where that is ``None``; ``{name}`` is a parameter.

    ``below``: what stands before the context. ``name`` and ``title``: how a HAL document calls it, empty when none
    does. ``auth``: a user's certificate is needed. ``kind``: which web origins' pages may use it. ``contract``: what
    the API takes and gives here, ``None`` where it is for people.
    """

    method: str
    path: str
    handler: Handler
    name: str = ""
    title: str = ""
    auth: bool = False
    kind: Kind = Kind.API
    below: str = ""
    contexts: tuple[ContextName | None, ...] = (_CAU, _CAS)
    contract: Contract | None = None

    def paths(self) -> Iterator[tuple[ContextName | None, str]]:
        """The full path in each context."""
        for context in self.contexts:
            yield context, self.path if context is None else f"{self.below}/{context}{self.path}"


ROUTES = (
    Route(
        method="GET",
        path="/",
        handler=handlers.description,
        kind=Kind.OPEN,
        contexts=(None,),
        contract=contracts.HOME,
    ),
    # The consent page is for people; a refusal tells its address.
    Route(method="GET", path="/cors", handler=pages.consent.question, kind=Kind.PAGE, contexts=(None,)),
    Route(method="POST", path="/cors", handler=consent.decide, kind=Kind.FORM, contexts=(None,)),
    # The console.
    Route(method="GET", path="/ui", handler=pages.overview.home, kind=Kind.PAGE, contexts=(None,)),
    Route(method="GET", path="/ui/", handler=pages.overview.page, kind=Kind.PAGE, contexts=(None,)),
    Route(method="GET", path="/ui/trust", handler=pages.trust.page, kind=Kind.PAGE, contexts=(None,)),
    # For programs, too, and over HTTP: whoever installs it compares its fingerprint.
    Route(method="GET", path="/ui/ca/{key_id}.pem", handler=pages.trust.certificate, contexts=(None,)),
    Route(
        method="GET",
        path="/ui/requests",
        handler=pages.requests.queue,
        kind=Kind.PAGE,
        auth=True,
        contexts=(None,),
    ),
    Route(
        method="GET",
        path="/requests/{csr_id}",
        handler=pages.requests.page,
        kind=Kind.PAGE,
        auth=True,
        below="/ui",
    ),
    Route(
        method="GET",
        path="/changes/{csr_id}",
        handler=pages.changes.form,
        kind=Kind.PAGE,
        auth=True,
        below="/ui",
    ),
    Route(
        method="POST",
        path="/changes/{csr_id}",
        handler=pages.changes.look_at,
        kind=Kind.FORM,
        auth=True,
        below="/ui",
    ),
    Route(method="GET", path="/issued", handler=pages.issued.page, kind=Kind.PAGE, auth=True, below="/ui"),
    Route(
        method="GET",
        path="/issued/{serial}",
        handler=pages.issued.details,
        kind=Kind.PAGE,
        auth=True,
        below="/ui",
    ),
    Route(method="GET", path="/record", handler=pages.record.page, kind=Kind.PAGE, auth=True, below="/ui"),
    Route(method="GET", path="/ui/consents", handler=pages.consent.answers, kind=Kind.PAGE, contexts=(None,)),
    Route(method="POST", path="/ui/consents", handler=consent.take_back, kind=Kind.FORM, contexts=(None,)),
    Route(
        method="GET", path="/ui/static/{name}", handler=pages.assets.asset, kind=Kind.PAGE, contexts=(None,)
    ),
    Route(
        method="GET",
        path="",
        handler=handlers.description,
        name="getCASHAL",
        title="cas",
        contract=contracts.HOME,
        kind=Kind.OPEN,
        contexts=(_CAS,),
    ),
    Route(
        method="GET",
        path="",
        handler=handlers.description,
        name="getCAUHAL",
        title="cau",
        contract=contracts.HOME,
        kind=Kind.OPEN,
        contexts=(_CAU,),
    ),
    Route(
        method="GET",
        path="/crl",
        handler=handlers.revocation_lists,
        name="getCertificateRevocationListList",
        title="The current revocation lists of all valid CAs, PEM.",
        contract=contracts.LISTS,
    ),
    # Before the next one, whose parameter matches the ending too.
    Route(
        method="GET",
        path="/crl/{authority_key_id}.der",
        handler=handlers.revocation_list_der,
        name="getCertificateRevocationListDER",
        title="The current revocation list of one CA, by its key identifier as a decimal number, DER.",
        contract=contracts.LIST_DER,
    ),
    Route(
        method="GET",
        path="/crl/{authority_key_id}",
        handler=handlers.revocation_list_pem,
        name="getCertificateRevocationList",
        title="The current revocation list of one CA, by its key identifier as a decimal number, PEM.",
        contract=contracts.LIST_PEM,
    ),
    Route(
        method="PUT",
        path="/csr",
        handler=handlers.submit,
        name="createCertificateSigningRequest",
        title="Submit a certificate signing request.",
        contract=contracts.SUBMIT,
    ),
    Route(
        method="GET",
        path="/csr",
        handler=handlers.pending,
        name="getPendingCertificateRequestList",
        title="The certificate signing requests that wait for a decision.",
        contract=contracts.PENDING,
        auth=True,
    ),
    Route(
        method="GET",
        path="/csr/{csr_id}",
        handler=handlers.request,
        name="getCertificateSigningRequest",
        title="A certificate signing request.",
        contract=contracts.REQUEST,
    ),
    Route(
        method="DELETE",
        path="/csr/{csr_id}",
        handler=handlers.reject,
        name="deletePendingCertificateRequest",
        title="Reject a certificate signing request that waits for a decision.",
        contract=contracts.REJECT,
        auth=True,
    ),
    Route(
        method="GET",
        path="/crt/ca.crt.pem",
        handler=handlers.ca_certificate,
        name="getCACertificate",
        title="The CA certificate to trust.",
        contract=contracts.CA,
    ),
    Route(
        method="GET",
        path="/crt/ca.crt.json",
        handler=handlers.ca_chain,
        name="getCACertificateChain",
        title="How each CA certificate vouches for its successor.",
        contract=contracts.CA_CHAIN,
    ),
    Route(
        method="GET",
        path="/crt/https-ca.json",
        handler=handlers.https_ca,
        name="getHTTPSCACertificate",
        title="The CA certificate to trust for HTTPS with this server, signed by the service CA.",
        contract=contracts.HTTPS_CA,
        contexts=(_CAS,),
    ),
    Route(
        method="GET",
        path="/crt",
        handler=handlers.issued,
        name="getCertificateList",
        title="The certificates that were issued, by pages; parameters say which.",
        contract=contracts.ISSUED,
        auth=True,
    ),
    Route(
        method="PUT",
        path="/crt/renew",
        handler=handlers.renew,
        name="renewCertificate",
        title="Renew a certificate.",
        contract=contracts.RENEW,
    ),
    Route(
        method="PUT",
        path="/crt/revoke",
        handler=handlers.revoke,
        name="revokeCertificate",
        title="Revoke a certificate.",
        contract=contracts.REVOKE,
    ),
    Route(
        method="GET",
        path="/crt/{csr_id}",
        handler=handlers.certificate,
        name="getCertificate",
        title="The certificate that was signed for a request.",
        contract=contracts.FETCH,
    ),
    Route(
        method="PUT",
        path="/crt/{crt_id}",
        handler=handlers.sign,
        name="createCertificate",
        title="Sign a certificate signing request that waits for a decision.",
        contract=contracts.SIGN,
        auth=True,
    ),
)
