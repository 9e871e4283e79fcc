"""Web sites of others, over HTTP and HTTPS: the application that asks for consent, and the page that is up to no good.

One server answers for all their names. What a page does is up to the test that runs scripts in it, or puts the page there.
"""

from __future__ import annotations

import contextlib
import datetime
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from caucase.core.x509 import dump_pem, dump_private_key

APPLICATION, EVIL = "app.test", "evil.test"
SIBLING = "app.ca.test"  # of the server
_BLANK = b'<!DOCTYPE html><html lang="en"><title>A page of another site</title><body>A page of another site.'


@dataclass(kw_only=True)
class Sites:
    """``pages``: what is served, by path, at every host; everything else is a page without content."""

    http_port: int
    https_port: int
    ca_pem: bytes
    pages: dict[str, bytes] = field(default_factory=dict)

    def origin(self, host: str, scheme: str = "https") -> str:
        return f"{scheme}://{host}:{self.https_port if scheme == 'https' else self.http_port}"

    def url(self, host: str, path: str = "/", scheme: str = "https") -> str:
        return self.origin(host, scheme) + path

    def put(self, path: str, body: str) -> None:
        """Serve this as HTML."""
        self.pages[path] = (
            f'<!DOCTYPE html><html lang="en"><title>A page of another site</title>{body}'.encode()
        )


@contextlib.contextmanager
def serving(folder: Path, hosts: list[str]) -> Iterator[Sites]:
    """Sites at these hosts, all at 127.0.0.1."""
    ca_pem, bundle = _certificates(folder, hosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    with _Server(("127.0.0.1", 0), _Handler) as http, _Server(("127.0.0.1", 0), _Handler) as https:
        # The handshake is for the thread of the connection, not for the one that accepts.
        https.socket = context.wrap_socket(https.socket, server_side=True, do_handshake_on_connect=False)
        sites = Sites(http_port=http.server_port, https_port=https.server_port, ca_pem=ca_pem)
        threads = []
        for server in (http, https):
            server.pages = sites.pages
            threads.append(threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}))
            threads[-1].start()
        try:
            yield sites
        finally:
            for server in (http, https):
                server.shutdown()
            for thread in threads:
                thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    pages: dict[str, bytes]

    def handle_error(self, request: object, client_address: object) -> None:
        """Browsers end connections as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    timeout = 20

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        body = self.server.pages.get(self.path.partition("?")[0], _BLANK)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Nobody reads it."""


def _certificates(folder: Path, hosts: list[str]) -> tuple[bytes, Path]:
    """The CA of the other sites, PEM, and a file with key and certificate of their server."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA of the other sites")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Other sites")])

    def certificate(
        name: x509.Name, public: ec.EllipticCurvePublicKey, *more: x509.ExtensionType
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        day = datetime.timedelta(days=1)
        builder = builder.not_valid_before(now - day).not_valid_after(now + 30 * day)
        for extension in more:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(ca_key, hashes.SHA256())

    ca = certificate(issuer, ca_key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    purposes = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
    leaf = certificate(subject, key.public_key(), names, purposes)
    bundle = folder / "sites.pem"
    bundle.write_bytes(dump_private_key(key) + dump_pem(leaf))
    return dump_pem(ca), bundle
