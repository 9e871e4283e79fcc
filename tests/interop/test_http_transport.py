"""How requests and answers travel: bodies in pieces or too long, wrong methods, connections, handshakes."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from pathlib import Path

import pytest

from .material import make_foreign_certificate, make_request
from .servers import ADDRESS, Server
from .wire import JSON, Answer, connect, pending, read, request
from .work import SharedWork, assert_one_sentence

MEBIBYTE = 1 << 20
LIMIT = 10 * MEBIBYTE


def test_chunked_upload(server: Server, tmp_path: Path) -> None:
    csr_pem = make_request(tmp_path, "chunked").csr_pem
    answer = request(server, "PUT", "/cas/csr", iter([csr_pem[:100], csr_pem[100:]])).expect(201)
    csr_id = answer.headers["Location"]
    assert request(server, "GET", f"/cas/csr/{csr_id}").expect(200).body.split() == csr_pem.split()


def test_expect_100_continue(server: Server, tmp_path: Path) -> None:
    """The server asks for the body before it has seen a byte of it."""
    csr_pem = make_request(tmp_path, "expected").csr_pem
    head = (
        f"PUT /cas/csr HTTP/1.1\r\nHost: {server.netloc}\r\nContent-Length: {len(csr_pem)}\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((ADDRESS, server.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert re.match(rb"HTTP/1\.[01] 100 ", connection.recv(1000))
        connection.sendall(csr_pem)
        with connection.makefile("rb") as stream:
            assert re.match(rb"HTTP/1\.[01] 201 ", stream.read())


def test_body_over_the_limit(server: Server, user: Path) -> None:
    before = pending(server, "cas", user)
    answer = _send_as_much_as_taken(server, LIMIT + MEBIBYTE)
    assert answer.status == 413
    if server.ours:
        assert_one_sentence(answer)
    assert pending(server, "cas", user) == before


def test_chunked_body_over_the_limit(server: Server, user: Path) -> None:
    connection = connect(server)
    connection.putrequest("PUT", "/cas/csr")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    try:
        for _ in range(12):
            connection.send(b"100000\r\n" + b"x" * MEBIBYTE + b"\r\n")
        connection.send(b"0\r\n\r\n")
    except OSError:  # refused before all was sent
        pass
    answer = read(connection)
    connection.close()
    assert answer.status == 413


def test_bad_content_length(server: Server) -> None:
    request(server, "PUT", "/cas/csr", headers={"Content-Length": "abc"}).expect(400)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("POST /", "GET"),
        ("PUT /cas", "GET"),
        ("PROPFIND /cas", "GET"),
        ("PUT /cas/crl", "GET"),
        ("POST /cas/csr", "GET PUT"),
        ("POST /cas/csr/{pending}", "GET DELETE"),
        ("DELETE /cas/crt/{signed}", "GET PUT"),
        ("PATCH /cas/crt/ca.crt.pem", "GET"),
        ("PUT /cas/crt/ca.crt.pem", "GET"),
        ("PUT /cas/crt/ca.crt.json", "GET"),
        ("GET /cas/crt/renew", "PUT"),
        ("POST /cas/crt/renew", "PUT"),
        ("GET /cas/crt/revoke", "PUT"),
    ],
)
def test_wrong_method(server: Server, work: SharedWork, asked: str, allowed: str) -> None:
    method, path = asked.split()
    answer = request(server, method, path.format(pending=work.pending_id, signed=work.signed_id))
    answer.expect(405)
    assert set(allowed.split()) <= set(re.split(r",\s*", answer.headers["Allow"]))
    assert method not in answer.headers["Allow"]
    if server.ours:
        assert_one_sentence(answer)


def test_json_with_a_charset(server: Server) -> None:
    """Ours reads the media type; the peer compares the whole header and refuses."""
    typed = {"Content-Type": "application/json; charset=utf-8"}
    answer = request(server, "PUT", "/cas/crt/renew", b"{", typed).expect(400)
    assert (b"Content-Type" in answer.body) == (not server.ours)
    assert request(server, "PUT", "/cas/crt/renew", b"{", JSON).expect(400)


def test_https_certificate_authority_is_not_on_the_peers_wire(server: Server) -> None:
    """Where ours answers, the peer takes the name for an id that is no number: clients know it by that."""
    request(server, "GET", "/cas/crt/https-ca.json").expect(200 if server.ours else 400)


def test_connections_are_kept(server: Server) -> None:
    """Ours speaks HTTP/1.1; the peer answers HTTP/1.0 and closes."""
    connection = connect(server)
    connection.request("GET", "/cas")
    read(connection)
    assert (connection.sock is not None) == server.ours
    connection.close()


def test_http_1_0_client(server: Server) -> None:
    with socket.create_connection((ADDRESS, server.port), timeout=30) as connection:
        connection.sendall(b"GET /cas/crt/ca.crt.pem HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as stream:
            assert stream.read().endswith(b"-----END CERTIFICATE-----\n")


def test_what_is_not_http(server: Server) -> None:
    with socket.create_connection((ADDRESS, server.port), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            stream.read()
    request(server, "GET", "/cas").expect(200)


def test_foreign_client_certificate_fails_the_handshake(server: Server, tmp_path: Path) -> None:
    foreign = make_foreign_certificate(tmp_path, "foreign")
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        request(server, "GET", "/cas", user=foreign)


def test_service_certificate_fails_the_handshake(server: Server, work: SharedWork, tmp_path: Path) -> None:
    service = tmp_path / "service.pem"
    service.write_bytes(work.service.key_path.read_bytes() + work.crt_pem)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        request(server, "GET", "/cas", user=service)


def _send_as_much_as_taken(server: Server, size: int) -> Answer:
    """Send a body of `size` bytes until the server stops reading, then read what it has to say."""
    connection = connect(server)
    connection.putrequest("PUT", "/cas/csr")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    try:
        for _ in range(size // MEBIBYTE):
            connection.send(b"x" * MEBIBYTE)
    except OSError:  # refused before all was sent
        pass
    answer = read(connection)
    connection.close()
    return answer
