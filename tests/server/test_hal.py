"""The HAL documents: their format, that they describe every route, and that they are enough to use the API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from caucase.core.x509 import authority_key_id
from caucase.server.routes import ROUTES

from .harness import Server
from .material import make, null
from .wire import JSON, PKCS10, Answer, Client

LINKS = {
    "getCertificateRevocationListList": "/crl",
    "getCertificateRevocationList": "/crl/{+authority_key_id}",
    "getCertificateRevocationListDER": "/crl/{+authority_key_id}.der",
    "getPendingCertificateRequestList": "/csr",
    "getCertificateSigningRequest": "/csr/{+csr_id}",
    "getCertificate": "/crt/{+csr_id}",
    "getCertificateList": "/crt",
    "getCACertificate": "/crt/ca.crt.pem",
    "getCACertificateChain": "/crt/ca.crt.json",
}
ACTIONS = {
    "createCertificateSigningRequest": ("PUT", "/csr"),
    "deletePendingCertificateRequest": ("DELETE", "/csr/{+csr_id}"),
    "createCertificate": ("PUT", "/crt/{+crt_id}"),
    "revokeCertificate": ("PUT", "/crt/revoke"),
    "renewCertificate": ("PUT", "/crt/renew"),
}
AUTHENTICATED = {
    "getPendingCertificateRequestList",
    "getCertificateList",
    "deletePendingCertificateRequest",
    "createCertificate",
}


def test_root(client: Client) -> None:
    assert client.get("/").json() == {
        "_links": {
            "self": {"href": "/"},
            "getCASHAL": {"title": "cas", "href": "/cas"},
            "getCAUHAL": {"title": "cau", "href": "/cau"},
        }
    }


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("context", ["cau", "cas"])
def test_context(server: Server, context: str, tls: bool) -> None:
    document = server.client.get(f"/{context}", tls=tls).json()
    links, actions = document.pop("_links"), document.pop("_actions")
    assert document == {}
    assert links.pop("self") == {"href": f"/{context}"}
    assert links.pop("home") == {"href": "/"}
    if context == "cas":
        assert links.pop("getHTTPSCACertificate")["href"] == "/cas/crt/https-ca.json"
    assert {name: action.pop("method") for name, action in actions.items()} == {
        name: method for name, (method, _) in ACTIONS.items()
    }
    expected = {**LINKS, **{name: path for name, (_, path) in ACTIONS.items()}}
    described = {**links, **actions}
    assert set(described) == set(expected)
    for name, entry in described.items():
        base = server.https_origin if name in AUTHENTICATED and not tls else ""
        assert entry.pop("href") == f"{base}/{context}{expected[name]}"
        assert entry.pop("title")
        assert entry == ({"templated": True} if "{" in expected[name] else {})


def test_every_route_is_described(client: Client) -> None:
    """Except what answers with the documents themselves, and the pages for people."""
    described = set()
    for path in ("/", "/cau", "/cas"):
        document = client.get(path, tls=True).json()
        described |= {("GET", link["href"]) for link in document["_links"].values()}
        described |= {(entry["method"], entry["href"]) for entry in document.get("_actions", {}).values()}
    routes = {
        (route.method, path.replace("{", "{+"))
        for route in ROUTES
        for _, path in route.paths()
        if path != "/cors" and not path.startswith("/ui")
    }
    assert described == routes


class Browser:
    """Knows the address of the server and the names in the documents, and no path."""

    def __init__(self, server: Server, user: Path | None = None) -> None:
        self._server = server
        self._user = user

    def document(self, context: str) -> dict[str, Any]:
        home = self.follow("/")
        return self.follow(home["_links"][f"get{context.upper()}HAL"]["href"])  # type: ignore[no-any-return]

    def follow(self, href: str) -> Any:
        return self._server.client.get(href).expect(200).json()

    def do(
        self,
        context: str,
        name: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        **names: object,
    ) -> Answer:
        document = self.document(context)
        entry = document["_links"].get(name) or document["_actions"][name]
        href = re.sub(r"\{\+(\w+)\}", lambda match: str(names.pop(match[1])), entry["href"])
        assert not names
        url = urlsplit(href)
        tls = url.scheme == "https"
        if tls:
            assert url.netloc == f"localhost:{self._server.port + 1}"
        return self._server.client.ask(
            entry.get("method", "GET"), url.path, body, headers, tls=tls, user=self._user if tls else None
        )


def test_the_api_by_its_descriptions_alone(own_server: Server, tmp_path: Path) -> None:
    anonymous = Browser(own_server)
    made = make("user")
    user_id = anonymous.do("cau", "createCertificateSigningRequest", made.csr_pem, PKCS10).headers["Location"]
    crt_pem = anonymous.do("cau", "getCertificate", csr_id=user_id).expect(200).body
    someone = Browser(own_server, made.bundle(tmp_path / "user.pem", crt_pem))

    ca = x509.load_pem_x509_certificate(anonymous.do("cas", "getCACertificate").expect(200).body)
    assert anonymous.do("cas", "getCACertificateChain").expect(200).json() == []
    assert anonymous.do("cas", "getHTTPSCACertificate").expect(200).json()["digest"] == "sha256"

    service, unwanted = make("www"), make("unwanted")
    service_id, unwanted_id = (
        anonymous.do("cas", "createCertificateSigningRequest", each.csr_pem).expect(201).headers["Location"]
        for each in (service, unwanted)
    )
    got = anonymous.do("cas", "getCertificateSigningRequest", csr_id=service_id)
    assert got.expect(200).body == service.csr_pem
    assert anonymous.do("cas", "getPendingCertificateRequestList").status == 401
    waiting = someone.do("cas", "getPendingCertificateRequestList").expect(200).json()
    assert {entry["id"] for entry in waiting} == {service_id, unwanted_id}
    someone.do("cas", "createCertificate", crt_id=service_id).expect(204)
    someone.do("cas", "deletePendingCertificateRequest", csr_id=unwanted_id).expect(204)
    assert someone.do("cas", "getPendingCertificateRequestList").json() == []

    crt_pem = anonymous.do("cas", "getCertificate", csr_id=service_id).expect(200).body
    new = make("www")
    renewal = service.signed({"crt_pem": crt_pem.decode(), "renew_csr_pem": new.csr_pem.decode()})
    new_pem = anonymous.do("cas", "renewCertificate", renewal, JSON).expect(200).body
    revocation = new.signed({"revoke_crt_pem": new_pem.decode()})
    anonymous.do("cas", "revokeCertificate", revocation, JSON).expect(204)
    anonymous.do("cas", "revokeCertificate", null({"revoke_serial": 5}), JSON).expect(401)

    found = authority_key_id(ca)
    assert found is not None
    aki = int.from_bytes(found, "big")
    der = anonymous.do("cas", "getCertificateRevocationListDER", authority_key_id=aki).expect(200).body
    pem = anonymous.do("cas", "getCertificateRevocationList", authority_key_id=aki).expect(200).body
    assert pem == anonymous.do("cas", "getCertificateRevocationListList").expect(200).body
    crl = x509.load_der_x509_crl(der)
    assert crl == x509.load_pem_x509_crl(pem)
    serial = x509.load_pem_x509_certificate(new_pem).serial_number
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None
