"""TLS as clients meet it: versions, certificates that change while the server runs, client certificates, sessions."""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from caucase.core.x509 import authority_key_id, load_certificate_der, load_certificates
from caucase.store import Database

from .harness import Server
from .material import foreign, make
from .wire import ADDRESS, JSON, SECONDS, insecure, read_from

DAY = timedelta(days=1)
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["tls1.2", "tls1.3"])


class Connection:
    """A TLS connection that can ask several times."""

    def __init__(
        self,
        server: Server,
        context: ssl.SSLContext,
        *,
        name: str | None = "localhost",
        session: ssl.SSLSession | None = None,
    ) -> None:
        raw = socket.create_connection((ADDRESS, server.port + 1), timeout=SECONDS)
        try:
            self.tls = context.wrap_socket(raw, server_hostname=name, session=session)
        except BaseException:
            raw.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.tls.close()

    def status(self, path: str = "/cas/csr") -> int:
        self.tls.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return read_from(self.tls).status

    @property
    def certificate(self) -> x509.Certificate:
        der = self.tls.getpeercert(binary_form=True)
        assert der is not None
        return load_certificate_der(der)


def client_context(version: ssl.TLSVersion | None = None, user: Path | None = None) -> ssl.SSLContext:
    context = insecure(user)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def become_user(server: Server, folder: Path, name: str = "user") -> Path:
    made = make(name)
    return made.bundle(folder / f"{name}.pem", server.client.become_user(made.csr_pem))


def serial(server: Server, *, name: str | None = "localhost") -> int:
    with Connection(server, insecure(), name=name) as connection:
        return connection.certificate.serial_number


def assert_refused(server: Server, bundle: Path, version: ssl.TLSVersion | None = None) -> None:
    """The handshake fails; with TLS 1.3 the client learns that when it reads."""
    context = client_context(version, bundle)
    # A client may be told by an alert, or find the connection gone before it could read that.
    with pytest.raises((ssl.SSLError, ConnectionError)), Connection(server, context) as connection:
        connection.status("/")


# What is spoken


