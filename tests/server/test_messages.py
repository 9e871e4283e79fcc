"""HTTP itself: framing, limits, errors that no handler sees, what is logged, and a server that cannot serve."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase import __version__
from caucase.core.message import MESSAGE_LIMIT
from caucase.errors import NotConfigured, StoreError
from caucase.host.journal import ACCESS_LOGGER
from caucase.server.limits import DEFAULT_LIMITS

from .harness import Server
from .material import make
from .wire import ADDRESS, SECONDS, Client, read_from

BODY_LIMIT = DEFAULT_LIMITS.body_size
CSR_LIMIT = DEFAULT_LIMITS.csr_size
LONG = "The body is larger than 65536 bytes."


def lines(answer: bytes) -> list[str]:
    return answer.decode().split("\r\n")


# Bodies


def test_chunked_body(client: Client) -> None:
    pem = make("chunked").csr_pem
    answer = client.ask("PUT", "/cas/csr", iter([pem[:50], pem[50:]]))
    assert answer.expect(201).headers["Location"].isdecimal()


@pytest.mark.parametrize(
    ("path", "media_type", "limit"),
    [("/cas/csr", "application/pkcs10", CSR_LIMIT), ("/cas/crt/renew", "application/json", MESSAGE_LIMIT)],
)
def test_body_up_to_the_limit_is_read(client: Client, path: str, media_type: str, limit: int) -> None:
    for size, status in ((limit, 400), (limit + 1, 413)):
        answer = client.ask("PUT", path, b" " * size, {"Content-Type": media_type})
        assert answer.expect(status).sentence


def test_longer_body(client: Client) -> None:
    """Refused by its announced length, before it is sent."""
    with socket.create_connection((ADDRESS, client.port), timeout=SECONDS) as connection:
        head = f"PUT /cas/csr HTTP/1.1\r\nHost: x\r\nContent-Length: {CSR_LIMIT + 1}\r\n\r\n"
        connection.sendall(head.encode())
        answer = read_from(connection).expect(413)
    assert answer.sentence == LONG
    assert answer.headers["Connection"] == "close"


def test_longer_chunked_body(client: Client) -> None:
    """Nothing is announced, so it is counted."""
    with socket.create_connection((ADDRESS, client.port), timeout=SECONDS) as connection:
        connection.sendall(b"PUT /cas/csr HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
        for _ in range(9):
            connection.sendall(chunk)
        assert read_from(connection).expect(413).sentence == LONG


def test_broken_chunk(client: Client) -> None:
    """It is aiohttp's parser or our own reading that finds out; either way it is one sentence."""
    head = b"PUT /cas/csr HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = client.raw(head + b"zz\r\nhello\r\n")
    assert answer.startswith(b"HTTP/1.")
    assert answer.split(b" ")[1] == b"400"
    assert lines(answer)[-1].endswith(".")


def test_compressed_body_stays_as_it_is(client: Client) -> None:
    client.ask("PUT", "/cas/csr", b"\x1f\x8b", {"Content-Encoding": "gzip"}).expect(400)


def expecting(client: Client, request: str, headers: str = "") -> socket.socket:
    connection = socket.create_connection((ADDRESS, client.port), timeout=SECONDS)
    head = f"{request} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{headers}\r\n"
    connection.sendall(head.encode())
    return connection


def test_expectation(client: Client) -> None:
    pem = make("expects").csr_pem
    with expecting(client, "PUT /cas/csr", f"Content-Length: {len(pem)}\r\n") as connection:
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(pem)
        read_from(connection).expect(201)
        # The connection is as good as before.
        connection.sendall(b"GET /cas HTTP/1.1\r\nHost: x\r\n\r\n")
        read_from(connection).expect(200)


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        ("PUT /cas/csr", f"Content-Length: {CSR_LIMIT + 1}\r\n", 413),
        ("PUT /cas/crt/5", "Content-Length: 100\r\n", 401),
        ("PUT /cas/crt/renew", "Content-Length: 100\r\n", 400),
        ("PUT /cas/csr", "Content-Length: 100\r\nOrigin: https://page.example\r\n", 401),
    ],
)
def test_refused_before_the_body(client: Client, request_line: str, headers: str, status: int) -> None:
    with expecting(client, request_line, headers) as connection:
        assert read_from(connection).expect(status).headers["Connection"] == "close"


def test_an_expectation_that_is_not_ascii(client: Client) -> None:
    head = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: \xff\r\n\r\n"
    assert client.raw(b"GET /nothing" + head).split(b" ")[1] == b"404"
    assert client.raw(b"GET /cas" + head).split(b" ")[1] == b"200"


def test_a_content_type_that_is_not_ascii(client: Client) -> None:
    head = b"PUT /cas/crt/renew HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n"
    assert client.raw(head + b"Content-Type: application/js\xffn\r\n\r\n{}").split(b" ")[1] == b"400"


