"""Raw bytes on a connection, over HTTP or, to the application, HTTPS with a user's certificate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fuzz.connection import server
from fuzz.judge import Run
from fuzz.target import Target


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Run]:
    with server(folder) as started:
        yield lambda data: _run(started, data)


def _run(started: object, data: bytes) -> None:
    started.receive(memoryview(data)[1:], as_user=data[:1] == b"U")  # type: ignore[attr-defined]


TARGET = Target(
    opened=_opened,
    limit=10 * 1024 * 1024,
    words=(
        b"GET ",
        b"PUT ",
        b"POST ",
        b"DELETE ",
        b"OPTIONS ",
        b"HEAD ",
        b"/cas",
        b"/cau",
        b"/crl",
        b"/crt/",
        b"/csr",
        b"/cors?origin=",
        b"ca.crt.json",
        b"renew",
        b"revoke",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b"Host: a\r\n",
        b"Content-Length: ",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Content-Type: application/json\r\n",
        b"Expect: 100-continue\r\n",
        b"Origin: https://known.example\r\n",
        b"Cookie: cors=",
        b"Connection: close\r\n",
        b"If-None-Match: ",
        b"%2f",
        b"%00",
    ),
    frames=(
        (b"A", b""),
        (b"UGET /cas/crl?", b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        (b"UGET /cas/csr/", b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        (b"UGET /cas HTTP/1.1\r\nHost: a\r\nOrigin: https://x.example\r\nCookie: ", b"\r\n\r\n"),
        (b"UPUT /cas/csr HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
        (b"APUT /cas/csr HTTP/1.1\r\nHost: a\r\nContent-Length: 10485760\r\n\r\n", b""),
    ),
)
