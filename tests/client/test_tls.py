"""TLS of the client: what it does not speak, and whom it does not believe, whatever a server offers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from caucase.client.tls import unverified_context, verified_context
from caucase.core.issue import Signer, Validity, issue, issue_ca
from caucase.core.netloc import NetLoc
from caucase.core.profile import https_ca_extensions, https_leaf_extensions
from caucase.core.spki import key_id
from caucase.core.x509 import Serial, dump_pem, dump_private_key

ADDRESS = "127.0.0.1"
NETLOC = NetLoc(host="localhost", port=8009)
Serve = Callable[..., int]


class Authority:
    """An HTTPS CA, and certificates of it for one RSA key: that allows every way of exchanging keys."""

    def __init__(self, number: int = 1) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.now = datetime.now(UTC)
        self.signer: Signer = issue_ca(
            rsa.generate_private_key(65537, 2048),
            subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"CA {number}")]),
            extensions=https_ca_extensions(NETLOC),
            validity=Validity.starting(self.now, timedelta(days=30)),
            serial=Serial(number),
        )

    def bundle(self, folder: Path, netloc: NetLoc = NETLOC, *, ago: timedelta = timedelta()) -> Path:
        certificate = issue(
            self.signer,
            key=self.key.public_key(),
            subject=x509.Name([]),
            extensions=https_leaf_extensions(
                netloc, key_id=key_id(self.key.public_key()), issuer=self.signer.key_id
            ),
            validity=Validity.starting(self.now - ago, timedelta(days=10)),
            serial=Serial(7),
        )
        path = folder / "server.pem"
        path.write_bytes(dump_private_key(self.key) + dump_pem(certificate))
        return path


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that shakes hands, with a context as it is to be; its port."""
    with contextlib.ExitStack() as stack:

        def start(bundle: Path, **settings: object) -> int:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(bundle)
            # As weak as OpenSSL can still be.
            context.set_ciphers(str(settings.pop("ciphers", "ALL:@SECLEVEL=0")))
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            for name, value in settings.items():
                setattr(context, name, value)
            listener = stack.enter_context(socket.create_server((ADDRESS, 0)))

            def shake_hands() -> None:
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with context.wrap_socket(connection, server_side=True) as secured:
                        secured.sendall(b"hello")

            thread = threading.Thread(target=shake_hands)
            thread.start()
            stack.callback(thread.join, 10)
            port: int = listener.getsockname()[1]
            return port

        yield start


def hello(port: int, context: ssl.SSLContext) -> tuple[bytes, str]:
    """What the server says, and the version of TLS in which it does."""
    with (
        socket.create_connection((ADDRESS, port), timeout=10) as raw,
        context.wrap_socket(raw) as connection,
    ):
        return connection.recv(5), connection.version() or ""


CONTEXTS = [
    pytest.param(lambda ca: verified_context("localhost", ca, None), id="verified"),
    pytest.param(lambda _: unverified_context("localhost", None), id="unverified"),
]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(
    ("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
def test_spoken(authority: Authority, serve: Serve, tmp_path: Path, context, version, name: str) -> None:
    port = serve(authority.bundle(tmp_path), maximum_version=version)
    assert hello(port, context(authority.signer.certificate)) == (b"hello", name)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(
    "weakness",
    [
        {"maximum_version": ssl.TLSVersion.TLSv1_1},
        {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0"},
        {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-RSA-AES128-SHA:@SECLEVEL=0"},
    ],
    ids=["TLS 1.1", "no forward secrecy", "no authenticated encryption"],
)
def test_not_spoken(authority: Authority, serve: Serve, tmp_path: Path, context, weakness) -> None:
    port = serve(authority.bundle(tmp_path), **weakness)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        hello(port, context(authority.signer.certificate))


def other_ca(authority: Authority, folder: Path) -> Path:
    return Authority(2).bundle(folder)


def other_name(authority: Authority, folder: Path) -> Path:
    return authority.bundle(folder, NetLoc(host="elsewhere.example", port=1))


def expired(authority: Authority, folder: Path) -> Path:
    return authority.bundle(folder, ago=timedelta(days=11))


@pytest.mark.parametrize("presented", [other_ca, other_name, expired])
def test_not_believed(authority: Authority, serve: Serve, tmp_path: Path, presented) -> None:
    port = serve(presented(authority, tmp_path))
    with pytest.raises(ssl.SSLCertVerificationError):
        hello(port, verified_context("localhost", authority.signer.certificate, None))


def test_the_system_s_authorities_are_not_asked(authority: Authority) -> None:
    """Nobody else's CA is trusted, wherever it comes from."""
    trusted = verified_context("localhost", authority.signer.certificate, None).get_ca_certs()
    assert [one["subject"] for one in trusted] == [((("commonName", "CA 1"),),)]
    assert unverified_context("localhost", None).get_ca_certs() == []
