"""The connections of one worker: each is accepted elsewhere and served here, until either side ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from aiohttp import web

from caucase.server.connection import Connection
from caucase.server.tls import Tls

# A client that needs longer for its handshake is not one of ours.
_HANDSHAKE_SECONDS = 10.0


class Connections:
    """For use by the event loop's thread alone. ``server`` is that of an ``AppRunner`` that has been set up."""

    def __init__(self, server: web.Server, tls: Tls) -> None:
        self._server = server
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[None]] = set()

    def serve(self, connection: socket.socket, *, secure: bool, gone: Callable[[], None]) -> None:
        """Serve an accepted connection, whose owner this is from now on. ``gone`` is called once, at its end."""
        task = self._loop.create_task(self._begin(connection, secure, _Once(gone)))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begin(self, connection: socket.socket, secure: bool, gone: Callable[[], None]) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: Connection(self._server, loop=self._loop, gone=gone),
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


class _Once:
    """A call that is made at most once."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def __call__(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()