@VERSIONS
def test_versions(server: Server, version: ssl.TLSVersion) -> None:
    context = client_context(version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Connection(server, context) as connection:
        assert connection.tls.selected_alpn_protocol() == "http/1.1"
        assert connection.tls.compression() is None
        assert connection.status("/") == 200


@pytest.mark.parametrize(
    "ciphers", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"]
)
def test_weak_ciphers(server: Server, ciphers: str) -> None:
    """No forward secrecy, no authenticated encryption, and no finite-field Diffie-Hellman that could be slow."""
    context = client_context(TLS_1_2)
    context.set_ciphers(ciphers)
    with pytest.raises(ssl.SSLError):
        Connection(server, context)


def test_renegotiation(server: Server) -> None:
    context = server.in_loop(server.tls.current)
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.minimum_version is TLS_1_2


def test_the_certificate_can_be_verified(server: Server) -> None:
    """By the CA that the signed document names, for the host of netloc."""
    payload = server.client.get("/cas/crt/https-ca.json").json()["payload"]
    context = ssl.create_default_context(cadata=json.loads(payload)["https_ca_pem"])
    with Connection(server, context) as connection:
        assert connection.status("/") == 200


# Certificates that change


@pytest.mark.parametrize("name", ["localhost", "elsewhere.example", None], ids=str)
def test_certificate_is_replaced(own_server: Server, name: str | None) -> None:
    """For every client, and nobody is disconnected."""
    with Connection(own_server, insecure(), name=name) as before:
        first = before.certificate.serial_number
        assert serial(own_server, name=name) == first
        assert own_server.authority is not None
        own_server.clock.ahead = 70 * DAY
        own_server.authority.maintain()
        second = serial(own_server, name=name)
        assert second != first
        assert before.status("/") == 200
        [written, *_] = load_certificates((own_server.folder / "server.key.pem").read_bytes())
        assert written.serial_number == second


@pytest.mark.parametrize("harm", ["missing", "empty", "garbage", "half", "no key", "passphrase"])
def test_unusable_key_file(own_server: Server, caplog: pytest.LogCaptureFixture, harm: str) -> None:
    first = serial(own_server)
    path = own_server.folder / "server.key.pem"
    good = path.read_bytes()
    with caplog.at_level(logging.ERROR):
        match harm:
            case "missing":
                path.unlink()
            case "empty":
                path.write_bytes(b"")
            case "garbage":
                path.write_bytes(os.urandom(1000))
            case "half":
                path.write_bytes(good[: len(good) // 3])
            case "no key":
                path.write_bytes(good[good.index(b"-----BEGIN CERTIFICATE") :])
            case "passphrase":
                path.write_bytes(ENCRYPTED_KEY + good[good.index(b"-----BEGIN CERTIFICATE") :])
        for _ in range(3):
            assert serial(own_server) == first
        [record] = [record for record in caplog.records if record.name == "caucase.server.tls"]
        assert str(path) in record.getMessage()
        path.write_bytes(good)
        assert serial(own_server) == first
        path.unlink()
        assert serial(own_server) == first
        assert len([record for record in caplog.records if record.name == "caucase.server.tls"]) == 2


# An EC key under the passphrase "x".
ENCRYPTED_KEY = b"""\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw
-----END ENCRYPTED PRIVATE KEY-----
"""


def test_unconfigured(bare_server: Server, tmp_path: Path) -> None:
    """HTTPS can say why, also to a client with a certificate; and nothing is on disk."""
    made, crt_pem = foreign("stranger")
    bundle = made.bundle(tmp_path / "stranger.pem", crt_pem)
    for user in (None, bundle):
        with Connection(bare_server, client_context(user=user)) as connection:
            assert connection.status("/") == 503
            throwaway = connection.certificate
    assert throwaway.subject == throwaway.issuer
    assert [path.name for path in tmp_path.iterdir()] == ["stranger.pem"]


def test_configured_at_last(bare_server: Server, database: Database, tmp_path: Path) -> None:
    throwaway = serial(bare_server)
    bare_server.configure(database)
    assert serial(bare_server) != throwaway
    bundle = become_user(bare_server, tmp_path)
    assert bare_server.client.get("/cas/csr", user=bundle).status == 200


# Client certificates


def test_a_connection_from_before_is_no_reason_to_refuse_a_user(
    bare_server: Server, database: Database, tmp_path: Path
) -> None:
    """TLS could not ask for a certificate then, and the next connection can."""
    plain = socket.create_connection((ADDRESS, bare_server.client.port + 1), timeout=SECONDS)
    with insecure().wrap_socket(plain) as before:
        bare_server.configure(database)
        made = make("user")
        user = made.bundle(tmp_path / "user.pem", bare_server.client.become_user(made.csr_pem))
        before.sendall(b"GET /cau/csr HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = read_from(before).expect(503)
        assert answer.headers["Connection"] == "close"
        assert before.recv(1) == b""
    bare_server.client.get("/cau/csr", user=user).expect(200)


@VERSIONS
def test_users(server: Server, user: Path, version: ssl.TLSVersion) -> None:
    with Connection(server, client_context(version, user)) as connection:
        assert [connection.status(), connection.status()] == [200, 200]
    with Connection(server, client_context(version)) as connection:
        assert [connection.status(), connection.status("/")] == [401, 200]


@VERSIONS
def test_foreign_certificate(own_server: Server, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Before and after the server's certificate has changed."""
    made, crt_pem = foreign("stranger")
    bundle = made.bundle(tmp_path / "stranger.pem", crt_pem)
    assert_refused(own_server, bundle, version)
    first = serial(own_server)
    assert own_server.authority is not None
    own_server.clock.ahead = 70 * DAY
    own_server.authority.maintain()
    assert serial(own_server) != first
    assert_refused(own_server, bundle, version)


def test_service_certificate(own_server: Server, tmp_path: Path) -> None:
    """CAS holders are nobody here."""
    user, service = become_user(own_server, tmp_path), make("www")
    bundle = service.bundle(tmp_path / "www.pem", own_server.client.issue(service.csr_pem, user))
    assert_refused(own_server, bundle)


@VERSIONS
def test_certificate_authorities_change(
    bare_server: Server, database: Database, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """A server that has run for 300 days: expired users are out; those of the old and of the new CA are in."""
    server = bare_server
    server.clock.ahead = -300 * DAY
    server.configure(database)
    assert server.authority is not None
    expired = become_user(server, tmp_path, "expired")
    assert_refused(server, expired, version)
    assert len(load_certificates(server.authority.user_cas_pem())) == 1

    server.clock.ahead = -110 * DAY
    server.authority.maintain()
    assert len(load_certificates(server.authority.user_cas_pem())) == 2
    server.clock.ahead = -50 * DAY
    old = become_user(server, tmp_path, "old")
    server.clock.ahead = timedelta()
    new = become_user(server, tmp_path, "new")
    assert len({_issuer(bundle) for bundle in (expired, old, new)}) == 2
    for bundle in (old, new):
        with Connection(server, client_context(version, bundle)) as connection:
            assert connection.status() == 200
    assert_refused(server, expired, version)


def _issuer(bundle: Path) -> bytes | None:
    return authority_key_id(load_certificates(bundle.read_bytes())[0])


# Sessions


def resumable(server: Server, context: ssl.SSLContext) -> ssl.SSLSession:
    with Connection(server, context) as connection:
        assert connection.status() in (200, 401)
        session = connection.tls.session
    assert session is not None
    return session


@VERSIONS
def test_resumed_session_keeps_its_user(server: Server, user: Path, version: ssl.TLSVersion) -> None:
    context = client_context(version, user)
    with Connection(server, context, session=resumable(server, context)) as connection:
        assert connection.tls.session_reused
        assert connection.status() == 200


@VERSIONS
def test_resumed_session_without_user_has_none(server: Server, version: ssl.TLSVersion) -> None:
    context = client_context(version)
    with Connection(server, context, session=resumable(server, context)) as connection:
        assert connection.tls.session_reused
        assert connection.status() == 401


@VERSIONS
def test_resumed_session_of_a_revoked_user(
    own_server: Server, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    made = make("user")
    crt_pem = own_server.client.become_user(made.csr_pem)
    context = client_context(version, made.bundle(tmp_path / "user.pem", crt_pem))
    session = resumable(own_server, context)
    message = made.signed({"revoke_crt_pem": crt_pem.decode()})
    own_server.client.ask("PUT", "/cau/crt/revoke", message, JSON).expect(204)
    with Connection(own_server, context, session=session) as connection:
        assert connection.tls.session_reused
        assert connection.status() == 401
        assert connection.status("/") == 200


@VERSIONS
def test_resumed_session_of_an_expired_user(
    own_server: Server, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    context = client_context(version, become_user(own_server, tmp_path))
    session = resumable(own_server, context)
    own_server.clock.ahead = 94 * DAY
    with Connection(own_server, context, session=session) as connection:
        assert connection.tls.session_reused
        assert connection.status() == 401


@VERSIONS
def test_no_session_outlives_a_change(own_server: Server, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """What was verified against the CAs of before is verified again."""
    context = client_context(version, become_user(own_server, tmp_path))
    session = resumable(own_server, context)
    assert own_server.authority is not None
    own_server.clock.ahead = 70 * DAY
    own_server.authority.maintain()
    with Connection(own_server, context, session=session) as connection:
        assert not connection.tls.session_reused
        assert connection.status() == 200
