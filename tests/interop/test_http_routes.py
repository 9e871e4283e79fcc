"""The routes of the protocol (section 2) on both servers, when nothing goes wrong."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from cryptography import x509

from .material import authority_key_id, key_id, make_request, read_crls
from .servers import Server
from .wire import PKCS10, issue, pending, request, submit
from .work import SharedWork

CONTEXTS = ("cau", "cas")
# The links and actions of each context that need a user's certificate, then the others.
AUTHENTICATED = {
    "getPendingCertificateRequestList",
    "deletePendingCertificateRequest",
    "createCertificate",
}
ANYBODYS = {
    "getCertificateRevocationListList",
    "getCertificateRevocationList",
    "getCertificateSigningRequest",
    "createCertificateSigningRequest",
    "getCACertificate",
    "getCACertificateChain",
    "revokeCertificate",
    "renewCertificate",
    "getCertificate",
}


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "application/hal+json"),
        ("/{c}", "application/hal+json"),
        ("/{c}/crl", "application/pkix-crl"),
        ("/{c}/crl/{aki}", "application/pkix-crl"),
        ("/{c}/crt/ca.crt.pem", "application/x-x509-ca-cert"),
        ("/{c}/crt/ca.crt.json", "application/json"),
    ],
)
def test_public_documents(server: Server, path: str, media_type: str, tls: bool) -> None:
    for context in CONTEXTS:
        where = path.format(c=context, aki=_authority(server, context))
        answer = request(server, "GET", where, tls=tls).expect(200)
        assert answer.type == media_type
        assert parsedate_to_datetime(answer.headers["Date"])


def test_trust_anchor_and_its_list(server: Server, tmp_path: Path) -> None:
    for context in CONTEXTS:
        ca = x509.load_pem_x509_certificate(request(server, "GET", f"/{context}/crt/ca.crt.pem").body)
        assert ca.subject.rfc4514_string() == f"CN=Caucase {context.upper()} at {server.netloc}"
        basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
        assert basic.critical
        assert basic.value == x509.BasicConstraints(ca=True, path_length=0)
        usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.key_cert_sign
        assert usage.value.crl_sign
        assert not usage.value.digital_signature

        lists = tmp_path / context
        lists.write_bytes(request(server, "GET", f"/{context}/crl").body)
        (crl,) = read_crls(lists)
        assert crl.issuer == ca.subject
        assert crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
        assert authority_key_id(crl) == authority_key_id(ca)
        one = request(server, "GET", f"/{context}/crl/{_authority(server, context)}").body
        assert x509.load_pem_x509_crl(one).issuer == ca.subject


def test_chain_of_a_young_authority_is_empty(server: Server) -> None:
    for context in CONTEXTS:
        assert request(server, "GET", f"/{context}/crt/ca.crt.json").expect(200).json() == []


def test_hal_documents(server: Server) -> None:
    home = request(server, "GET", "/").json()
    assert {name: link["href"] for name, link in home["_links"].items()} == {
        "self": "/",
        "getCAUHAL": "/cau",
        "getCASHAL": "/cas",
    }
    for context in CONTEXTS:
        plain, secure = (request(server, "GET", f"/{context}", tls=tls).json() for tls in (False, True))
        assert plain["_links"]["self"] == {"href": f"/{context}"}
        assert plain["_links"]["home"] == {"href": "/"}
        described = {**plain["_links"], **plain["_actions"]}
        assert set(described) >= AUTHENTICATED | ANYBODYS
        for name in AUTHENTICATED | ANYBODYS:
            base = f"{server.https_url}/{context}/" if name in AUTHENTICATED else f"/{context}/"
            assert described[name]["href"].startswith(base), name
            assert described[name]["title"]
            assert described[name].get("templated", False) == ("{+" in described[name]["href"])
        assert all(action["method"] in ("PUT", "DELETE") for action in plain["_actions"].values())
        everything = {**secure["_links"], **secure["_actions"]}
        assert all(entry["href"].startswith("/") for entry in everything.values())


def test_life_of_a_request(server: Server, user: Path, tmp_path: Path) -> None:
    made = make_request(tmp_path, "www")
    csr_id = submit(server, "cas", made.csr_pem)
    assert 0 < int(csr_id) < 2**63
    stored = request(server, "GET", f"/cas/csr/{csr_id}").expect(200)
    assert stored.type == "application/pkcs10"
    assert stored.body.split() == made.csr_pem.split()
    assert pending(server, "cas", user)[csr_id].split() == made.csr_pem.decode().split()
    request(server, "GET", f"/cas/crt/{csr_id}").expect(404)
    assert submit(server, "cas", made.csr_pem) == csr_id

    template = make_request(tmp_path, "granted")
    signed = request(server, "PUT", f"/cas/crt/{csr_id}", template.csr_pem, PKCS10, user=user).expect(204)
    assert signed.body == b""
    answer = request(server, "GET", f"/cas/crt/{csr_id}").expect(200)
    assert answer.type == "application/pkix-cert"
    crt = x509.load_pem_x509_certificate(answer.body)
    assert crt.subject.rfc4514_string() == "CN=granted"
    key_identifier = crt.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert key_identifier.digest.hex() == key_id(made.key_path)
    assert csr_id not in pending(server, "cas", user)

    unwanted = submit(server, "cas", make_request(tmp_path, "unwanted").csr_pem)
    rejected = request(server, "DELETE", f"/cas/csr/{unwanted}", user=user).expect(204)
    assert rejected.body == b""
    request(server, "GET", f"/cas/csr/{unwanted}").expect(404)


def test_request_of_any_content_type(server: Server, tmp_path: Path) -> None:
    """The type is only checked where the protocol says so."""
    for number, headers in enumerate(({}, {"Content-Type": "text/plain"}, PKCS10)):
        csr_pem = make_request(tmp_path, f"typed{number}").csr_pem
        assert request(server, "PUT", "/cas/csr", csr_pem, headers).expect(201).body == b""


def test_authenticated_answers_are_private(server: Server, user: Path, tmp_path: Path) -> None:
    for context in CONTEXTS:
        answer = request(server, "GET", f"/{context}/csr", user=user).expect(200)
        assert answer.type == "application/json"
        assert answer.headers["Cache-Control"] == "private"
    csr_id = submit(server, "cas", make_request(tmp_path, "www").csr_pem)
    signed = request(server, "PUT", f"/cas/crt/{csr_id}", user=user).expect(204)
    assert signed.headers["Cache-Control"] == "private"


def test_options_are_answered_anywhere(server: Server, work: SharedWork) -> None:
    for path in ("/", "/cas", "/cas/csr", f"/cas/csr/{work.pending_id}", "/cas/crt/renew", "/cas/crt/1"):
        assert request(server, "OPTIONS", path).expect(204).body == b""


def test_user_request_for_a_known_key(server: Server, tmp_path: Path) -> None:
    """One entry for each user key. Ours tells what is wrong, the peer fails with 500."""
    first = make_request(tmp_path, "first")
    csr_id = submit(server, "cau", first.csr_pem)
    assert submit(server, "cau", first.csr_pem) == csr_id
    second = make_request(tmp_path, "second", key=first.key)
    request(server, "PUT", "/cau/csr", second.csr_pem, PKCS10).expect(409 if server.ours else 500)


def test_service_request_for_a_known_key(server: Server, user: Path, tmp_path: Path) -> None:
    first = make_request(tmp_path, "first")
    second = make_request(tmp_path, "second", key=first.key)
    certificates = [issue(server, made.csr_pem, user) for made in (first, second)]
    assert len({x509.load_pem_x509_certificate(pem).serial_number for pem in certificates}) == 2


def _authority(server: Server, context: str) -> int:
    ca = x509.load_pem_x509_certificate(request(server, "GET", f"/{context}/crt/ca.crt.pem").expect(200).body)
    return int.from_bytes(authority_key_id(ca), "big")
