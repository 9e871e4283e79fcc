"""One HTTP request and its answer, over http.client and ssl alone: what is really on the wire."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

ADDRESS = "127.0.0.1"
SECONDS = 20
GET = b"GET /cas HTTP/1.1\r\nHost: x\r\n\r\n"
JSON = {"Content-Type": "application/json"}
PKCS10 = {"Content-Type": "application/pkcs10"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Message
    body: bytes

    @property
    def type(self) -> str:
        return self.headers.get_content_type() if "Content-Type" in self.headers else ""

    @property
    def sentence(self) -> str:
        """The body of an error: one sentence for a person."""
        assert self.headers["Content-Type"] == "text/plain; charset=utf-8"
        text = self.body.decode()
        assert text.endswith(".")
        assert "\n" not in text
        return text

    def json(self) -> Any:
        return json.loads(self.body)

    def expect(self, status: int) -> Answer:
        assert self.status == status, f"expected {status}, not {self.status}: {self.body!r}"
        return self


def insecure(user: Path | None = None) -> ssl.SSLContext:
    """Who the server is does not matter to these tests, except to those that say so."""
    context = ssl.SSLContext(
        ssl.PROTOCOL_TLS_CLIENT
    )  # which reads no store of CAs: that takes longer than a handshake
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if user is not None:
        context.load_cert_chain(user)
    return context


@dataclass(frozen=True, kw_only=True)
class Client:
    """Asks a server: HTTP on ``port``, HTTPS on the next."""

    port: int

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        tls: bool = False,
        user: Path | None = None,
    ) -> Answer:
        """Send one request: over HTTPS with ``tls``, with the client certificate in ``user`` when given.

        A body given as an iterator goes out with ``Transfer-Encoding: chunked``.
        """
        connection = self.connect(tls=tls, user=user)
        try:
            connection.request(method, path, body, dict(headers or {}))
            return read(connection)
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None, **how: Any) -> Answer:
        return self.ask("GET", path, headers=headers, **how)

    def connect(self, *, tls: bool = False, user: Path | None = None) -> http.client.HTTPConnection:
        if not tls and user is None:
            return http.client.HTTPConnection(ADDRESS, self.port, timeout=SECONDS)
        return http.client.HTTPSConnection(ADDRESS, self.port + 1, timeout=SECONDS, context=insecure(user))

    def raw(self, data: bytes) -> bytes:
        """Send bytes over HTTP, and read until the server closes the connection."""
        with socket.create_connection((ADDRESS, self.port), timeout=SECONDS) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    # The usual ways through the API

    def submit(self, context: str, csr_pem: bytes) -> str:
        return self.ask("PUT", f"/{context}/csr", csr_pem, PKCS10).expect(201).headers["Location"]

    def become_user(self, csr_pem: bytes) -> bytes:
        """Submit to a server that approves users at once, and fetch the certificate."""
        return self.get(f"/cau/crt/{self.submit('cau', csr_pem)}").expect(200).body

    def issue(self, csr_pem: bytes, user: Path) -> bytes:
        request_id = self.submit("cas", csr_pem)
        self.ask("PUT", f"/cas/crt/{request_id}", user=user).expect(204)
        return self.get(f"/cas/crt/{request_id}").expect(200).body


def read(connection: http.client.HTTPConnection) -> Answer:
    return _answer(connection.getresponse())


def read_from(connection: socket.socket) -> Answer:
    """The next answer on a connection that a test speaks HTTP on by itself."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return _answer(response)


def _answer(response: http.client.HTTPResponse) -> Answer:
    return Answer(status=response.status, headers=response.headers, body=response.read())


def everything(connection: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    with contextlib.suppress(ConnectionResetError):
        return b"".join(iter(lambda: connection.recv(65536), b""))
    return b""


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
