"""The protocol as methods: one method, one request (two where the text says so).

Nothing here reads or writes a file, except the user's key for TLS, nor decides whom to trust: that is
``core.trust``, for which this fetches what it needs. Whatever a server answers is parsed strictly.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from cryptography import x509

from caucase.client.keyfiles import load_pair
from caucase.client.listing import IssuedCertificate, parse_page
from caucase.client.tls import unverified_context, verified_context
from caucase.client.transport import ANSWER_LIMIT, Answer, BaseUrl, Transport
from caucase.core import iso8601, message, trust
from caucase.core.keys import PrivateKey
from caucase.core.message import SignedMessage
from caucase.core.x509 import Serial, dump_pem, load_certificate, load_crls, load_request
from caucase.errors import (
    Malformed,
    NotAuthenticated,
    NotFound,
    ServerRefused,
    StillPending,
    Unreachable,
    Untrusted,
)

_JSON = "application/json"
_PKCS10 = "application/pkcs10"
_NOT_PUBLISHED = (
    400,
    404,
)  # caucase 0.9 takes the name for an id

# What a server answers that knows no list of certificates.
_NO_RECORD = (404, 405)
_PAGE = 1000

# Several authorities' lists of a million entries each.
CRL_LIMIT = 256 * 1024 * 1024

_ID = re.compile(r"[0-9]{1,20}", re.ASCII)

_T = TypeVar("_T")


class Mode(enum.Enum):
    """Whose certificates: those of users, who manage the authority, or those of services, which it exists for."""

    USER = "user"
    SERVICE = "service"

    @property
    def context(self) -> str:
        """The first part of the paths."""
        return "cau" if self is Mode.USER else "cas"


@dataclass(frozen=True, kw_only=True)
class PendingRequest:
    """A request that waits for a decision. ``pem`` is as its sender wrote it: not checked. ``received_at``: when it
    came, ``requested_from``: from which address; ``None`` and empty if the server does not say, as one of caucase 0.9.
    """

    csr_id: str
    pem: bytes
    received_at: datetime | None
    requested_from: str


class Client:
    """One of the two authorities of a server: anonymously over HTTP or, from ``over_https``, as a user.

    All methods raise Unreachable when there is no usable answer, ServerRefused (with its ``status``) when the
    server says no, and Malformed for arguments that cannot be sent. Those for users raise NotAuthenticated
    for anybody else; Unreachable if all that shows is that the server closed the connection.
    """

    def __init__(self, ca_url: str, *, mode: Mode = Mode.SERVICE) -> None:
        """``ca_url``: ``http://host[:port][/prefix]``; Malformed if it is not."""
        self.mode = mode
        self.ca_url = ca_url
        self._transport = Transport(BaseUrl.parse(ca_url))
        self._is_user = False

    def over_https(
        self,
        *,
        trusted: Sequence[x509.Certificate],
        now: datetime,
        user_key: Path | None = None,
        require_https_ca: bool = True,
    ) -> Client:
        """The same authority over HTTPS; with ``user_key``, a file with key and certificate, as that user.

        The server's HTTPS CA is fetched first (one request) and must be signed by one of the service CAs
        ``trusted``, else Untrusted. A server that publishes none is refused likewise, unless
        ``require_https_ca`` is false: then it is not verified, and ``verified`` of the result says so.
        CaucaseError or OSError if the file is not good.
        """
        if user_key is not None:
            load_pair(user_key, user_key)
        url = self._transport.url.over_https()
        try:
            https_ca = trust.https_ca(self.https_ca(), trusted, now)
        except ServerRefused as error:
            if error.status not in _NOT_PUBLISHED:
                raise
            if require_https_ca:
                raise Untrusted(
                    "The server does not publish its HTTPS CA, so its HTTPS certificate cannot be verified.",
                    "One of caucase 0.9 does not; without --require-https-ca it is used unverified, with a warning.",
                ) from None
            context = unverified_context(url.netloc.host, user_key)
        else:
            context = verified_context(url.netloc.host, https_ca, user_key)
        client = Client(self.ca_url, mode=self.mode)
        client._transport = Transport(url, context, as_user=user_key is not None)
        client._is_user = user_key is not None
        return client

    @property
    def verified(self) -> bool:
        """Whether requests go to a server whose HTTPS certificate is verified."""
        return self._transport.verified

    # For everybody.

    def ca_certificate(self) -> x509.Certificate:
        """What the server calls the trust anchor: trust it only through ``core.trust``."""
        return _parsed(self._get("crt/ca.crt.pem"), load_certificate)

    def ca_chain(self) -> list[SignedMessage]:
        """The messages by which each CA certificate vouches for the next, oldest first, not yet checked."""
        return _parsed(
            self._get("crt/ca.crt.json"), lambda body: [message.from_json(item) for item in _list(body)]
        )

    def https_ca(self) -> SignedMessage:
        """The message that names the CA of the server's HTTPS certificate, not yet checked."""
        answer = self._transport.request("GET", f"/{Mode.SERVICE.context}/crt/https-ca.json")
        return _parsed(answer, message.parse)

    def crls(self) -> list[x509.CertificateRevocationList]:
        """The revocation lists of all valid CAs, one at least, their signatures not yet checked."""
        return _parsed(self._get("crl", limit=CRL_LIMIT), _crls)

    def put_csr(self, csr: x509.CertificateSigningRequest) -> str:
        """Submit a request; returns its id, the key to all that follows. Repeating is harmless."""
        answer = self._transport.request("PUT", self._path("csr"), body=dump_pem(csr), content_type=_PKCS10)
        if not _ID.fullmatch(answer.location):
            raise Unreachable("The server gave the request no id.", _NOT_CAUCASED)
        return answer.location

    def get_csr(self, csr_id: str) -> x509.CertificateSigningRequest:
        return _parsed(self._request(csr_id), load_request)

    def get_csr_pem(self, csr_id: str) -> bytes:
        """Likewise, as its sender wrote it: not checked."""
        return self._request(csr_id).body

    def get_crt(self, csr_id: str) -> x509.Certificate:
        """The certificate made for a request; StillPending while that waits, NotFound when there is none.

        A second request tells these two apart.
        """
        try:
            return _parsed(self._get(f"crt/{_checked_id(csr_id)}"), load_certificate)
        except ServerRefused as error:
            if error.status != 404:
                raise
        try:
            self._get(f"csr/{csr_id}")
        except ServerRefused as error:
            if error.status != 404:
                raise
            raise NotFound(
                f"{csr_id} was not found.", "It may have been rejected, or fetched too long ago to be kept."
            ) from None
        raise StillPending(f"{csr_id} is still pending.", "A user has to sign it.")

    def renew(
        self, certificate: x509.Certificate, key: PrivateKey, csr: x509.CertificateSigningRequest
    ) -> x509.Certificate:
        """A certificate that says what ``certificate`` says, for the key of ``csr``. ``key``: the old one."""
        payload = {"crt_pem": _text(certificate), "renew_csr_pem": _text(csr)}
        body = message.sign(payload, key).dump()
        answer = self._transport.request("PUT", self._path("crt/renew"), body=body, content_type=_JSON)
        return _parsed(answer, load_certificate)

    def revoke(self, certificate: x509.Certificate, key: PrivateKey) -> None:
        """Revoke a certificate with its own ``key``."""
        self._revoke(self._transport, message.sign({"revoke_crt_pem": _text(certificate)}, key))

    # For users.

    def pending(self) -> list[PendingRequest]:
        """The requests that wait for a decision."""
        answer = self._user.request("GET", self._path("csr"))
        return _parsed(answer, lambda body: [_pending(item) for item in _list(body)])

    def issued(self, *, text: str | None = None) -> Iterator[IssuedCertificate]:
        """What was issued, oldest first, as far as the server's record goes back: a request for each page.

        ``text``: what the subject or a name contains. NotFound from a server that keeps no record.
        """
        after: int | None = 0
        while after is not None:
            query = {"limit": _PAGE, "after": after, **({} if text is None else {"text": text})}
            try:
                answer = self._user.request("GET", self._path(f"crt?{urlencode(query)}"))
            except ServerRefused as error:
                if error.status not in _NO_RECORD:
                    raise
                raise NotFound("The server keeps no record of what it issued.", _NOT_OURS) from None
            page = _parsed(answer, partial(parse_page, after=after))
            yield from page.certificates
            after = page.next

    def sign(self, csr_id: str) -> None:
        """Sign a request as it was submitted."""
        self._user.request("PUT", self._path(f"crt/{_checked_id(csr_id)}"))

    def sign_with(self, csr_id: str, template: x509.CertificateSigningRequest) -> None:
        """Sign a request, with the subject and the extensions of ``template`` in place of its own."""
        path = self._path(f"crt/{_checked_id(csr_id)}")
        self._user.request("PUT", path, body=dump_pem(template), content_type=_PKCS10)

    def reject(self, csr_id: str) -> None:
        """Remove a request that waits."""
        self._user.request("DELETE", self._path(f"csr/{_checked_id(csr_id)}"))

    def revoke_as_user(self, certificate: x509.Certificate) -> None:
        """Revoke a certificate without its key."""
        self._revoke(self._user, message.null({"revoke_crt_pem": _text(certificate)}))

    def revoke_serial(self, serial: Serial) -> None:
        """Revoke a serial number, whether or not it was ever issued: nobody checks for mistakes."""
        self._revoke(self._user, message.null({"revoke_serial": serial}))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _user(self) -> Transport:
        """The transport, for what only users may do."""
        if not self._is_user:
            raise NotAuthenticated(
                "This needs the key and certificate of a user.",
                "Give a file with both, --user-key or user_key.",
            )
        return self._transport

    def _request(self, csr_id: str) -> Answer:
        return self._get(f"csr/{_checked_id(csr_id)}")

    def _path(self, rest: str) -> str:
        return f"/{self.mode.context}/{rest}"

    def _get(self, rest: str, *, limit: int = ANSWER_LIMIT) -> Answer:
        return self._transport.request("GET", self._path(rest), limit=limit)

    def _revoke(self, transport: Transport, signed: SignedMessage) -> None:
        transport.request("PUT", self._path("crt/revoke"), body=signed.dump(), content_type=_JSON)


