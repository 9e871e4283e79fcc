"""One HTTP request and its answer, over http.client and ssl alone: what is really on the wire.

Must never repair what it reads: no redirects followed, no encodings undone, no server certificate checked.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from .material import read_key
from .servers import ADDRESS, Server

SECONDS = 30
JSON = {"Content-Type": "application/json"}
PKCS10 = {"Content-Type": "application/pkcs10"}
HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Message
    body: bytes

    @property
    def type(self) -> str:
        """The media type, without parameters."""
        return self.headers.get_content_type() if "Content-Type" in self.headers else ""

    def json(self) -> Any:
        return json.loads(self.body)

    def expect(self, status: int) -> Answer:
        assert self.status == status, f"expected {status}, not {self.status}: {self.body!r}"
        return self


def request(
    server: Server,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    tls: bool = False,
    user: Path | None = None,
) -> Answer:
    """Send one request: over HTTPS with `tls` or `user`, a file with the client's key and certificate.

    A body given as an iterator goes out with ``Transfer-Encoding: chunked``.
    """
    connection = connect(server, tls=tls, user=user)
    try:
        connection.request(method, path, body, dict(headers or {}))
        return read(connection)
    finally:
        connection.close()


def connect(server: Server, *, tls: bool = False, user: Path | None = None) -> http.client.HTTPConnection:
    if not tls and user is None:
        return http.client.HTTPConnection(ADDRESS, server.port, timeout=SECONDS)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if user is not None:
        context.load_cert_chain(user)
    return http.client.HTTPSConnection(ADDRESS, server.https_port, timeout=SECONDS, context=context)


def read(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    return Answer(status=response.status, headers=response.headers, body=response.read())


def signed_message(payload: Mapping[str, object], key: Path, digest: str = "sha256") -> bytes:
    """A signed message as a holder of the key in the file `key` would send it (protocol, section 3)."""
    text = json.dumps(payload)
    algorithm = HASHES[digest]()
    pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=padding.PSS.MAX_LENGTH)
    signature = read_key(key).sign(text.encode() + digest.encode() + b" ", pss, algorithm)
    return message(text, digest=digest, signature=base64.b64encode(signature).decode())


def null_message(payload: Mapping[str, object]) -> bytes:
    """A message without a signature: only good over HTTPS with a user's certificate."""
    return message(json.dumps(payload), digest=None)


def message(payload: str, **members: object) -> bytes:
    return json.dumps({"payload": payload, **members}).encode()


def submit(server: Server, context: str, csr_pem: bytes) -> str:
    """Put a request; its id."""
    answer = request(server, "PUT", f"/{context}/csr", csr_pem, PKCS10).expect(201)
    location = answer.headers["Location"]
    assert location.isdecimal(), location
    return location


def pending(server: Server, context: str, user: Path) -> dict[str, str]:
    """The requests that wait: id → PEM."""
    answer = request(server, "GET", f"/{context}/csr", user=user).expect(200)
    return {entry["id"]: entry["csr"] for entry in answer.json()}


def issue(server: Server, csr_pem: bytes, user: Path) -> bytes:
    """Submit a service request, sign it as `user`, and fetch the PEM certificate."""
    csr_id = submit(server, "cas", csr_pem)
    request(server, "PUT", f"/cas/crt/{csr_id}", user=user).expect(204)
    return request(server, "GET", f"/cas/crt/{csr_id}").expect(200).body


def become_user(server: Server, csr_pem: bytes) -> bytes:
    """Submit a user's request to a server that approves it at once, and fetch the PEM certificate."""
    csr_id = submit(server, "cau", csr_pem)
    return request(server, "GET", f"/cau/crt/{csr_id}").expect(200).body
