"""The life of the server: configure, accept connections, tell systemd, reload, stop when told to or when nobody asks.

This process listens, and hands each connection to a worker process; it knows no key, opens no database and reads
nothing that a client sends. The listeners outlive everything: a server that cannot work stays up and answers 503 with
the reason, because one that failed at every connection would make systemd give up the sockets for good. It never shuts
an inherited listener down.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import errno
import gc
import logging
import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial

from caucase import clock, errors
from caucase.config.schema import ServerConfig
from caucase.errors import CaucaseError, ConfigError
from caucase.host.descriptors import allow_descriptors
from caucase.host.events import Audit
from caucase.host.notify import Notifier
from caucase.host.sockets import Listeners
from caucase.server.channel import Channel, State
from caucase.server.crew import Crew, Member
from caucase.server.limits import RESERVED_DESCRIPTORS, Admission, Limits, Refusal, Throttle, report_refusals
from caucase.server.peer import address_of
from caucase.server.worker import Worker

# Connections that are accepted before the workers are heard again.
_BATCH = 64
# How often STATUS is renewed where no watchdog asks for a sign of life.
_STATUS_SECONDS = 60.0
# Until a worker is looked for again, or connections are accepted again, when that could not be done.
_RETRY_SECONDS = 1.0
# How long a worker may take to finish what it has; its own limit comes first.
_END_SECONDS = 40.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# No more connections can be had for the moment (accept(2)); what is wrong with one connection concerns that one only.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = logging.getLogger(__name__)


class ServerEvent(enum.Enum):
    """What the process itself reports to the journal."""

    STARTED = "server_started"
    STOPPED = "server_stopped"
    UNCONFIGURED = "server_unconfigured"
    RELOADED = "configuration_reloaded"


class Daemon:
    """One server. ``load`` reads the configuration afresh; it may raise any CaucaseError."""

    def __init__(self, load: Callable[[], ServerConfig], *, notifier: Notifier, audit: Audit) -> None:
        self._load = load
        self._notifier = notifier
        self._audit = audit
        self._selector = selectors.DefaultSelector()
        self._listeners = Listeners(http=(), https=(), inherited=False)
        self._descriptors = allow_descriptors()
        self._admission = Admission(self._limits(ServerConfig()))
        self._throttle = Throttle(partial(report_refusals, audit), monotonic=clock.monotonic)
        self._config: ServerConfig | None = None
        self._crew: Crew | None = None  # who gets the connections
        self._coming: tuple[Crew, ServerConfig] | None = None  # who will, if it can use that configuration
        self._leaving: list[Crew] = []
        self._wants_reload = False
        self._reason = ""
        self._asked = self._active = clock.monotonic()
        self._accept_from = 0.0
        self._accepts = False

    def run(self, listeners: Listeners) -> None:
        """Serve until a signal comes, or, where systemd starts the server again, until nobody has asked for a
        while.

        With inherited listeners a configuration that cannot be used is answered with 503; else it is raised,
        as CaucaseError or OSError.
        """
        self._listeners = listeners
        for listener in (*listeners.http, *listeners.https):
            listener.setblocking(False)
        with self._hearing_signals(), contextlib.closing(self._selector):
            try:
                self._begin()
                try:
                    while not self._reason:
                        self._turn()
                finally:
                    self._notifier.stopping()
                    self._finish()
                    self._throttle.tick(all_of_it=True)
                    self._audit(ServerEvent.STOPPED, reason=self._reason)
            finally:
                self._finish()

    # Configuration

    def _begin(self) -> None:
        """Have workers, and tell systemd."""
        # What all workers have in common stays common: a collection would write into each page (fork(2)).
        gc.collect()
        gc.freeze()
        self._crew = self._first_crew()
        while (state := self._crew.state) is None and not self._reason:
            self._wait(_RETRY_SECONDS)
            if self._crew.is_gone and not self._listeners.inherited:
                raise CaucaseError("The server could not be started.", "The log says why.")
            self._crew.keep_up()
        if state is None:
            return
        if state.problem:
            if not self._listeners.inherited:
                raise _exception(state)
            self._audit(ServerEvent.UNCONFIGURED, reason=state.problem)
        self._audit(ServerEvent.STARTED, netloc=self._netloc(state))
        self._notifier.ready(self._status(state))

    def _first_crew(self) -> Crew:
        try:
            self._config = self._load()
        except (CaucaseError, OSError) as error:
            if not self._listeners.inherited:
                raise
            return self._make_crew(None, problem=f"{error}")
        self._admission.limits = self._limits(self._config)
        return self._make_crew(self._config)

    def _make_crew(self, config: ServerConfig | None, *, problem: str = "The server is starting.") -> Crew:
        return Crew(self._selector, partial(self._work, config, problem), size=_workers(config))

    def _limits(self, config: ServerConfig) -> Limits:
        """Those of a configuration, as far as workers may have files open: a connection is one."""
        each = max(1, self._descriptors - RESERVED_DESCRIPTORS)
        return Limits.of(config, capacity=each * _workers(config))

    def _work(self, config: ServerConfig | None, problem: str, channel: Channel, is_first: bool) -> None:
        """What a worker process does: to begin with, it lets go of everything that is the daemon's."""
        for number in _SIGNALS:
            # They come to each process of the service; the daemon decides.
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # listeners and channels
        self._selector.close()
        self._listeners.close()

        async def work() -> None:
            await Worker(
                config,
                channel,
                problem=problem,
                is_first=is_first,
                is_supervised=self._notifier.supervised,
                audit=self._audit,
            ).run()

        asyncio.run(work())

    def _reload(self) -> None:
        """Have other workers read the configuration; they take over once they can work with it."""
        self._wants_reload = False
        self._notifier.reloading()
        try:
            config = self._load()
            if self._serves and self._config is not None and config.db != self._config.db:
                raise ConfigError("db cannot change while the server runs.", "Restart it.")
        except (CaucaseError, OSError) as error:
            self._refused(f"{error}")
        else:
            self._coming = (self._make_crew(config), config)

    def _take_over(self, crew: Crew, config: ServerConfig) -> None:
        """The workers of a new configuration have started, or have not; who is there meanwhile goes on."""
        state = crew.state
        if state is None and not crew.is_gone:
            return
        self._coming = None
        if state is None or (state.problem and self._serves):
            crew.retire()
            self._leaving.append(crew)
            self._refused(state.problem if state is not None else "The server could not be started.")
            return
        assert self._crew is not None
        self._crew.retire()
        self._leaving.append(self._crew)
        self._crew, self._config = crew, config
        self._admission.limits = self._limits(config)
        if state.problem:  # which may be the disk's, and end
            self._audit(ServerEvent.UNCONFIGURED, reason=state.problem)
        else:
            self._audit(ServerEvent.RELOADED, netloc=self._netloc(state))
        self._notifier.ready(self._status(state))

    def _refused(self, problem: str) -> None:
        """A configuration cannot be used: the workers go on as before, or tell everybody of the new problem."""
        assert self._crew is not None
        state = self._crew.state
        if state is not None and self._serves:
            _log.error("The configuration is left as it was: %s", problem)
        else:
            self._crew.retire()
            self._leaving.append(self._crew)
            self._crew = self._make_crew(None, problem=problem)
            self._audit(ServerEvent.UNCONFIGURED, reason=problem)
            state = State(problem=problem)
        self._notifier.ready(self._status(state))

    @property
    def _serves(self) -> bool:
        """Whether requests are answered with more than 503."""
        state = None if self._crew is None else self._crew.state
        return state is not None and not state.problem

    # While it runs

    def _turn(self) -> None:
        """Wait for something to happen, and see to what is due."""
        assert self._crew is not None
        if self._wants_reload and self._coming is None:
            self._reload()
        if self._coming is not None:
            self._take_over(*self._coming)
        self._crew.keep_up()
        self._throttle.tick()
        now = clock.monotonic()
        self._accept_if(self._crew.has_room and now >= self._accept_from)
        left = self._asked + self._ask_interval() - now
        if left <= 0:
            self._asked = now
            self._crew.ask()
            left = self._ask_interval()
        waits = self._accepts and not self._throttle.has_more
        self._wait(left if waits else min(left, _RETRY_SECONDS))

    def _wait(self, seconds: float) -> None:
        for key, events in self._selector.select(seconds):
            match key.data:
                case (Crew() as crew, Member() as member):
                    crew.handle(member, events)
                    if crew is self._crew and crew.take_answers():
                        self._answered(crew)
                case bool(secure):
                    self._accept(key.fileobj, secure=secure)  # type: ignore[arg-type]  # a listener
                case None:
                    self._hear_signals(key.fileobj)  # type: ignore[arg-type]  # a socket
        self._leaving = [crew for crew in self._leaving if not crew.is_gone]

    def _ask_interval(self) -> float:
        """How often the workers are asked how they are: for the watchdog, or to see whether nobody needs them."""
        interval = self._notifier.watchdog_interval or _STATUS_SECONDS
        idle = self._idle_timeout
        # A reload may have shortened it; and an answer comes a moment late.
        left = idle - (clock.monotonic() - self._active) if idle else interval
        return min(interval, max(left, 0.2))

    @property
    def _idle_timeout(self) -> float:
        """Seconds, 0 for ever: then, or without systemd, nobody would start the server again."""
        if not (self._notifier.supervised and self._listeners.inherited):
            return 0.0
        config = self._config or ServerConfig()
        return config.idle_timeout.total_seconds()

    def _answered(self, crew: Crew) -> None:
        """Everybody has said how it is: tell systemd, only then, that the server lives; and end if it is idle."""
        state = crew.state
        assert state is not None
        self._active = max(self._active, clock.monotonic() - state.idle)
        if state.problem or state.waiting is not None:
            self._notifier.status(self._status(state))
            self._notifier.watchdog()
        if self._idle_timeout and clock.monotonic() - self._active >= self._idle_timeout:
            self._reason = "idle"

    def _status(self, state: State) -> str:
        """One sentence for ``systemctl status``."""
        if state.problem:
            return f"Answering 503: {state.problem}"
        many = "" if state.waiting == 1 else "s"
        return f"Serving {self._netloc(state)}; {state.waiting} request{many} waiting for a signature."

    def _netloc(self, state: State) -> str | None:
        return None if state.problem or self._config is None else str(self._config.netloc)

    # Connections

    def _accept_if(self, wanted: bool) -> None:
        if wanted == self._accepts:
            return
        self._accepts = wanted
        for secure, listeners in ((False, self._listeners.http), (True, self._listeners.https)):
            for listener in listeners:
                if wanted:
                    self._selector.register(listener, selectors.EVENT_READ, secure)
                else:
                    self._selector.unregister(listener)

    def _accept(self, listener: socket.socket, *, secure: bool) -> None:
        assert self._crew is not None
        for _ in range(_BATCH):
            if not self._crew.has_room:
                return
            try:
                connection, name = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    _log.error("No connection can be accepted for a moment: %s.", error.strerror)
                    self._accept_from = clock.monotonic() + _RETRY_SECONDS
                    self._accept_if(False)
                    return
                continue
            self._active = clock.monotonic()
            address = address_of(name)
            refusal = self._admission.admit(address)
            if refusal is not None:
                self._throttle.refused(refusal.value, address)
                _turn_away(connection, refusal, secure=secure)
                continue
            gone = partial(self._admission.release, address)
            self._crew.hand_over(connection, secure=secure, gone=gone)

    # Signals and the end

    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        """A signal wakes the loop, and nothing happens in the middle of something else."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        before = {number: signal.signal(number, _nothing) for number in _SIGNALS}
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._selector.register(ours, selectors.EVENT_READ, None)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            ours.close()
            theirs.close()

    def _hear_signals(self, woken: socket.socket) -> None:
        for number in woken.recv(4096):
            if number == signal.SIGHUP:
                self._wants_reload = True
            else:
                self._reason = self._reason or signal.Signals(number).name

    def _finish(self) -> None:
        """Accept no more, and let the workers answer what they have."""
        self._accept_if(False)
        self._leaving += [crew for crew in (self._crew, self._coming and self._coming[0]) if crew is not None]
        self._crew = self._coming = None
        for crew in self._leaving:
            crew.retire()
        deadline = clock.monotonic() + _END_SECONDS
        while any(not crew.is_gone for crew in self._leaving) and (left := deadline - clock.monotonic()) > 0:
            self._wait(left)
        for crew in self._leaving:
            crew.kill()


def _workers(config: ServerConfig | None) -> int:
    """How many there may be."""
    return 1 if config is None else config.workers or len(os.sched_getaffinity(0))


def _turn_away(connection: socket.socket, refusal: Refusal, *, secure: bool) -> None:
    """Say why, where that costs nothing, and close."""
    with connection, contextlib.suppress(OSError):
        if not secure:
            connection.send(refusal.answer, socket.MSG_DONTWAIT)


def _nothing(*_: object) -> None:
    """A signal handler: the number has been written where the loop sees it."""


def _exception(state: State) -> CaucaseError:
    """What a worker has raised."""
    kind: type[CaucaseError] = getattr(errors, state.error, CaucaseError)
    return kind(state.problem.removesuffix(state.hint).rstrip(), state.hint)
