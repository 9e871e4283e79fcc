"""The load: so many clients in one thread, each sending its next request as soon as the last one is answered.

Only what HTTP needs to tell answers apart is read, so that the generator costs little of the machine that it shares
with the server. It never judges: it counts what came back, keeps it if asked to, and says what it cost itself.
"""

from __future__ import annotations

import gc
import math
import re
import resource
import select
import socket
import ssl
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

ADDRESS = "127.0.0.1"

# After the last request was sent, answers are awaited for so long.
_DRAIN_SECONDS = 30.0
_CHUNK = 256 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_BODILESS = (204, 304)
_LOST = 0  # the status of a request that was never answered


@dataclass(frozen=True, kw_only=True)
class Target:
    """A port of this machine. ``tls``: how to speak HTTPS there; plain HTTP without."""

    port: int
    tls: ssl.SSLContext | None = None


@dataclass(kw_only=True)
class Load:
    """What came back.

    ``seconds``: how long requests were sent, which ends with the last one. ``done``: how many were answered well (2xx
    or 304) in that time. ``latencies``: of all those, in seconds, those that were answered later too. ``statuses``: of
    each request that was sent, 0 if it was lost. ``answers``: of each, whole, if they were to be kept.
    ``cpu_seconds``: of the generator.
    """

    seconds: float = 0.0
    done: int = 0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    statuses: list[int] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def failures(self) -> Counter[int]:
        """How often each status came that is not good."""
        return Counter(status for status in self.statuses if not _is_good(status))


def http_request(method: str, path: str, body: bytes = b"", content_type: str = "") -> bytes:
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if method == "PUT":
        lines.append(f"Content-Length: {len(body)}")
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def body_of(answer: bytes) -> bytes:
    """What follows the head of an answer."""
    return answer.partition(b"\r\n\r\n")[2]


def header_of(answer: bytes, name: str) -> str:
    """A header of an answer; KeyError if it has none of that name."""
    for line in answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    raise KeyError(name)


def run(
    target: Target,
    requests: Sequence[bytes],
    *,
    clients: int,
    seconds: float,
    keep: bool = False,
    reconnect: bool = False,
    rate: float = math.inf,
    until: Callable[[], bool] = lambda: False,
) -> Load:
    """Send ``requests`` in their order, each once, until all are sent, ``seconds`` are over or ``until`` says so.

    Clients are connected before the first is sent and keep their connections if the server does; with ``reconnect``
    each request has a new one. With ``rate`` there are no more than so many a second, each at its moment, and latency
    counts from there even if no client was free then. What takes longer than half a minute is lost.
    """
    generator = _Generator(target, requests, keep=keep, reconnect=reconnect, rate=rate, until=until)
    gc.collect()
    gc.disable()
    try:
        return generator.run(clients, seconds)
    finally:
        gc.enable()


def _is_good(status: int) -> bool:
    return 200 <= status < 300 or status == 304


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class _Client:
    """One connection after the other. ``index``: the request that it is about, -1 for none."""

    __slots__ = ("index", "is_new", "is_ready", "received", "socket", "started")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.is_ready = False  # connected, the handshake over
        self.is_new = True  # no answer has come over this connection
        self.index = -1
        self.started = 0.0
        self.received = b""