# Errors in HTTP


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"PUT /cas/csr HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_malformed_http(client: Client, caplog: pytest.LogCaptureFixture, data: bytes) -> None:
    head, _, body = client.raw(data).decode().partition("\r\n\r\n")
    assert head.split("\r\n")[0] in ("HTTP/1.0 400 Bad Request", "HTTP/1.1 400 Bad Request")
    assert body == "The request is not well-formed HTTP."
    assert f"\r\nServer: caucased/{__version__}\r\n" in f"{head}\r\n"
    assert "\r\nDate: " in head
    # A stranger's mistake is none of ours.
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_strange_paths(client: Client) -> None:
    for path in (
        "//cas",
        "/cas//crl",
        "/%00",
        "/cas/%2e%2e/cau",
        "/cas/csr/%0d%0aX:%20y",
        "/cas?x=y&x",
        "/%ff",
    ):
        answer = client.get(path)
        assert answer.status in (200, 400, 404), path
        assert "X" not in answer.headers


def test_older_clients(client: Client) -> None:
    answer = client.raw(b"GET /cas HTTP/1.0\r\n\r\n")
    assert answer.startswith((b"HTTP/1.0 200 ", b"HTTP/1.1 200 "))
    assert answer.endswith(b"}")


# Answers of a server that cannot serve


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("request_line", ["GET /", "GET /nope", "PUT /cas/csr", "POST /cors", "OPTIONS /"])
def test_unconfigured(bare_server: Server, request_line: str, tls: bool) -> None:
    sentence = str(NotConfigured("netloc is not set.", "Give host:port in the configuration."))
    bare_server.site.problem = sentence
    answer = bare_server.client.ask(*request_line.split(), b"hello", tls=tls).expect(503)
    assert answer.body.decode() == sentence
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Server"] == f"caucased/{__version__}"


def test_unusable_database(
    own_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("The database /var/lib/secret.sqlite is damaged.")

    assert own_server.authority is not None
    monkeypatch.setattr(own_server.authority.services.requests, "request", fail)
    answer = own_server.client.get("/cas/csr/5").expect(503)
    assert answer.sentence == "The server cannot get at its data at the moment."
    assert "Retry-After" in answer.headers
    assert "secret.sqlite is damaged" in caplog.text


def test_defect(
    own_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    assert own_server.authority is not None
    monkeypatch.setattr(own_server.authority.services.requests, "request", fail)
    answer = own_server.client.get("/cas/csr/5").expect(500)
    assert answer.sentence == "The server failed to answer."
    assert "RuntimeError: secret" in caplog.text
    own_server.client.get("/cas").expect(200)


def test_how_busy(own_server: Server) -> None:
    time.sleep(0.1)
    assert own_server.in_loop(lambda: own_server.site.idle_seconds) >= 0.1
    own_server.client.get("/nope")
    assert own_server.in_loop(lambda: own_server.site.idle_seconds) < 0.1
    assert own_server.in_loop(lambda: own_server.site.in_flight) == 0


# The access log


@pytest.fixture
def access_log(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    entries: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            entries.append(record.getMessage())

    handler, logger = Handler(), logging.getLogger(ACCESS_LOGGER)
    with caplog.at_level(logging.INFO, ACCESS_LOGGER):
        logger.addHandler(handler)
        yield entries
        logger.removeHandler(handler)


def eventually(entries: list[str], part: str) -> str:
    """The line with that part: it is written after its answer has been sent, and those of earlier tests may be late."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := [line for line in entries if part in line]:
            return found[0]
        time.sleep(0.01)
    raise AssertionError(f"no line with {part} in {entries}")


def test_access_log(client: Client, access_log: list[str]) -> None:
    headers = {"User-Agent": 'x" \\ y\u2028z', "Referer": "https://a.example/"}
    answer = client.get("/cas?a=%0a", {name: value.encode() for name, value in headers.items()})  # type: ignore[misc]
    client.ask("HEAD", "/nope")
    client.raw(b"hello\r\n\r\n")
    host, _, rest = eventually(access_log, "/cas?a=").partition(" - - [")
    assert host == ADDRESS
    assert rest.partition("] ")[2] == (
        f'"GET /cas?a=%0a HTTP/1.1" 200 {len(answer.body)} "https://a.example/" "x\\" \\\\ y\\u2028z"'
    )
    assert eventually(access_log, "HEAD /nope").endswith('"HEAD /nope HTTP/1.1" 404 - "-" "-"')
    assert eventually(access_log, '" 400 ').startswith(f"{ADDRESS} - - [")


def test_access_log_names_the_user(client: Client, user: Path, access_log: list[str]) -> None:
    client.get("/cas/csr?named", user=user).expect(200)
    serial = ssl._ssl._test_decode_cert(str(user))["serialNumber"]  # type: ignore[attr-defined]
    assert eventually(access_log, "?named").split(" ")[2] == serial.lstrip("0").lower()


def test_access_log_can_be_off(client: Client, access_log: list[str]) -> None:
    logger = logging.getLogger(ACCESS_LOGGER)
    logger.setLevel(logging.WARNING)
    # Once the second is answered, the first is certainly done with.
    client.raw(b"GET /off HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    logger.setLevel(logging.INFO)
    client.get("/on")
    assert eventually(access_log, "/on ")
    assert not any("/off" in line for line in access_log)
