"""Signed messages (protocol, section 3) made by hand, with cryptography alone: both servers take them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509

from .material import make_request, revoked_serials
from .servers import Server
from .wire import HASHES, JSON, issue, message, null_message, request, signed_message

RENEW, REVOKE = "/cas/crt/renew", "/cas/crt/revoke"


@pytest.mark.parametrize("digest", list(HASHES))
def test_renewal(server: Server, user: Path, tmp_path: Path, digest: str) -> None:
    """A renewal whose answer was lost is sent again: ours answers it again, the peer has forgotten."""
    old = make_request(tmp_path, "old", extensions=["subjectAltName=DNS:old.example"])
    new = make_request(tmp_path, "new")
    crt_pem = issue(server, old.csr_pem, user)
    payload = {"crt_pem": crt_pem.decode(), "renew_csr_pem": new.csr_pem.decode()}
    body = signed_message(payload, old.key_path, digest)

    answer = request(server, "PUT", RENEW, body, JSON).expect(200)
    assert answer.type == "application/pkix-cert"
    crt = x509.load_pem_x509_certificate(answer.body)
    assert crt.subject.rfc4514_string() == "CN=old"
    names = crt.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["old.example"]
    key_identifier = crt.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    csr = x509.load_pem_x509_csr(new.csr_pem)
    assert key_identifier == x509.SubjectKeyIdentifier.from_public_key(csr.public_key())

    repeated = request(server, "PUT", RENEW, body, JSON)
    if server.ours:
        assert repeated.expect(200).body == answer.body
    else:
        repeated.expect(404)


def test_line_end_after_the_signature(server: Server, user: Path, tmp_path: Path) -> None:
    """The peer's client ends its base64 with one."""
    made = make_request(tmp_path, "www")
    crt_pem = issue(server, made.csr_pem, user)
    sent = json.loads(signed_message({"revoke_crt_pem": crt_pem.decode()}, made.key_path))
    sent["signature"] += "\n"
    request(server, "PUT", REVOKE, json.dumps(sent).encode(), JSON).expect(204)


@pytest.mark.parametrize("digest", list(HASHES))
def test_revocation(server: Server, user: Path, tmp_path: Path, digest: str) -> None:
    """By the holder of the key. A second time is a conflict, which the peer calls a bad request."""
    made = make_request(tmp_path, "www")
    crt_pem = issue(server, made.csr_pem, user)
    body = signed_message({"revoke_crt_pem": crt_pem.decode()}, made.key_path, digest)
    assert request(server, "PUT", REVOKE, body, JSON).expect(204).body == b""
    assert _serial(crt_pem) in _revoked(server, tmp_path)
    request(server, "PUT", REVOKE, body, JSON).expect(409 if server.ours else 400)

    new = make_request(tmp_path, "new")
    payload = {"crt_pem": crt_pem.decode(), "renew_csr_pem": new.csr_pem.decode()}
    request(server, "PUT", RENEW, signed_message(payload, made.key_path, digest), JSON).expect(400)


def test_revocation_by_a_user(server: Server, user: Path, tmp_path: Path) -> None:
    """Without a signature, over HTTPS with a user's certificate."""
    crt_pem = issue(server, make_request(tmp_path, "www").csr_pem, user)
    body = null_message({"revoke_crt_pem": crt_pem.decode()})
    answer = request(server, "PUT", REVOKE, body, JSON, user=user).expect(204)
    assert answer.headers["Cache-Control"] == "private"
    assert _serial(crt_pem) in _revoked(server, tmp_path)
    request(server, "PUT", REVOKE, body, JSON, user=user).expect(409 if server.ours else 400)
    by_serial = null_message({"revoke_serial": _serial(crt_pem)})
    request(server, "PUT", REVOKE, by_serial, JSON, user=user).expect(409)


def test_revocation_by_serial(server: Server, user: Path, tmp_path: Path) -> None:
    serial = _serial(issue(server, make_request(tmp_path, "www").csr_pem, user))
    body = null_message({"revoke_serial": serial})
    request(server, "PUT", REVOKE, body, JSON, user=user).expect(204)
    assert serial in _revoked(server, tmp_path)
    request(server, "PUT", REVOKE, body, JSON, user=user).expect(409)


def test_signed_message_over_https_without_a_certificate(server: Server, user: Path, tmp_path: Path) -> None:
    """The signature is what authorises, however the message comes."""
    made = make_request(tmp_path, "www")
    crt_pem = issue(server, made.csr_pem, user)
    body = signed_message({"revoke_crt_pem": crt_pem.decode()}, made.key_path)
    request(server, "PUT", REVOKE, body, JSON, tls=True).expect(204)


def test_digest_is_part_of_what_is_signed(server: Server, user: Path, tmp_path: Path) -> None:
    made = make_request(tmp_path, "www")
    crt_pem = issue(server, made.csr_pem, user)
    sent = json.loads(signed_message({"revoke_crt_pem": crt_pem.decode()}, made.key_path, "sha256"))
    for digest in ("sha512", "md5", None):
        changed = message(sent["payload"], digest=digest, signature=sent["signature"])
        assert request(server, "PUT", REVOKE, changed, JSON).status in (400, 401, 500)
    assert _serial(crt_pem) not in _revoked(server, tmp_path)


def test_renewal_is_not_open_to_users(server: Server, user: Path, tmp_path: Path) -> None:
    """Only the holder of the key renews: an unsigned message is refused, a user's certificate or not."""
    crt_pem = issue(server, make_request(tmp_path, "www").csr_pem, user)
    csr_pem = make_request(tmp_path, "new").csr_pem
    body = null_message({"crt_pem": crt_pem.decode(), "renew_csr_pem": csr_pem.decode()})
    for client in (None, user):
        answer = request(server, "PUT", RENEW, body, JSON, tls=True, user=client)
        assert answer.status in ((400, 401) if server.ours else (500,))


def _serial(crt_pem: bytes) -> int:
    return x509.load_pem_x509_certificate(crt_pem).serial_number


def _revoked(server: Server, folder: Path) -> set[int]:
    lists = folder / "cas.crl.pem"
    lists.write_bytes(request(server, "GET", "/cas/crl").expect(200).body)
    return revoked_serials(lists)