_NOT_OURS = "Servers of caucase 0.9 do not."
_NOT_CAUCASED = "Is it really caucased that answers there?"


def _parsed(answer: Answer, parse: Callable[[bytes], _T]) -> _T:
    try:
        return parse(answer.body)
    except Malformed as error:
        raise Unreachable(f"The server's answer cannot be used: {error.message}", _NOT_CAUCASED) from None


def _crls(body: bytes) -> list[x509.CertificateRevocationList]:
    crls = load_crls(body)
    if not crls:
        raise Malformed("There is no revocation list in it.")
    return crls


def _list(body: bytes) -> list[Any]:
    value = message.load_json(body, "answer")
    if not isinstance(value, list):
        raise Malformed("It is not a JSON list.")
    return value


def _pending(item: object) -> PendingRequest:
    if isinstance(item, Mapping):
        csr_id, csr = item.get("id"), item.get("csr")
        received_at, address = item.get("received_at"), item.get("requested_from")
        if (
            isinstance(csr, str)
            and isinstance(csr_id, str)
            and _ID.fullmatch(csr_id)
            and isinstance(address, str | None)
        ):
            return PendingRequest(
                csr_id=csr_id,
                pem=csr.encode("utf-8", "replace"),
                received_at=None if received_at is None else iso8601.load(received_at),
                requested_from=address or "",
            )
    raise Malformed("It is not a list of requests.")


def _checked_id(csr_id: str) -> str:
    if not _ID.fullmatch(csr_id):
        raise Malformed(
            f"{csr_id!r} is no id of a request: those are numbers.",
            "It is what --send-csr prints, and the first column of --list-csr.",
        )
    return csr_id


def _text(thing: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return dump_pem(thing).decode("ascii")
