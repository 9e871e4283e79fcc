"""What tests of the pages have to do with a server: asking for pages, and making what is on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from caucase.authority import ContextAuthority, ContextName
from caucase.core import message
from caucase.core.request import make_request
from caucase.core.x509 import dump_pem

from ..harness import Server
from ..wire import JSON, Answer
from .dom import Element, parse

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class World:
    """A server and its user, alice."""

    def __init__(self, server: Server, user: Path) -> None:
        self.server = server
        self.user = user

    def get(self, path: str, *, as_user: bool = True, **headers: str) -> Answer:
        """Over HTTPS, as a browser asks."""
        host = {"Host": self.server.https_origin.removeprefix("https://")}
        user = self.user if as_user else None
        return self.server.client.get(path, {**host, **headers}, tls=True, user=user)

    def page(self, path: str, *, as_user: bool = True) -> Element:
        return parse(self.get(path, as_user=as_user).expect(200).body)

    def send(self, path: str, body: bytes, *, as_user: bool = True, **headers: str) -> Answer:
        """A form, from our own page."""
        return self.server.client.ask(
            "POST",
            path,
            body,
            {"Origin": self.server.https_origin, **FORM, **headers},
            tls=True,
            user=self.user if as_user else None,
        )

    def context(self, name: str) -> ContextAuthority:
        assert self.server.authority is not None
        return self.server.authority.context(ContextName(name))

    def submit(self, csr_pem: bytes, context: str = "cas") -> str:
        """The id of a request that waits."""
        # Users are approved at once here, unless they are put past that.
        return self.server.client.submit(context, csr_pem)

    def issue(self, csr_pem: bytes) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.server.client.issue(csr_pem, self.user))

    def revoke(self, serial: int, context: str = "cas") -> None:
        body = message.null({"revoke_serial": serial}).dump()
        self.server.client.ask("PUT", f"/{context}/crt/revoke", body, JSON, user=self.user).expect(204)


def request(
    common: str = "",
    *,
    names: Sequence[x509.GeneralName] = (),
    extensions: Sequence[x509.ExtensionType] = (),
    more: Sequence[tuple[x509.ObjectIdentifier, str]] = (),
) -> bytes:
    """A request with these, PEM, for a key of its own."""
    attributes = [x509.NameAttribute(oid, value) for oid, value in more]
    if common:
        attributes.append(x509.NameAttribute(x509.NameOID.COMMON_NAME, common))
    values = [*([x509.SubjectAlternativeName(names)] if names else []), *extensions]
    asked = [x509.Extension(value.oid, False, value) for value in values]
    return dump_pem(make_request(ec.generate_private_key(ec.SECP256R1()), x509.Name(attributes), asked))
