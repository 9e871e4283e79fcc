"""A man in the middle: between a client and the real server, on two ports, with a real server of his own beside him.

Unless told otherwise he passes everything on. He has no key of the genuine server's, and can do what whoever holds the
network can do: read and replace answers over HTTP, lead HTTPS elsewhere or end it himself, and keep anything for later.
"""

from __future__ import annotations

import contextlib
import http.client
import selectors
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

ADDRESS = "127.0.0.1"
SECONDS = 20
# Those that follow a client's question; what comes from the server goes to the client as it is.
_PASSED_ON = ("Content-Type", "Location")

Reply = Callable[["Exchange"], None]


class Man:
    """``replies``: what he answers instead, by path; ``to_all``: to everything else. ``heard``: what went by over HTTP.

    ``https_port``: where HTTPS is led to; ``liar``: what he answers to all of it himself, instead.
    """

    def __init__(self, genuine: int, certificate: Path) -> None:
        """``genuine``: port of the server; ``certificate``: file with a key and certificate of his own."""
        self.genuine = genuine
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.behave()
        self._servers = _neighbours(self)
        self._threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()

    def behave(self) -> None:
        """Pass everything on, from now on."""
        self.replies: dict[str, Reply] = {}
        self.to_all: Reply = pass_on(self.genuine)
        self.https_port = self.genuine + 1
        self.liar: Reply | None = None
        self.heard: list[tuple[str, str, bytes]] = []
        self.lied: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://localhost:{self._servers[0].server_address[1]}"

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()


class Exchange(BaseHTTPRequestHandler):
    """A connection of a client's. ``body``: of the question."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    disable_nagle_algorithm = True  # head and body are sent one after the other
    server: _Server
    body: bytes

    def do_GET(self) -> None:
        man = self.server.man
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if isinstance(self.connection, ssl.SSLSocket):
            assert man.liar is not None
            man.lied.append((self.command, self.path))
            man.liar(self)
            return
        man.heard.append((self.command, self.path, self.body))
        man.replies.get(self.path, man.to_all)(self)

    def do_PUT(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        """Nothing is logged."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def pass_on(
    port: int, *, change: Callable[[bytes], bytes] = bytes, ask: Callable[[bytes], bytes] = bytes
) -> Reply:
    """Ask the server at ``port``, with ``ask`` done to the question's body, and ``change`` to that of the answer."""

    def reply(exchange: Exchange) -> None:
        with contextlib.closing(http.client.HTTPConnection(ADDRESS, port, timeout=SECONDS)) as server:
            headers = (
                {"Content-Type": exchange.headers["Content-Type"]}
                if "Content-Type" in exchange.headers
                else {}
            )
            server.request(exchange.command, exchange.path, ask(exchange.body) or None, headers)
            answer = server.getresponse()
            body = answer.read()
        named = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        exchange.answer(answer.status, change(body) if answer.status == 200 else body, **named)

    return reply


def say(status: int, body: bytes = b"", **headers: str) -> Reply:
    return lambda exchange: exchange.answer(status, body, **headers)


def never_end(exchange: Exchange) -> None:
    """An answer of any length, as quickly as the client takes it."""
    exchange.send_response(200)
    exchange.send_header("Transfer-Encoding", "chunked")
    exchange.end_headers()
    part = b"10000\r\n" + b"A" * 0x10000 + b"\r\n"
    with contextlib.suppress(OSError):
        while True:
            exchange.wfile.write(part)


def fall_silent(exchange: Exchange) -> None:
    """The beginning of an answer, and no more until the client goes away."""
    exchange.send_response(200)
    exchange.send_header("Content-Length", "1000")
    exchange.end_headers()
    exchange.wfile.write(b"-----BEGIN")
    exchange.close_connection = True
    with contextlib.suppress(OSError):
        exchange.connection.recv(1)


def break_off(exchange: Exchange) -> None:
    exchange.close_connection = True


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    man: Man

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what it is about."""


class _Https(socketserver.BaseRequestHandler):
    """Leads bytes to a server and back, or ends TLS and lies."""

    server: _Server

    def handle(self) -> None:
        man = self.server.man
        if man.liar is not None:
            with man.context.wrap_socket(self.request, server_side=True) as tls:
                Exchange(tls, self.client_address, self.server)
            return
        with socket.create_connection((ADDRESS, man.https_port), timeout=SECONDS) as server:
            _relay(self.request, server)


def _relay(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as ready:
        for source, target in ((one, other), (other, one)):
            ready.register(source, selectors.EVENT_READ, target)
        while events := ready.select(SECONDS):
            for key, _ in events:
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)


def _neighbours(man: Man) -> list[_Server]:
    """Two listeners on a free port and the next one."""
    while True:
        first = _Server((ADDRESS, 0), Exchange)
        try:
            second = _Server((ADDRESS, first.server_address[1] + 1), _Https)
        except OSError:
            first.server_close()
            continue
        first.man = second.man = man
        return [first, second]


@contextlib.contextmanager
def between(genuine: int, certificate: Path) -> Iterator[Man]:
    """A man in the middle who is gone at the end."""
    man = Man(genuine, certificate)
    try:
        yield man
    finally:
        man.stop()
