"""A real server in a thread: the application on real sockets, with real TLS, over a real authority."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from caucase import clock
from caucase.appliance import KeyFile, policy_of
from caucase.authority import AuditEvent, Authority
from caucase.config.schema import ServerConfig
from caucase.core.keys import KeyType
from caucase.core.netloc import NetLoc
from caucase.server.app import Application, make_service
from caucase.server.connections import Connections
from caucase.server.limits import Kind
from caucase.server.site import Site
from caucase.server.tls import Tls
from caucase.store import Database

from .wire import ADDRESS, SECONDS, Client

T = TypeVar("T")


@dataclass
class MovableClock:
    """The real time, and some more."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return clock.now() + self.ahead


@dataclass
class Audit:
    """Remembers what was reported."""

    events: list[tuple[AuditEvent, dict[str, str | int | None]]] = field(default_factory=list)

    def __call__(self, event: AuditEvent, **fields: str | int | None) -> None:
        self.events.append((event, fields))


class Server:
    """A running server. ``client`` talks to it."""

    def __init__(
        self,
        folder: Path,
        port: int,
        loop: asyncio.AbstractEventLoop,
        site: Site,
        tls: Tls,
        refusals: list[tuple[Kind, int, str]],
    ) -> None:
        self.refusals = refusals
        self.folder = folder
        self.port = port
        self.site = site
        self.tls = tls
        self.client = Client(port=port)
        self.clock = MovableClock()
        self.audit = Audit()
        self._loop = loop
        self.authority: Authority | None = None

    @property
    def netloc(self) -> NetLoc:
        return NetLoc(host="localhost", port=self.port)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def https_origin(self) -> str:
        return f"https://localhost:{self.port + 1}"

    def configure(self, database: Database, **settings: Any) -> None:
        """Give it an authority, as the daemon does."""
        config = ServerConfig(
            server_key=self.folder / "server.key.pem",
            cors_key_store=self.folder / "cors.key",
            **{
                "netloc": self.netloc,
                "key_type": KeyType.parse("ec:P-256"),
                "user_auto_approve_count": 1000,
                "service_max_csr": 1000,
                **settings,
            },
        )
        key_file = KeyFile(config.server_key)
        authority = Authority(
            database, policy_of(config), https_file=key_file, clock=self.clock, audit=self.audit
        )
        authority.maintain()
        self.authority = authority
        service = make_service(authority, config, clock=self.clock)
        self.in_loop(lambda: setattr(self.site, "service", service))

    def in_loop(self, function: Callable[[], T]) -> T:
        """Call a function in the server's thread."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(SECONDS)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server that answers 503, until it is configured."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    http, https = _listeners()
    with ThreadPoolExecutor(4) as executor:
        refusals: list[tuple[Kind, int, str]] = []
        site = Site(executor=executor, report=lambda *refusal: refusals.append(refusal))
        tls = Tls(site)
        try:
            runner = asyncio.run_coroutine_threadsafe(_serve(site, tls, http, https), loop).result(SECONDS)
            yield Server(folder, http.getsockname()[1], loop, site, tls, refusals)
            asyncio.run_coroutine_threadsafe(_end(runner), loop).result(SECONDS)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(SECONDS)
            loop.close()
            http.close()
            https.close()


async def _serve(site: Site, tls: Tls, http: socket.socket, https: socket.socket) -> web.ServerRunner:
    runner = web.ServerRunner(web.Server(Application(site).answer))
    await runner.setup()
    assert runner.server is not None
    connections = Connections(runner.server, site, tls)
    # Nobody holds them: they are among the tasks that end with the loop.
    for listener, secure in ((http, False), (https, True)):
        listener.setblocking(False)
        asyncio.create_task(_accept(connections, listener, secure=secure))  # noqa: RUF006 - as above
    return runner


async def _accept(connections: Connections, listener: socket.socket, *, secure: bool) -> None:
    """As the daemon does in another process."""
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        connections.serve(connection, secure=secure, gone=lambda: None)


async def _end(runner: web.ServerRunner) -> None:
    await runner.cleanup()
    # What is still there waits for clients that have gone.
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    # Transports close in the next turns of the loop.
    await asyncio.sleep(0.05)


def _listeners() -> tuple[socket.socket, socket.socket]:
    """Two neighbouring ports."""
    while True:
        http = socket.create_server((ADDRESS, 0))
        try:
            return http, socket.create_server((ADDRESS, http.getsockname()[1] + 1))
        except OSError:
            http.close()
