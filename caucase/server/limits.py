"""What one client may take, and all together: the numbers, the counting of connections, the telling of refusals.

Pure: it holds no socket, reads no clock, and all that it remembers is bounded by the limits themselves.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

from caucase.config.schema import ServerConfig
from caucase.core.network import network_of
from caucase.host.events import Audit
from caucase.server.framing import HeadLimits
from caucase.server.peer import LOCAL

# Seconds after which a client may try again. A refused connection of one address waits for its own others to end,
# which takes as long as the idle ones among them live; any other refusal is over in a moment.
RETRY_SECONDS = 10

# Descriptors of a worker that are no connections: the database with its log for each thread, keys that are read, the
# daemon's channel, the journal.
RESERVED_DESCRIPTORS = 64

_REPORT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The configured limits; sizes in bytes, times in seconds. The options say what each is for."""

    head: HeadLimits
    body_size: int
    csr_size: int
    header_time: float
    body_time: float
    idle_time: float
    send_time: float
    requests: int
    connections: int
    connections_per_address: int

    @classmethod
    def of(cls, config: ServerConfig, *, capacity: int | None = None) -> Limits:
        """``capacity``: how many connections the machine can serve, however many are configured."""
        return cls(
            head=HeadLimits(
                size=config.limit_header_size,
                count=config.limit_header_count,
                url_length=config.limit_url_length,
            ),
            body_size=config.limit_body_size,
            csr_size=min(config.limit_csr_size, config.limit_body_size),
            header_time=config.limit_header_time.total_seconds(),
            body_time=config.limit_body_time.total_seconds(),
            idle_time=config.limit_idle_time.total_seconds(),
            send_time=config.limit_send_time.total_seconds(),
            requests=config.limit_requests,
            connections=min(config.limit_connections, capacity or config.limit_connections),
            connections_per_address=config.limit_connections_per_address,
        )


DEFAULT_LIMITS = Limits.of(ServerConfig())


class Kind(enum.StrEnum):
    """What was too much, as the journal names it: by the option, mostly, without ``limit_`` in front."""

    HEADER = "header"  # size, count and length of the URL: what is wrong there is wrong with one client
    HEADER_TIME = "header_time"
    BODY_TIME = "body_time"
    SEND_TIME = "send_time"
    REQUESTS = "requests"
    CONNECTIONS = "connections"
    CONNECTIONS_PER_ADDRESS = "connections_per_address"
    PENDING = "pending"  # service_max_csr and user_max_csr
    PENDING_PER_ADDRESS = "pending_per_address"


class Refusal(enum.Enum):
    """Why a connection is not admitted."""

    TOO_MANY = Kind.CONNECTIONS
    TOO_MANY_OF_ADDRESS = Kind.CONNECTIONS_PER_ADDRESS

    @property
    def answer(self) -> bytes:
        """What to send over plain HTTP before closing, in one piece and without waiting; over HTTPS nothing is said,
        for that would cost a handshake.
        """
        return _ANSWERS[self]


def _answer(status: str, sentence: str) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(sentence)}\r\nCache-Control: no-store\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nRetry-After: {RETRY_SECONDS}\r\n\r\n{sentence}"
    ).encode("ascii")


_ANSWERS = {
    Refusal.TOO_MANY: _answer("503 Service Unavailable", "The server has too many connections."),
    Refusal.TOO_MANY_OF_ADDRESS: _answer(
        "429 Too Many Requests", "There are too many connections from this address."
    ),
}


class Admission:
    """Counts connections, in all and by address. For one thread. What it remembers is as long as the connections
    are many.
    """

    def __init__(self, limits: Limits) -> None:
        self._by_network: dict[str, int] = {}
        self._count = 0
        self.limits = limits

    @property
    def count(self) -> int:
        """How many are admitted."""
        return self._count

    def admit(self, address: str) -> Refusal | None:
        """Count a connection from that address (``local``: a Unix socket, which only ``all`` counts), or refuse it."""
        if self._count >= self.limits.connections:
            return Refusal.TOO_MANY
        if address != LOCAL:
            network = network_of(address)
            already = self._by_network.get(network, 0)
            if already >= self.limits.connections_per_address:
                return Refusal.TOO_MANY_OF_ADDRESS
            self._by_network[network] = already + 1
        self._count += 1
        return None

    def release(self, address: str) -> None:
        """A connection that was admitted has ended."""
        self._count -= 1
        if address == LOCAL:
            return
        network = network_of(address)
        left = self._by_network[network] - 1
        if left:
            self._by_network[network] = left
        else:
            del self._by_network[network]


Report = Callable[[Kind, int, str], None]
"""Called with a kind of limit, how often it was exceeded since the last report, and one of the addresses."""


class LimitEvent(enum.Enum):
    """What is told of limits in the journal."""

    EXCEEDED = "limit_exceeded"


def report_refusals(audit: Audit, kind: Kind, count: int, address: str) -> None:
    """A ``Report`` to an audit log."""
    audit(LimitEvent.EXCEEDED, limit=kind, count=count, address=address)


class Throttle:
    """Tells of refusals once a minute for each kind, however many there are. For one thread."""

    def __init__(self, report: Report, *, monotonic: Callable[[], float]) -> None:
        self._report = report
        self._monotonic = monotonic
        self._told_at: dict[Kind, float] = {}
        self._untold: dict[Kind, tuple[int, str]] = {}

    @property
    def has_more(self) -> bool:
        """Whether something was refused that has not been told yet."""
        return bool(self._untold)

    def refused(self, kind: Kind, address: str) -> None:
        """Something was refused to ``address``."""
        count, _ = self._untold.get(kind, (0, ""))
        self._untold[kind] = count + 1, address
        self._tell(kind)

    def tick(self, *, all_of_it: bool = False) -> None:
        """Tell what may be told by now, or, at the end, all of it."""
        for kind in tuple(self._untold):
            self._tell(kind, at_once=all_of_it)

    def _tell(self, kind: Kind, *, at_once: bool = False) -> None:
        now = self._monotonic()
        if at_once or now - self._told_at.get(kind, -math.inf) >= _REPORT_SECONDS:
            self._told_at[kind] = now
            count, address = self._untold.pop(kind)
            self._report(kind, count, address)
