"""The server's application behind one connection after the other, without sockets: bytes in, bytes out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp import web

from caucase import clock
from caucase.server.app import Application, make_service
from caucase.server.connection import Connection
from caucase.server.site import Site
from fuzz.authority import ADDRESS, Office, office

# An answer that takes longer than this is one that waits for the rest of the request.
_PATIENCE_SECONDS = 0.005
_TURNS = 20
_PIECE = 256 * 1024  # bytes: as much as asyncio reads at once


class _User:
    """Stands for TLS, of which the application wants the client's certificate alone: a handshake for each input would
    be most of the time.
    """

    def __init__(self, der: bytes) -> None:
        self._der = der
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.verify_mode = ssl.CERT_OPTIONAL

    def getpeercert(self, *, binary_form: bool) -> bytes:
        assert binary_form
        return self._der


class _Transport(asyncio.Transport):
    """Stands for a socket: through the kernel nothing would be known of when an answer is complete."""

    def __init__(self, user: _User | None, unused: socket.socket) -> None:
        about = {"peername": (ADDRESS, 1), "ssl_object": user, "sslcontext": user, "socket": unused}
        super().__init__(about)
        self.written = bytearray()
        self.is_closed = self.is_paused = False

    def write(self, data: Any) -> None:
        self.written += data

    def writelines(self, parts: Any) -> None:
        self.written += b"".join(parts)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class _Failures(logging.Handler):
    """What was logged with an exception: each is a 500, or was nearly one."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.seen.append(record.exc_info[1])


class Server:
    """``office``: what it serves."""

    def __init__(
        self, known: Office, loop: asyncio.AbstractEventLoop, connect: Callable[[], Connection]
    ) -> None:
        self.office = known
        self._loop = loop
        self._connect = connect
        self._user = _User(known.user_der)
        self._unused = socket.socket()  # options are set on it
        self._failures = _Failures()
        logging.getLogger().addHandler(self._failures)

    def receive(self, *parts: bytes | memoryview, as_user: bool) -> bytes:
        """What is answered on a connection that brings these bytes and then ends; raises what a request failed with."""
        answer = self._loop.run_until_complete(self._receive(parts, as_user=as_user))
        if self._failures.seen:
            [first, *_], self._failures.seen = self._failures.seen, []
            raise first
        assert b"HTTP/1.1 500" not in answer
        return answer

    async def _receive(self, parts: Iterable[bytes | memoryview], *, as_user: bool) -> bytes:
        protocol, transport = self._connect(), _Transport(self._user if as_user else None, self._unused)
        protocol.connection_made(transport)
        pieces = (part[at : at + _PIECE] for part in parts for at in range(0, len(part), _PIECE))
        for piece in pieces:
            if not await self._reads_on(transport):
                break
            protocol.data_received(bytes(piece))
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if transport.is_closed:
                break
        last = clock.monotonic()
        seen = len(transport.written)
        while not transport.is_closed and clock.monotonic() - last < _PATIENCE_SECONDS:
            await asyncio.sleep(0.0005)
            if len(transport.written) != seen:
                seen, last = len(transport.written), clock.monotonic()
        protocol.connection_lost(None)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        return bytes(transport.written)

    async def _reads_on(self, transport: _Transport) -> bool:
        began = clock.monotonic()
        while transport.is_paused and clock.monotonic() - began < _PATIENCE_SECONDS:
            await asyncio.sleep(0)
        return not (transport.is_paused or transport.is_closed)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Server]:
    logging.getLogger().handlers.clear()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with office(folder / "office") as known, ThreadPoolExecutor(2) as executor:
        site = Site(executor=executor, report=lambda *_refusal: None)
        site.service = make_service(known.authority, known.config, clock=clock.now)
        runner = web.ServerRunner(web.Server(Application(site).answer))
        loop.run_until_complete(runner.setup())
        manager = runner.server
        assert manager is not None
        yield Server(known, loop, lambda: Connection(manager, site, loop=loop, gone=lambda: None))