class _Generator:
    def __init__(
        self,
        target: Target,
        requests: Sequence[bytes],
        *,
        keep: bool,
        reconnect: bool,
        rate: float,
        until: Callable[[], bool],
    ) -> None:
        self._target = target
        self._requests = requests
        self._keep = keep
        self._reconnect = reconnect
        self._interval = 1 / rate
        self._until = until
        self._idle: list[_Client] = []
        self._start = 0.0
        self._poll = select.epoll()
        self._by_number: dict[int, _Client] = {}
        self._next = 0
        self._busy = 0
        self._deadline = float("inf")
        self._ended = 0.0
        self._load = Load()

    def run(self, clients: int, seconds: float) -> Load:
        everybody = [_Client() for _ in range(clients)]
        if not self._reconnect:
            for client in everybody:
                self._connect(client)
            give_up = time.perf_counter() + _DRAIN_SECONDS
            while not all(client.is_ready for client in everybody) and time.perf_counter() < give_up:
                self._turn(0.1)
        before, self._start = _cpu_seconds(), time.perf_counter()
        self._deadline = self._start + seconds
        for client in everybody:
            self._take(client, time.perf_counter())
        while self._busy or self._idle:
            self._turn(self._until_next() if self._idle else 1.0)
            while self._idle and not self._until_next():
                self._take(self._idle.pop(), time.perf_counter())
            if time.perf_counter() > self._deadline + _DRAIN_SECONDS:
                break
        self._load.cpu_seconds = _cpu_seconds() - before
        self._load.seconds = (self._ended or time.perf_counter()) - self._start
        for client in list(self._by_number.values()):
            self._close(client)
        self._poll.close()
        return self._load

    def _turn(self, seconds: float) -> None:
        """Whatever can be done now."""
        by_number = self._by_number
        for number, _ in self._poll.poll(seconds):
            client = by_number.get(number)
            if client is None:
                continue
            if not client.is_ready:
                self._establish(client)
            else:
                self._receive(client)

    def _until_next(self) -> float:
        """Seconds until the next request is to be sent, or until there are no more to be."""
        moment = min(self._start + self._next * self._interval, self._deadline)
        return max(0.0, moment - time.perf_counter())

    def _take(self, client: _Client, now: float) -> None:
        """Begin the next request, if there is to be one."""
        if self._next >= len(self._requests) or now >= self._deadline or self._until():
            # The load is as it should be only as long as every client has something to do.
            self._ended = self._ended or now
            client.index = -1
            return
        if self._interval:
            moment = self._start + self._next * self._interval
            if now < moment:
                client.index = -1
                self._idle.append(client)
                return
            now = moment
        client.index = self._next
        self._next += 1
        self._busy += 1
        client.started = now
        self._load.statuses.append(_LOST)
        if self._keep:
            self._load.answers.append(b"")
        if client.socket is not None and self._reconnect:
            self._close(client)
        if client.socket is None:
            self._connect(client)
        elif client.is_ready:
            self._send(client)

    def _connect(self, client: _Client) -> None:
        client.socket = plain = socket.socket()
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect_ex((ADDRESS, self._target.port))
        client.is_ready, client.is_new, client.received = False, True, b""
        self._by_number[plain.fileno()] = client
        self._poll.register(plain.fileno(), select.EPOLLOUT)

    def _establish(self, client: _Client) -> None:
        """Go on with connection and handshake."""
        assert client.socket is not None
        try:
            if self._target.tls is not None:
                if not isinstance(client.socket, ssl.SSLSocket):
                    _check_connected(client.socket)
                    client.socket = self._target.tls.wrap_socket(
                        client.socket, server_hostname=ADDRESS, do_handshake_on_connect=False
                    )
                    self._poll.modify(client.socket.fileno(), select.EPOLLIN)
                client.socket.do_handshake()
            else:
                _check_connected(client.socket)
                self._poll.modify(client.socket.fileno(), select.EPOLLIN)
        except ssl.SSLWantReadError:
            return
        except OSError:
            self._fail(client)
            return
        client.is_ready = True
        if client.index >= 0:
            self._send(client)

    def _send(self, client: _Client) -> None:
        assert client.socket is not None
        try:
            # Small enough for the buffer of a connection over which nothing else is under way.
            client.socket.sendall(self._requests[client.index])
        except OSError:
            self._fail(client)

    def _receive(self, client: _Client) -> None:
        assert client.socket is not None
        try:
            data = client.socket.recv(_CHUNK)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError:
            data = b""
        if client.index < 0:
            self._close(client)
            return
        if client.received:
            data = client.received + data if data else b""
        end = data.find(b"\r\n\r\n")
        status = int(data[9:12]) if end > 0 else 0
        complete = False
        if end > 0:
            if status in _BODILESS:
                complete = True
            elif length := _LENGTH.search(data, 0, end + 2):
                complete = len(data) >= end + 4 + int(length[1])
        if complete:
            self._finish(client, data, end, status)
        elif data:
            client.received = data
            if isinstance(client.socket, ssl.SSLSocket) and client.socket.pending():
                self._receive(client)
        elif client.received.find(b"\r\n\r\n") > 0 and not _LENGTH.search(client.received):
            # Without a length the end of the connection is the end of the answer.
            end = client.received.find(b"\r\n\r\n")
            self._finish(client, client.received, end, int(client.received[9:12]))
        else:
            self._fail(client)

    def _finish(self, client: _Client, data: bytes, end: int, status: int) -> None:
        now = time.perf_counter()
        load, index = self._load, client.index
        load.statuses[index] = status
        if 200 <= status < 300 or status == 304:
            load.latencies.append(now - client.started)
            load.done += not self._ended
        if self._keep:
            load.answers[index] = data
        client.received = b""
        client.is_new = False
        self._busy -= 1
        if data.startswith(b"HTTP/1.0") or _CLOSES.search(data, 0, end + 2):
            self._close(client)
        self._take(client, now)

    def _fail(self, client: _Client) -> None:
        """The connection broke: the request goes over a new one if it may have met the end of an old one."""
        was_new, was_answered = client.is_new, bool(client.received)
        self._close(client)
        if client.index < 0:
            return
        if not was_new and not was_answered:
            self._connect(client)
            return
        self._busy -= 1
        self._take(client, time.perf_counter())

    def _close(self, client: _Client) -> None:
        if client.socket is not None:
            self._by_number.pop(client.socket.fileno(), None)
            client.socket.close()
        client.socket = None
        client.is_ready = False


def _check_connected(connection: socket.socket) -> None:
    if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, "cannot connect")
