"""The body of each route that takes one, with the header it should have, by a user and by a stranger."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from caucase.authority import RequestId
from fuzz.authority import ADDRESS
from fuzz.connection import Server, server
from fuzz.judge import Run
from fuzz.target import Target

# By the first byte of an input: method, path, type; ``{id}`` is a request that waits. Upper case: as a user.
_ROUTES = {
    b"c": (b"PUT /cas/csr", b"application/pkcs10"),
    b"u": (b"PUT /cau/csr", b"application/pkcs10"),
    b"S": (b"PUT /cas/crt/{id}", b"application/pkcs10"),
    b"r": (b"PUT /cas/crt/renew", b"application/json"),
    b"v": (b"PUT /cas/crt/revoke", b"application/json"),
    b"V": (b"PUT /cas/crt/revoke", b"application/json"),
    b"O": (b"POST /cors", b"application/x-www-form-urlencoded"),
    b"F": (b"POST /ui/cas/changes/{id}", b"application/x-www-form-urlencoded"),
    b"T": (b"POST /ui/consents", b"application/x-www-form-urlencoded"),
}


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Run]:
    with server(folder) as started:
        office = started.office
        waiting = office.authority.services.requests.submit(office.csr_pem + b"\n", address=ADDRESS)
        yield lambda data: _run(started, waiting, data)


def _run(started: Server, waiting: RequestId, data: bytes) -> None:
    kind, body = data[:1], memoryview(data)[1:]
    start, media_type = _ROUTES.get(kind, _ROUTES[b"c"])
    for place, pem in ((b"@CRT@", started.office.service_pem), (b"@CSR@", started.office.csr_pem)):
        if place in data:
            body = memoryview(
                bytes(body).replace(place, json.dumps(pem.decode("ascii"))[1:-1].encode("ascii"), 1)
            )
    header = [
        start.replace(b"{id}", b"%d" % waiting) + b" HTTP/1.1",
        b"Host: localhost:8010",
        b"Origin: https://localhost:8010",
        b"Connection: close",
        b"Content-Type: " + media_type,
        b"Content-Length: %d" % len(body),
    ]
    started.receive(b"\r\n".join(header) + b"\r\n\r\n", body, as_user=kind.isupper())


TARGET = Target(
    opened=_opened,
    limit=10 * 1024 * 1024,
    words=(
        b"-----BEGIN CERTIFICATE REQUEST-----\n",
        b"\n-----END CERTIFICATE REQUEST-----\n",
        b'{"payload": "',
        b'"digest": "sha256"',
        b'"digest": null',
        b'"signature": "',
        b'\\"crt_pem\\": \\"',
        b'\\"renew_csr_pem\\": \\"',
        b'\\"revoke_crt_pem\\": \\"',
        b'\\"revoke_serial\\": ',
        b"@CRT@",
        b"@CSR@",
        b"origin=",
        b"&return=",
        b"&grant=1",
        b"%2f",
        b"subject=CN%3D",
        b"&names=",
        b"&usage=digitalSignature",
        b"&purpose=serverAuth",
        b"&others=1.2.3",
        b"%0d%0a",
        b"URI:",
    ),
    frames=(
        (b"c", b""),
        (b"S-----BEGIN CERTIFICATE REQUEST-----\n", b"\n-----END CERTIFICATE REQUEST-----\n"),
        (b"r", b""),
        (b'V{"payload": "', b'", "digest": null}'),
        (b"O", b""),
        (b"Oorigin=", b"&grant=1"),
        (b"F", b""),
        (b"Fsubject=", b"&names=a.example"),
        (b"Fsubject=CN%3Da&names=", b""),
    ),
)
