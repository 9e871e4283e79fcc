"""A worker process: answers the requests of the connections that the daemon hands it, in one event loop.

It listens nowhere and hears no signal: the daemon tells it what to do, and when the daemon is gone it finishes what
it has and ends.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp import web

from caucase import clock
from caucase.appliance import Appliance
from caucase.config.schema import ServerConfig
from caucase.errors import CaucaseError, ConfigError, StoreError
from caucase.host.events import Audit
from caucase.host.journal import ACCESS_LOGGER
from caucase.jobs.maintenance import maintain
from caucase.server.app import Application, make_service
from caucase.server.channel import Ask, Channel, Closed, Connect, Lost, State
from caucase.server.connections import Connections
from caucase.server.limits import Limits, report_refusals
from caucase.server.site import Site
from caucase.server.tls import Tls

# For what takes longer than a moment: a list is made, a consent is read from its file.
_THREADS = 4
# What was handed over last may not have sent its request yet.
_GRACE_SECONDS = 0.2
# For requests in flight at the end; less than systemd's default for TimeoutStopSec, 90 seconds.
_DRAIN_SECONDS = 30.0
# Until a worker that has no database tries again: the disk was full, or is not there yet.
_RETRY_SECONDS = 5.0
# How often a server makes what is due where no timer does; the shortest margin there is are days.
_MAINTENANCE_SECONDS = 3600.0

_log = logging.getLogger(__name__)


class Worker:
    """One worker, from its start to its end.

    ``config`` is ``None`` when there is none that can be used, and ``problem`` tells clients why. ``is_first``: it
    makes what is missing when it starts. ``is_supervised``: by systemd, whose timers see to what is due later, and
    whose journal wants no line for each request.
    """

    def __init__(
        self,
        config: ServerConfig | None,
        channel: Channel,
        *,
        problem: str,
        is_first: bool,
        is_supervised: bool,
        audit: Audit,
    ) -> None:
        self._config = config
        self._channel = channel
        self._is_first = is_first
        self._is_supervised = is_supervised
        self._audit = audit
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="worker")
        self._site = Site(executor=self._executor, report=partial(report_refusals, audit))
        if config is not None:
            self._site.limits = Limits.of(config)
        self._site.problem = problem
        self._tls = Tls(self._site)
        self._end = asyncio.Event()
        self._is_misconfigured = False  # so that only another configuration can help
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Tell the daemon how the start went, serve until it says no more, and finish."""
        wanted = None if self._config is None else self._config.access_log
        is_logged = not self._is_supervised if wanted is None else wanted
        logging.getLogger(ACCESS_LOGGER).setLevel(logging.INFO if is_logged else logging.WARNING)
        with Appliance(self._audit) as appliance, self._executor:
            state = self._configured(appliance)
            runner = web.ServerRunner(web.Server(Application(self._site).answer))
            await runner.setup()
            assert runner.server is not None, "it has been set up"
            connections = Connections(runner.server, self._site, self._tls)
            self._loop.add_reader(self._channel.fileno(), self._hear, connections)
            tasks = [self._loop.create_task(self._recover(appliance))]
            if self._is_first and not self._is_supervised:
                tasks.append(self._loop.create_task(self._maintain()))
            try:
                self._tell(state)
                await self._end.wait()
                self._site.is_ending = True
                await self._drain(connections)
            finally:
                self._loop.remove_reader(self._channel.fileno())
                for task in tasks:
                    task.cancel()
                await runner.cleanup()
                if self._site.service is not None:
                    self._site.service.committer.finish()
                self._site.throttle.tick(all_of_it=True)

    def _configured(self, appliance: Appliance) -> State:
        """Become the server that the configuration describes, or one that answers 503; which of them."""
        if self._config is None:
            self._is_misconfigured = True
            return State(problem=self._site.problem)
        try:
            authority = appliance.open(self._config)
            if self._is_first:
                authority.maintain()
        except (CaucaseError, OSError) as error:
            self._site.problem = f"{error}"
            self._is_misconfigured = isinstance(error, ConfigError)
            known = isinstance(error, CaucaseError)
            return State(
                problem=self._site.problem,
                error=type(error).__name__ if known else CaucaseError.__name__,
                hint=error.hint if isinstance(error, CaucaseError) else "",
            )
        self._site.service = make_service(authority, self._config, clock=clock.now)
        return State(waiting=authority.count_pending())

    async def _recover(self, appliance: Appliance) -> None:
        """Go to work once that is possible, where it was not because of the disk."""
        while self._site.service is None and not self._is_misconfigured:
            await asyncio.sleep(_RETRY_SECONDS)
            state = self._configured(appliance)
            if not state.problem:
                _log.warning("The server can work now.")
            self._tell(state)

    def _hear(self, connections: Connections) -> None:
        try:
            message = self._channel.receive()
        except BlockingIOError:
            return
        match message:
            case Connect(number=number, secure=secure, connection=connection):
                connections.serve(connection, secure=secure, gone=partial(self._tell, Closed(number=number)))
            case Lost(number=number):
                self._tell(Closed(number=number))
            case Ask():
                self._tell(self._state())
            case None:
                self._loop.remove_reader(self._channel.fileno())
                self._end.set()

    def _tell(self, message: Closed | State) -> None:
        self._channel.post(message)
        if self._channel.unsent:
            self._loop.add_writer(self._channel.fileno(), self._tell_rest)

    def _tell_rest(self) -> None:
        self._channel.flush()
        if not self._channel.unsent:
            self._loop.remove_writer(self._channel.fileno())

    def _state(self) -> State:
        service = self._site.service
        if service is None:
            return State(problem=self._site.problem, idle=self._site.idle_seconds)
        try:
            waiting = service.authority.count_pending()
        except StoreError as error:
            _log.error("No sign of life for the watchdog: %s", error)
            return State(idle=self._site.idle_seconds)
        return State(waiting=waiting, idle=self._site.idle_seconds)

    async def _maintain(self) -> None:
        while True:
            await asyncio.sleep(_MAINTENANCE_SECONDS)
            if self._site.service is not None and self._config is not None:
                work = partial(
                    maintain, self._site.service.authority, self._config, clock=clock.now, audit=self._audit
                )
                try:
                    await self._loop.run_in_executor(self._executor, work)
                except (CaucaseError, OSError) as error:
                    _log.error("What is due could not be made: %s", error)

    async def _drain(self, connections: Connections) -> None:
        """Answer what was handed over before the end, and let clients read it."""
        began = clock.monotonic()
        while (passed := clock.monotonic() - began) < _DRAIN_SECONDS:
            is_quiet = self._site.idle_seconds > _GRACE_SECONDS and not connections.are_busy
            if passed > _GRACE_SECONDS and is_quiet:
                return
            await asyncio.sleep(_GRACE_SECONDS / 4)
        _log.warning("Answers took too long to be finished, %d requests among them.", self._site.in_flight)
