"""A connection: which bytes become requests, and when it has lasted too long; errors in HTTP itself; the access log.

aiohttp answers one request after the other here and never sees the next before it has answered the last, so what it
holds of a client is bounded. It has no limit of time of its own that would be the same in all its versions.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from caucase import __version__, clock
from caucase.host.events import escape
from caucase.host.journal import ACCESS_LOGGER
from caucase.server import problems
from caucase.server.call import call_of
from caucase.server.framing import NONSENSE, Gate, Refused
from caucase.server.limits import Kind
from caucase.server.peer import LOCAL, Peer, peer_of
from caucase.server.site import Site
from caucase.server.wire import Wire

SERVER = f"caucased/{__version__}"

# aiohttp's own timer, which does not know when a request has begun.
_NEVER = 10 * 365 * 86400.0
# Seconds for the rest of a body that nobody wants, so that a client that is still sending sees the answer.
_LINGERING = 2.0
# Bytes that a client has to take of an answer within ``limit_send_time``; and what the kernel holds unsent of one.
_STEP = 64 * 1024
# Statuses of refusals that are about a limit; the others are mistakes of a client, and not told.
_LIMITS = {408: Kind.HEADER_TIME, 414: Kind.HEADER, 431: Kind.HEADER}

_logger = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """aiohttp's, behind a gate and with limits. Errors are told as everywhere else; a stranger's mistake is no
    traceback.
    """

    __slots__ = (
        "_gate", "_gone", "_has_served", "_held", "_is_answering", "_is_held", "_limits", "_moment", "_peer",
        "_refusal", "_rest", "_site", "_unsent", "_unsent_since", "_wire",
    )  # fmt: skip

    def __init__(
        self,
        manager: web.Server,
        site: Site,
        *,
        loop: asyncio.AbstractEventLoop,
        gone: Callable[[], None],
    ) -> None:
        """``gone`` is called when the connection is lost."""
        limits = site.limits
        super().__init__(
            manager,
            loop=loop,
            access_log_class=AccessLog,
            access_log=logging.getLogger(ACCESS_LOGGER),
            # A small body would become a large one, and no client of this protocol compresses.
            auto_decompress=False,
            keepalive_timeout=_NEVER,
            lingering_time=_LINGERING,
            # Never reached, for the gate is in front.
            max_line_size=limits.head.size,
            max_field_size=limits.head.size,
            max_headers=limits.head.count + 1,
        )
        self._gone = gone
        self._site = site
        self._limits = limits
        self._gate = Gate(limits.head)
        self._peer: Peer | None = None
        self._wire: asyncio.Transport | None = None
        self._held: Wire | None = None
        self._has_served = False
        self._is_answering = False
        # Of the next request, which has come too early; ``_is_held``: and therefore nothing is read.
        self._rest = b""
        self._is_held = False
        # Since when it waits for what it waits for now.
        self._moment = loop.time()
        self._unsent = 0
        self._unsent_since = 0.0
        self._refusal = 0

    @property
    def peer(self) -> Peer:
        """The client."""
        assert self._peer is not None, "the connection has been made"
        return self._peer

    @property
    def is_busy(self) -> bool:
        """Whether it is answering, or its client has yet to read what was answered."""
        return self._wire is not None and (self._is_answering or self._wire.get_write_buffer_size() > 0)

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "listeners are of the stream kind"
        self._peer = Peer.of(transport)
        self._wire = transport
        if self._peer.address != LOCAL:
            # Else a client that does not read has megabytes of the kernel's memory, and nobody sees how slow it is.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _STEP)
        self._held = Wire(transport)
        super().connection_made(cast("asyncio.Transport", self._held))

    def connection_lost(self, exc: BaseException | None) -> None:
        self._gate.end()
        self._wire = None
        super().connection_lost(exc)
        self._gone()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        self._advance()

    def resume_writing(self) -> None:
        self._unsent = 0
        super().resume_writing()

    # From bytes to requests

    def _advance(self) -> None:
        """Pass on what belongs to the request that is being answered, or the next one if none is."""
        gate = self._gate
        while self._rest and not (self._is_answering and gate.expects_head):
            begins, at_start = gate.expects_head, gate.is_between
            try:
                passed, self._rest = gate.feed(self._rest)
            except Refused as refused:
                self._refuse(refused.status)
                return
            if at_start and gate.in_head:
                self._moment = self._loop.time()
            if passed:
                self._is_answering |= begins
                super().data_received(passed)
        if self._wire is not None and self._is_held != bool(self._rest):
            self._is_held = bool(self._rest)
            if self._is_held:
                self._wire.pause_reading()
            else:
                self._wire.resume_reading()

    def _refuse(self, status: int) -> None:
        """Answer with that status, and take nothing more. No request is being answered."""
        if status in _LIMITS:
            self._site.throttle.refused(_LIMITS[status], self.peer.address)
        self._gate.end()
        self._rest = b""
        self._refusal = status
        self._is_answering = True
        super().data_received(NONSENSE)

    async def start(self) -> None:
        """aiohttp's: answers one request after the other."""
        try:
            await super().start()
        except TypeError:
            # aiohttp 3.8 begins with a request though the connection was lost in the same moment, and it has let go of
            # what it needs for that.
            if self._wire is not None:
                raise

    async def finish_response(self, request: web.BaseRequest, resp: web.StreamResponse, *rest: Any) -> Any:
        """aiohttp's, whose signature differs between versions: sends an answer. Then it is the next one's turn."""
        held = self._held
        assert held is not None, "a request has come over it"
        held.hold()
        try:
            return await super().finish_response(request, resp, *rest)
        finally:
            held.release()
            self._is_answering = False
            self._has_served = True
            self._moment = self._loop.time()
            if resp.keep_alive:
                self._advance()
            else:
                self._gate.end()
                self._rest = b""

    # Time

    def look(self, now: float) -> None:
        """End what has lasted too long; ``now`` as the loop has it."""
        wire = self._wire
        if wire is None:
            return
        unsent = wire.get_write_buffer_size()
        if not unsent or not self._unsent or unsent <= self._unsent - _STEP:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since > self._limits.send_time:
            self._site.throttle.refused(Kind.SEND_TIME, self.peer.address)
            wire.abort()
            return
        if self._is_answering or not self._gate.expects_head:
            return
        waited = now - self._moment
        if self._gate.in_head:
            if waited > self._limits.header_time:
                self._refuse(408)
        elif waited > (self._limits.idle_time if self._has_served else self._limits.header_time):
            if not self._has_served:
                self._site.throttle.refused(Kind.HEADER_TIME, self.peer.address)
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's words, with what the client sent in them
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError):  # there is nobody to answer, which is no defect
            raise exc
        if status >= 500:
            _logger.error("A request failed.", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, and cannot become another")
        response = problems.bare(self._refusal or status)
        response.headers["Server"] = SERVER
        response.headers["Connection"] = "close"  # also where aiohttp answers in HTTP/1.0, which has no other
        response.force_close()
        return response


class AccessLog(AbstractAccessLogger):
    """A line for each answer, in Apache's combined format; the user is the serial of the certificate."""

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:  # noqa: ARG002
        if not self.enabled:
            return
        call = call_of(request)
        version = f"HTTP/{request.version.major}.{request.version.minor}"
        has_body = request.method != "HEAD" and response.status not in (204, 304)
        self.logger.info(
            '%s - %s [%s] "%s" %d %s "%s" "%s"',
            peer_of(request).address,
            f"{call.principal.serial:x}" if call is not None and call.principal is not None else "-",
            f"{clock.now():%d/%b/%Y:%H:%M:%S %z}",
            _quoted(f"{request.method} {request.raw_path} {version}"),
            response.status,
            (response.content_length if has_body else None) or "-",
            _quoted(request.headers.get("Referer", "-")),
            _quoted(request.headers.get("User-Agent", "-")),
        )


def _quoted(text: str) -> str:
    """So that it ends where its quotes do."""
    return escape(text.replace("\\", "\\\\").replace('"', '\\"'))
