"""One request: what it asks of which context, who asks, and its body. It lives as long as the request.

The body is not asked for, nor read, before a handler wants it: what is refused on sight costs no upload.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

from aiohttp import web

from caucase.authority import REQUEST_ID_BITS, ContextAuthority, Principal, RequestId, UseCase
from caucase.errors import (
    CaucaseError,
    Malformed,
    NotAuthenticated,
    NotConfigured,
    NotFound,
    Overloaded,
    QueueFull,
    QueueShareFull,
    TooLarge,
    TooSlow,
)
from caucase.server.carrying_out import CarryingOut
from caucase.server.limits import Kind
from caucase.server.peer import peer_of
from caucase.server.router import Match
from caucase.server.site import Service, Site

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_KEY = "caucase"
_DECIMAL = re.compile(r"[0-9]{1,99}", re.ASCII)


class Call:
    """A request to a configured server."""

    def __init__(self, request: web.BaseRequest, match: Match, site: Site, service: Service) -> None:
        self.request = request
        self.peer = peer_of(request)
        self.match = match
        self.service = service
        self.principal: Principal | None = None
        # Why the caller is nobody; whether a certificate was presented, whosever; whether the answer is a user's.
        self.refusal: CaucaseError | None = None
        self.has_certificate = False
        self.is_for_user = False
        self._site = site
        self._limits = site.limits
        self._is_broken = False
        self._must_invite = request.headers.get("Expect", "").lower() == "100-continue"

    @property
    def context(self) -> ContextAuthority:
        """The authority of the context that the path begins with."""
        assert self.match.context is not None, "a route at the root has no context"
        return self.service.authority.context(self.match.context)

    @property
    def request_id(self) -> RequestId:
        """The id in the path: Malformed if it is no decimal integer, NotFound if it cannot be one of ours."""
        text = self.match.parameter
        if not _DECIMAL.fullmatch(text):
            raise Malformed("The id of a request is a decimal number.")
        if int(text).bit_length() > REQUEST_ID_BITS or text != str(int(text)):
            raise NotFound("There is no such request.")
        return RequestId(int(text))

    @property
    def user(self) -> Principal:
        """Who is calling; the route must be one that needs authentication."""
        assert self.principal is not None, "the route does not authenticate"
        return self.principal

    @property
    def address(self) -> str:
        return self.peer.address

    def carry_out(self, use_case: UseCase[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Run a use case; awaiting it gives what it returns or raises. It goes on also if the client does not wait."""
        return CarryingOut(self.service.committer, use_case, *args, **kwargs).outcome

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that may block, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._site.executor, functools.partial(function, *args, **kwargs))

    def run_later(self, function: Callable[[], None]) -> None:
        """Have a function called in a thread; nobody waits for it, and what goes wrong is logged."""

        def tell(done: asyncio.Future[None]) -> None:
            error = None if done.cancelled() else done.exception()
            if isinstance(error, CaucaseError):
                _log.error("What was to be done afterwards will be done later: %s", error)
            elif error is not None:
                _log.error("What was to be done afterwards failed.", exc_info=error)

        asyncio.get_running_loop().run_in_executor(self._site.executor, function).add_done_callback(tell)

    def authenticate(self) -> Principal:
        """Find out, once, who is calling; NotAuthenticated, or NotConfigured where only another connection can tell."""
        self.is_for_user = True
        principal = self.look_who_calls()
        if principal is None:
            assert self.refusal is not None, "it says why"
            raise self.refusal
        return principal

    def look_who_calls(self) -> Principal | None:
        """Who is calling where nobody has to be: ``None`` for whoever is no user, ``refusal`` says why. For use in the
        event loop's thread; StoreError if nobody can tell.
        """
        if self.principal is None and self.refusal is None:
            try:
                self.principal = self._identify()
            except (NotAuthenticated, NotConfigured) as error:
                self.refusal = error
        return self.principal

    def _identify(self) -> Principal:
        if not self.peer.was_asked:
            raise NotConfigured("This connection began before the server could work.", "Connect again.")
        certificate = self.peer.certificate_der
        self.has_certificate = certificate is not None
        return self.service.authority.authenticate(certificate, address=self.address)

    def check_load(self) -> None:
        """Overloaded, if there is too much in work already."""
        if self._site.is_overloaded:
            self._site.throttle.refused(Kind.REQUESTS, self.address)
            raise Overloaded("The server has too much to do at the moment.", "Try again in a few seconds.")

    def tell_full_queue(self, error: QueueFull) -> None:
        """Have it told that a request found no place in the queue."""
        kind = Kind.PENDING_PER_ADDRESS if isinstance(error, QueueShareFull) else Kind.PENDING
        self._site.throttle.refused(kind, self.address)

    async def csr(self) -> bytes:
        """The whole body where it is a certificate request; raises like ``body``."""
        return await self.body(self._limits.csr_size)

    async def body(self, limit: int | None = None) -> bytes:
        """The whole body, of at most ``limit`` bytes. TooLarge; TooSlow; Malformed if its framing is broken; Overloaded
        once it is there.
        """
        limit = min(self._limits.body_size, limit or self._limits.body_size)
        if (self.request.content_length or 0) > limit:
            raise _too_large(limit)
        if self._must_invite:
            await self._invite()
        if self.request.content.is_eof():
            return await self._read(limit)
        try:
            # Not a rate: what matters is for how long one client can hold a connection, and honest bodies are a few
            # thousand bytes.
            with self._site.uploading():
                async with asyncio.timeout(self._limits.body_time):
                    body = await self._read(limit)
        except TimeoutError:
            self._is_broken = True
            self._site.throttle.refused(Kind.BODY_TIME, self.address)
            raise TooSlow(f"The body did not come within {self._limits.body_time:g} seconds.") from None
        self.check_load()
        return body

    async def _read(self, limit: int) -> bytes:
        body = bytearray()
        try:
            while chunk := await self.request.content.readany():
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
        except (web.RequestPayloadError, ValueError):
            self._is_broken = True
            raise Malformed("The body is not framed as its header says.") from None
        return bytes(body)

    def has_type(self, media_type: str) -> bool:
        """Whether the body says it is of this type, in UTF-8 if it names a character set."""
        value = self.request.headers.get("Content-Type", "")
        if value == media_type:  # as most write it; to take a header apart is a parser for e-mail
            return True
        if not value.isascii():  # which aiohttp cannot read
            return False
        charset = self.request.charset or "utf-8"
        return self.request.content_type == media_type and charset.lower() == "utf-8"

    @property
    def must_close(self) -> bool:
        """Whether nobody knows what the client sends next: it still waits to be asked for the body, or has not sent it
        as it should.
        """
        return self._must_invite or self._is_broken

    async def _invite(self) -> None:
        """RFC 9110 section 10.1.1."""
        self._must_invite = False
        writer = self.request.writer
        await writer.write(_CONTINUE)
        # It is no part of the answer: aiohttp takes what was written for one that has begun.
        writer.output_size = 0


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.")


Handler: TypeAlias = Callable[[Call], Awaitable[web.StreamResponse]]

# aiohttp 3.14 wants typed keys, which earlier ones do not have.
_CALL: Any = web.RequestKey(_KEY, Call) if hasattr(web, "RequestKey") else _KEY


def attach(request: web.BaseRequest, call: Call) -> None:
    """Make ``call`` what ``call_of`` gives for the request."""
    request[_CALL] = call


def call_of(request: web.BaseRequest) -> Call | None:
    """The request as a call, ``None`` if it did not get so far."""
    return request.get(_CALL)
