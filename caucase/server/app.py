"""What happens to every request around its route's handler.

It is served by aiohttp's bare server: its router and its middlewares would take longer than all of this.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from caucase.authority import Authority
from caucase.clock import Clock
from caucase.config.schema import ServerConfig
from caucase.errors import CaucaseError, Malformed, NotFound
from caucase.server import consent, hal, problems
from caucase.server.call import Call, attach
from caucase.server.committing import Committer
from caucase.server.connection import SERVER
from caucase.server.consent_keys import ConsentKeys
from caucase.server.cors import Access, Consent, Consents, Kind, Origins
from caucase.server.pages import problem
from caucase.server.pages.rendering import ROOT as PAGES
from caucase.server.router import Match, Router
from caucase.server.routes import ROUTES, Route
from caucase.server.site import Service, Site

# After these a connection is closed: the rest of a body is not waited for, and another worker may be able to answer.
_LAST = (413, 503)


def make_service(authority: Authority, config: ServerConfig, *, clock: Clock) -> Service:
    """What ``Site.service`` is set to once ``config`` has become an authority. Opens no file."""
    netloc = config.netloc
    assert netloc is not None, "an authority has one"
    return Service(
        authority=authority,
        clock=clock,
        committer=Committer(authority.storage),
        netloc=netloc,
        server_key=config.server_key,
        origins=Origins.of(netloc, config.cors_whitelist),
        consents=Consents(ConsentKeys(config.cors_key_store, clock=clock), clock=clock),
        hal=hal.documents(netloc, clock()),
    )


class Application:
    """What is done with every request, from the outside in: ``answer``. Serve it with ``connections.Connections``."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._router = Router(ROUTES)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Count the request, refuse it without a configuration, and give every answer its common headers."""
        with self._site.busy():
            service = self._site.service
            call = None
            if service is None:
                response: web.StreamResponse = problems.plain(503, self._site.problem)
            else:
                match = self._router.match(request.method, request.rel_url.raw_path)
                call = Call(request, match, self._site, service)
                attach(request, call)
                response = await _told(self._cross_origin, call)
            is_private = call is not None and call.is_for_user and call.principal is not None
            headers = response.headers
            headers.setdefault("Cache-Control", "private" if is_private else "no-store")
            headers["Vary"] = "Origin"
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Server"] = SERVER
            # At the end each connection is let go with its answer, so that none goes on for ever.
            if self._site.is_ending or response.status in _LAST or (call is not None and call.must_close):
                response.force_close()
            return response

    async def _cross_origin(self, call: Call) -> web.StreamResponse:
        """Refuse what pages of other origins may not do, tell browsers what they may, answer pre-flights."""
        call.check_load()
        request = call.request
        service, origin = call.service, request.headers.get("Origin")
        if origin is not None and not origin.isascii():
            # Not only because no browser sends such a thing (RFC 6454 section 7): it could not be put into a header.
            raise Malformed("The Origin is not written in ASCII.")
        said = Consent()

        def consent_given() -> bool | None:
            nonlocal said
            if (cookie := consent.cookie_of(request)) is not None:
                said = service.consents.read(cookie, consent.user_of(call))
            return said.answers.get(origin or "")

        access = service.origins.decide(origin, _kind(call), consent_given, is_secure=call.peer.is_secure)
        if access is Access.REFUSED:
            response: web.StreamResponse = problems.plain(403, "Pages of this origin may not do this.")
        elif access is Access.ASK:
            headers = {"WWW-Authenticate": consent.challenge(service.origins, origin or "")}
            response = problems.plain(401, "The user has to allow pages of this origin to do this.", headers)
        elif request.method == "OPTIONS":
            response = _options(call.match, for_page=access is Access.GRANTED)
        else:
            # What goes wrong there is an answer before it is completed here.
            response = await _told(_handled, call)
        if access is Access.GRANTED:
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Allow-Origin"] = origin or ""
            response.headers["Access-Control-Expose-Headers"] = "Location, WWW-Authenticate"
        if said.is_stale:
            consent.set_cookie(response, said.dump())
        return response


async def _told(function: Callable[[Call], Awaitable[web.StreamResponse]], call: Call) -> web.StreamResponse:
    """Whatever is raised becomes an answer."""
    try:
        return await function(call)
    except ConnectionError:  # there is nobody to answer
        raise
    except Exception as error:  # noqa: BLE001 - the last one to see it; what is unknown is logged
        return problems.response_to(error)


async def _handled(call: Call) -> web.StreamResponse:
    """The answer of the route's handler, or that there is no such route."""
    match = call.match
    if match.route is None and match.allowed:
        return problems.bare(405, {"Allow": match.allow})
    if _kind(call) not in (Kind.PAGE, Kind.FORM):
        return problems.bare(404) if match.route is None else await _answered(match.route, call)
    if not call.peer.is_secure and call.request.method in ("GET", "HEAD"):
        where = call.service.origins.https + call.request.rel_url.raw_path_qs
        return web.Response(status=302, headers={"Location": where})
    try:
        if match.route is None:
            raise NotFound("There is no such page.")
        return await _answered(match.route, call)
    except CaucaseError as error:
        return await problem.page(call, error)


async def _answered(route: Route, call: Call) -> web.StreamResponse:
    if route.auth:
        call.authenticate()
    return await route.handler(call)


def _kind(call: Call) -> Kind:
    route = call.match.route
    if call.request.method == "OPTIONS":
        return Kind.OPEN
    if route is not None:
        return route.kind
    # A person who follows an old link is told so on a page. Over HTTP, programs look for CA certificates there.
    is_below_pages = call.peer.is_secure and call.request.rel_url.raw_path.startswith(PAGES)
    return Kind.PAGE if is_below_pages and not call.match.allowed else Kind.API


def _options(match: Match, *, for_page: bool) -> web.Response:
    """No route has this method, so the match says what else is possible at the path."""
    headers = {"Allow": match.allow}
    if for_page:
        headers["Access-Control-Allow-Methods"] = match.allow
        headers["Access-Control-Allow-Headers"] = "Content-Type, User-Agent"
    return web.Response(status=204, headers=headers)
