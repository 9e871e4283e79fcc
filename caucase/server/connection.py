"""What happens before and after a request is handled: errors in HTTP itself, and the access log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from caucase import __version__, clock
from caucase.host.events import escape
from caucase.host.journal import ACCESS_LOGGER
from caucase.server import peer, problems
from caucase.server.call import call_of

SERVER = f"caucased/{__version__}"

# Seconds between two requests on a connection. aiohttp's default differs between versions, up to an hour.
_KEEP_ALIVE = 75.0

_logger = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """aiohttp's, except that errors are told as everywhere else; a stranger's mistake is no traceback."""

    __slots__ = ("_gone",)

    def __init__(
        self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, gone: Callable[[], None]
    ) -> None:
        """``gone`` is called when the connection is lost."""
        super().__init__(
            manager,
            loop=loop,
            access_log_class=AccessLog,
            access_log=logging.getLogger(ACCESS_LOGGER),
            # A small body would become a large one, and no client of this protocol compresses.
            auto_decompress=False,
            keepalive_timeout=_KEEP_ALIVE,
        )
        self._gone = gone

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._gone()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's words, with what the client sent in them
    ) -> web.StreamResponse:
        if isinstance(exc, UnicodeEncodeError) and not request.headers.get("Expect", "").isascii():
            status = 417  # aiohttp repeats what it was, where there is no route that would ask for a body
        if status >= 500:
            _logger.error("A request failed.", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, and cannot become another")
        response = problems.bare(status)
        response.headers["Server"] = SERVER
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
            peer.address(request),
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
