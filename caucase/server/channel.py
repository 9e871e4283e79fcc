"""What the daemon and one of its workers tell each other: datagrams over a pair of sockets, in order.

To the worker go connections, as descriptors (unix(7), SCM_RIGHTS), and questions; back come what became of them. The
end of the daemon's side tells the worker to finish. Nothing in a message is a secret.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import json
import socket
from dataclasses import asdict, dataclass
from typing import TypeAlias

# Larger than any message: the longest is a problem, told to a person.
_SIZE = 65536
# The other side has yet to read; the second is the kernel's limit of descriptors on their way (unix(7)).
_NO_ROOM = (errno.EAGAIN, errno.ETOOMANYREFS)


@dataclass(frozen=True, kw_only=True)
class Connect:
    """Serve this connection. ``number`` is the daemon's for it; whoever receives ``connection`` owns it."""

    number: int
    secure: bool
    connection: socket.socket


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A connection was to be served, and this process could not take it: it has too many files open."""

    number: int


@dataclass(frozen=True, kw_only=True)
class Ask:
    """How are you? The answer is a ``State``."""


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A connection is gone."""

    number: int


@dataclass(frozen=True, kw_only=True)
class State:
    """How a worker is: after its start, and when asked.

    ``problem``: why it answers nothing but 503, else empty; ``error`` and ``hint`` are the exception's. ``waiting``:
    requests that wait for a signature; ``None`` if the database could not be read. ``idle``: seconds since the last
    request.
    """

    problem: str = ""
    error: str = ""
    hint: str = ""
    waiting: int | None = None
    idle: float = 0.0


Message: TypeAlias = Connect | Lost | Ask | Closed | State

_KINDS: dict[str, type[Ask | Closed | State]] = {kind.__name__: kind for kind in (Ask, Closed, State)}


class Channel:
    """One end, which never blocks."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._outbox: collections.deque[Message] = collections.deque()

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def fileno(self) -> int:
        return self._end.fileno()

    @property
    def unsent(self) -> int:
        """How many messages wait for the other side to read."""
        return len(self._outbox)

    def post(self, message: Message) -> None:
        """Send, at once or when ``flush`` finds that there is room. A connection is the channel's from now on.

        To an end that is gone nothing is sent; ``receive`` tells.
        """
        self._outbox.append(message)
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        while self._outbox:
            try:
                self._send(self._outbox[0])
            except OSError as error:
                if error.errno in _NO_ROOM:
                    return
            message = self._outbox.popleft()
            if isinstance(message, Connect):
                message.connection.close()

    def _send(self, message: Message) -> None:
        if isinstance(message, Connect):
            head = f"{message.number} {int(message.secure)}".encode("ascii")
            socket.send_fds(self._end, [head], [message.connection.fileno()])
        else:
            self._end.send(json.dumps([type(message).__name__, asdict(message)]).encode("ascii"))

    def receive(self) -> Message | None:
        """The next message, ``None`` at the end; BlockingIOError when there is none yet."""
        try:
            data, descriptors, flags, _ = socket.recv_fds(self._end, _SIZE, 1, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return None
        if flags & socket.MSG_CTRUNC:
            return Lost(number=int(data.split()[0]))
        if descriptors:
            number, secure = data.split()
            connection = socket.socket(fileno=descriptors[0])
            return Connect(number=int(number), secure=secure == b"1", connection=connection)
        if not data:
            return None
        name, fields = json.loads(data)
        return _KINDS[name](**fields)

    def finish(self) -> None:
        """Say no more; what the other side says is still heard."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Nothing is heard, and what waits is not sent."""
        for message in self._outbox:
            if isinstance(message, Connect):
                message.connection.close()
        self._outbox.clear()
        self._end.close()
