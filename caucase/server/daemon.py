"""The life of the server process: configure, listen, tell systemd, reload, stop when told to or when nobody
asks.

The listeners outlive everything: a server that cannot work stays up and answers 503 with the reason, because
one that failed at every connection would make systemd give up the sockets for good. It never shuts an
inherited listener down.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from aiohttp import web

from caucase import clock
from caucase.appliance import Appliance
from caucase.config.schema import ServerConfig
from caucase.errors import CaucaseError, StoreError
from caucase.host.descriptors import allow_descriptors
from caucase.host.events import Audit
from caucase.host.journal import ACCESS_LOGGER
from caucase.host.notify import Notifier
from caucase.host.sockets import BACKLOG, Listeners
from caucase.jobs.maintenance import maintain
from caucase.server.app import create_app, make_service
from caucase.server.connection import connection_factory
from caucase.server.limits import Kind, Limits
from caucase.server.site import Site
from caucase.server.tls import Tls

# Threads wait for the disk more than they compute, and those that wait together share a commit.
_THREADS = 32
# A client that needs longer for its handshake is not one of ours.
_HANDSHAKE_SECONDS = 10.0
# What was accepted last may not have sent its request yet.
_GRACE_SECONDS = 0.2
# For requests in flight at the end; less than systemd's default for TimeoutStopSec, 90 seconds.
_DRAIN_SECONDS = 30.0
# How often STATUS is renewed where no watchdog asks for a sign of life.
_STATUS_SECONDS = 60.0
# How often a server makes what is due where no timer does; the shortest margin there is are days.
_MAINTENANCE_SECONDS = 3600.0

_log = logging.getLogger(__name__)


class ServerEvent(enum.Enum):
    """What the process itself reports to the journal."""

    STARTED = "server_started"
    STOPPED = "server_stopped"
    UNCONFIGURED = "server_unconfigured"
    RELOADED = "configuration_reloaded"
    LIMIT_EXCEEDED = "limit_exceeded"


class Daemon:
    """One server process. ``load`` reads the configuration afresh; it may raise any CaucaseError."""

    def __init__(self, load: Callable[[], ServerConfig], *, notifier: Notifier, audit: Audit) -> None:
        self._load = load
        self._notifier = notifier
        self._audit = audit
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="worker")
        self._site = Site(
            executor=self._executor, report=self._tell_refusals, descriptors=allow_descriptors()
        )
        self._appliance = Appliance(audit)
        self._tls = Tls(self._site)
        self._idle_timeout = timedelta()
        self._config: ServerConfig | None = None
        self._configuring = asyncio.Lock()
        self._end = asyncio.Event()
        self._reason = ""

    async def run(self, listeners: Listeners) -> None:
        """Serve until a signal comes, or, where systemd starts the server again, until nobody has asked for a
        while.

        With inherited listeners a configuration that cannot be used is answered with 503; else it is raised,
        as CaucaseError or OSError.
        """
        with self._appliance, self._executor:
            try:
                await self._configure()
            except (CaucaseError, OSError) as error:
                if not listeners.inherited:
                    raise
                self._refuse(error)
            runner = web.AppRunner(create_app(self._site), handle_signals=False)
            await runner.setup()
            try:
                await self._serve(runner, listeners)
            finally:
                await runner.cleanup()

    async def _serve(self, runner: web.AppRunner, listeners: Listeners) -> None:
        loop = asyncio.get_running_loop()
        assert runner.server is not None, "the runner has been set up"
        factory = connection_factory(runner.server, self._site)
        servers = [
            await loop.create_server(factory, sock=listener, backlog=BACKLOG) for listener in listeners.http
        ]
        servers += [
            await loop.create_server(
                factory,
                sock=listener,
                backlog=BACKLOG,
                ssl=self._tls.context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            )
            for listener in listeners.https
        ]
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number.name)
        tasks = {loop.create_task(self._stay_alive())}
        loop.add_signal_handler(signal.SIGHUP, lambda: tasks.add(loop.create_task(self._reload())))
        if self._notifier.supervised and listeners.inherited:
            tasks.add(loop.create_task(self._watch_idleness()))
        if not self._notifier.supervised:
            tasks.add(loop.create_task(self._maintain()))
        self._audit(ServerEvent.STARTED, netloc=self._netloc)
        self._notifier.ready(await self._status())
        try:
            await self._end.wait()
        finally:
            self._notifier.stopping()
            self._site.is_ending = True
            for server in servers:
                server.close()
            await self._drain()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._site.throttle.tick(all_of_it=True)
            self._audit(ServerEvent.STOPPED, reason=self._reason)

    # Configuration

    async def _configure(self) -> None:
        """Read the configuration and serve with it; requests in flight end with what they began with."""
        loop = asyncio.get_running_loop()
        async with self._configuring:
            config = await loop.run_in_executor(self._executor, self._load)
            # Applied before anything can fail: it is about the process, not about the authority.
            self._idle_timeout = config.idle_timeout
            self._site.limits = Limits.of(config)
            wants_access_log = (
                not self._notifier.supervised if config.access_log is None else config.access_log
            )
            logging.getLogger(ACCESS_LOGGER).setLevel(logging.INFO if wants_access_log else logging.WARNING)
            authority = await loop.run_in_executor(self._executor, self._appliance.configure, config)
            self._site.service = make_service(authority, config, clock=clock.now)
            self._config = config

    def _refuse(self, error: CaucaseError | OSError) -> None:
        """Answer everything with 503 and what is wrong, until a reload."""
        self._site.problem = f"{error}"
        self._audit(ServerEvent.UNCONFIGURED, reason=self._site.problem)

    async def _reload(self) -> None:
        self._notifier.reloading()
        try:
            await self._configure()
        except (CaucaseError, OSError) as error:
            if self._site.service is None:
                self._refuse(error)
            else:
                _log.error("The configuration is left as it was: %s", error)
        else:
            self._audit(ServerEvent.RELOADED, netloc=self._netloc)
        self._notifier.ready(await self._status())

    @property
    def _netloc(self) -> str | None:
        return None if self._site.service is None else str(self._site.service.netloc)

    def _tell_refusals(self, kind: Kind, count: int, address: str) -> None:
        self._audit(ServerEvent.LIMIT_EXCEEDED, limit=kind, count=count, address=address)

    # While it runs

    async def _status(self) -> str:
        """One sentence for ``systemctl status``; StoreError if the database cannot be read."""
        service = self._site.service
        if service is None:
            return f"Answering 503: {self._site.problem}"
        loop = asyncio.get_running_loop()
        waiting = await loop.run_in_executor(self._executor, service.authority.count_pending)
        return f"Serving {service.netloc}; {waiting} request{'' if waiting == 1 else 's'} waiting for a signature."

    async def _stay_alive(self) -> None:
        """Tell systemd how things are, and that this process lives: only after a real database read."""
        interval = self._notifier.watchdog_interval or _STATUS_SECONDS
        while True:
            try:
                self._notifier.status(await self._status())
                self._notifier.watchdog()
            except StoreError as error:
                _log.error("No sign of life for the watchdog: %s", error)
            await asyncio.sleep(interval)

    async def _maintain(self) -> None:
        """Make what is due where no systemd does it with its timer, for a server that runs for months."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_MAINTENANCE_SECONDS)
            if self._site.service is not None and self._config is not None:
                work = partial(
                    maintain, self._site.service.authority, self._config, clock=clock.now, audit=self._audit
                )
                try:
                    await loop.run_in_executor(self._executor, work)
                except (CaucaseError, OSError) as error:
                    _log.error("What is due could not be made: %s", error)

    async def _watch_idleness(self) -> None:
        """Stop once there has been no request for long enough; systemd holds the sockets and starts the next
        server.
        """
        while True:
            allowed = self._idle_timeout.total_seconds()
            left = allowed - self._site.idle_seconds
            if allowed and left <= 0:
                self._stop("idle")
            # A reload may have shortened it.
            await asyncio.sleep(min(max(left, _GRACE_SECONDS), _STATUS_SECONDS))

    def _stop(self, reason: str) -> None:
        self._reason = reason
        self._end.set()

    async def _drain(self) -> None:
        """Answer what was accepted before the listeners were closed."""
        began = clock.monotonic()
        while (passed := clock.monotonic() - began) < _DRAIN_SECONDS:
            if passed > _GRACE_SECONDS and self._site.idle_seconds > _GRACE_SECONDS:
                return
            await asyncio.sleep(_GRACE_SECONDS / 4)
        _log.warning("%d requests took too long to be finished.", self._site.in_flight)
