"""The connections of one worker: each is accepted elsewhere and served here, until either side ends it."""

from __future__ import annotations

import asyncio
import socket
from asyncio import sslproto
from collections.abc import Callable

from aiohttp import web

from caucase.server.connection import Connection
from caucase.server.site import Site
from caucase.server.tls import Tls

# A client that needs longer for its handshake is not one of ours.
_HANDSHAKE_SECONDS = 10.0
# Bytes that asyncio reads into, for each connection over TLS as long as it lasts; by itself it takes 256 KiB, which
# would be five times as much as all the rest. A record of TLS has 16 KiB.
_TLS_BUFFER = 20 * 1024
# How often connections are looked at. One timer for all of them: one for each would cost more than many a request.
_LOOK_SECONDS = 1.0


class Connections:
    """For use by the event loop's thread alone. ``server`` is that of a ``ServerRunner`` that has been set up."""

    def __init__(self, server: web.Server, site: Site, tls: Tls) -> None:
        self._server = server
        self._site = site
        self._tls = tls
        self._is_watching = False
        sslproto.SSLProtocol.max_size = _TLS_BUFFER
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[None]] = set()

    def serve(self, connection: socket.socket, *, secure: bool, gone: Callable[[], None]) -> None:
        """Serve an accepted connection, whose owner this is from now on. ``gone`` is called once, at its end."""
        self._watch()
        task = self._loop.create_task(self._begin(connection, secure, _Once(gone)))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    @property
    def are_busy(self) -> bool:
        """Whether an answer is being made or sent."""
        return any(isinstance(one, Connection) and one.is_busy for one in self._server.connections)

    async def _begin(self, connection: socket.socket, secure: bool, gone: Callable[[], None]) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: Connection(self._server, self._site, loop=self._loop, gone=gone),
                connection,
                # What is current now: the certificate and the client CAs change while others stay connected.
                ssl=self._tls.current() if secure else None,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if secure else None,
            )
        except BaseException as error:
            connection.close()
            gone()
            if not isinstance(
                error, OSError
            ):  # a handshake that fails or takes too long; ssl.SSLError is one
                raise

    def _watch(self) -> None:
        """Look after the connections as long as there are any."""
        if not self._is_watching:
            self._is_watching = True
            self._loop.call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        connections = self._server.connections
        for connection in connections:
            assert isinstance(connection, Connection), "there are no others"
            connection.look(now)
        self._site.throttle.tick()
        self._is_watching = False
        if connections or self._beginning or self._site.throttle.has_more:
            self._watch()


class _Once:
    """A call that is made at most once."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def __call__(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()
