"""The worker processes of one configuration, seen from the daemon: started when needed, given connections evenly,
replaced when they die.

It runs in a process without threads and without the database, which is why it may fork.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from itertools import takewhile
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector

from caucase import clock
from caucase.server.channel import Ask, Channel, Closed, Connect, State

# Connections that a worker has not taken yet; with more, nobody else is accepted for a moment.
_UNSENT_MAX = 64
# Of the last connections, so many for each worker, all are to have their part; only then all that are open count. Else
# those of an attack, which say nothing and end together, would leave one worker with few, and all would go there.
_RECENT = 4
# Seconds until a worker that died is replaced: one that dies at once must not be started as fast as that goes.
_REPLACE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Member:
    """A worker. ``state``: what it last said of itself, ``None`` until it has started. ``answered``: since it was
    asked. ``connections``: what to call when one is gone, by number.
    """

    def __init__(self, pid: int, channel: Channel, *, is_first: bool) -> None:
        self.pid = pid
        self.is_first = is_first
        self.channel = channel
        self.state: State | None = None
        self.answered = False
        self.connections: dict[int, Callable[[], None]] = {}

    def connections_since(self, number: int) -> int:
        """How many of those after ``number`` are still open."""
        return sum(1 for _ in takewhile(lambda one: one > number, reversed(self.connections)))

    @property
    def has_problem(self) -> bool:
        """Whether it answers nothing but 503."""
        return self.state is not None and bool(self.state.problem)


class Crew:
    """``work`` is what a worker does: it is given its end of the channel and whether it is the first, in a process of
    its own. ``size``: so many workers at most.
    """

    def __init__(self, selector: BaseSelector, work: Callable[[Channel, bool], None], *, size: int) -> None:
        self._selector = selector
        self._work = work
        self._size = size
        self._members: list[Member] = []
        self._numbers = 0
        self._may_start = 0.0
        self._is_retired = False
        self._start(is_first=True)

    @property
    def is_gone(self) -> bool:
        return not self._members

    @property
    def state(self) -> State | None:
        """What the workers say: a problem if one has one, and who was busy last. ``None``: nothing yet."""
        states = [member.state for member in self._members if member.state is not None]
        if not states:
            return None
        idle = min(state.idle for state in states)
        worst = next((state for state in states if state.problem or state.waiting is None), states[-1])
        return State(
            problem=worst.problem, error=worst.error, hint=worst.hint, waiting=worst.waiting, idle=idle
        )

    def take_answers(self) -> bool:
        """Whether everybody has said how it is since ``ask``; once for each time."""
        if not self._members or not all(member.answered for member in self._members):
            return False
        for member in self._members:
            member.answered = False
        return True

    @property
    def has_room(self) -> bool:
        """Whether connections can be handed over."""
        return bool(self._members) and all(member.channel.unsent < _UNSENT_MAX for member in self._members)

    def ask(self) -> None:
        """Ask everybody how it is."""
        for member in self._members:
            member.answered = False
            self._post(member, Ask())

    def hand_over(self, connection: socket.socket, *, secure: bool, gone: Callable[[], None]) -> None:
        """Let the worker with the fewest recent connections serve this one, if possible one that can work; ``gone`` is
        called once it is closed.
        """
        member = min(self._members, key=self._burden)
        if member.connections and len(self._members) < self._size and self._start(without=connection):
            member = self._members[-1]
        self._numbers += 1
        member.connections[self._numbers] = gone
        self._post(member, Connect(number=self._numbers, secure=secure, connection=connection))

    def _burden(self, member: Member) -> tuple[bool, int, int]:
        recent = member.connections_since(self._numbers - _RECENT * len(self._members))
        return member.has_problem, recent, len(member.connections)

    def retire(self) -> None:
        """Let everybody finish what it has and end."""
        self._is_retired = True
        for member in self._members:
            member.channel.finish()

    def kill(self) -> None:
        """End everybody who has not ended."""
        for member in self._members:
            os.kill(member.pid, signal.SIGKILL)

    def keep_up(self) -> None:
        """Have at least one worker; to be called every now and then."""
        if not self._members and not self._is_retired:
            self._start()

    def handle(self, member: Member, events: int) -> None:
        """Something happened at the channel of one of the members."""
        if events & EVENT_WRITE:
            member.channel.flush()
            self._watch(member)
        if events & EVENT_READ:
            while self._hear(member):
                pass

    def _hear(self, member: Member) -> bool:
        try:
            message = member.channel.receive()
        except BlockingIOError:
            return False
        match message:
            case Closed(number=number):
                member.connections.pop(number)()
            case State():
                if message.problem and member.state is None and not member.is_first:
                    _log.error("A worker that was started later cannot work: %s", message.problem)
                member.state, member.answered = message, True
            case None:
                self._bury(member)
                return False
        return True

    def _start(self, *, is_first: bool = False, without: socket.socket | None = None) -> bool:
        """``without``: what the worker must not inherit: closed elsewhere, it would stay open there."""
        now = clock.monotonic()
        if now < self._may_start:
            return False
        ours, theirs = Channel.pair()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                ours.close()
                if without is not None:
                    without.close()
                self._work(theirs, is_first)
                status = 0
            except BaseException:  # noqa: BLE001 - it is logged, and nothing of the daemon's must go on here
                _log.exception("A worker failed.")
            finally:
                # Nothing of the daemon's is to be done a second time.
                logging.shutdown()
                os._exit(status)
        theirs.close()
        member = Member(pid, ours, is_first=is_first)
        self._members.append(member)
        self._selector.register(ours, EVENT_READ, (self, member))
        return True

    def _post(self, member: Member, message: Ask | Connect) -> None:
        member.channel.post(message)
        self._watch(member)

    def _watch(self, member: Member) -> None:
        events = EVENT_READ | EVENT_WRITE if member.channel.unsent else EVENT_READ
        self._selector.modify(member.channel, events, (self, member))

    def _bury(self, member: Member) -> None:
        """A worker has ended, as it was told to or not."""
        self._selector.unregister(member.channel)
        member.channel.close()
        self._members.remove(member)
        _, status = os.waitpid(member.pid, 0)
        for gone in member.connections.values():
            gone()
        code = os.waitstatus_to_exitcode(status)
        if code or not self._is_retired:
            _log.error("A worker ended with %d and %d connections.", code, len(member.connections))
            self._may_start = clock.monotonic() + _REPLACE_SECONDS
