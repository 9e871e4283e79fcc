"""The aiohttp application: the routes, and what happens to every request around them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from aiohttp import web

from caucase.authority import Authority, ContextName
from caucase.clock import Clock
from caucase.config.schema import ServerConfig
from caucase.errors import Malformed
from caucase.server import consent, hal, problems
from caucase.server.call import Call, attach, call_of
from caucase.server.connection import SERVER
from caucase.server.consent_keys import ConsentKeys
from caucase.server.cors import COOKIE, Access, Consent, Consents, Kind, Origins
from caucase.server.routes import ROUTES, Route
from caucase.server.site import Service, Site

Endpoint: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

# After these a connection is closed: the rest of a body is not waited for, and another worker may be able to answer.
_LAST = (413, 503)


def make_service(authority: Authority, config: ServerConfig, *, clock: Clock) -> Service:
    """What ``Site.service`` is set to once ``config`` has become an authority. Opens no file."""
    netloc = config.netloc
    assert netloc is not None, "an authority has one"
    return Service(
        authority=authority,
        netloc=netloc,
        server_key=config.server_key,
        origins=Origins.of(netloc, config.cors_whitelist),
        consents=Consents(ConsentKeys(config.cors_key_store, clock=clock), clock=clock),
        hal=hal.documents(netloc, clock()),
    )


def create_app(site: Site) -> web.Application:
    """The application. Serve it with ``connections.Connections``."""
    routes: dict[Endpoint, Route] = {}
    layers = _Layers(site, routes)
    # What goes wrong in a handler is an answer before cross_origin completes it; and so is what goes wrong there.
    around = (layers.account, layers.problem, layers.cross_origin, layers.problem)
    app = web.Application(middlewares=around)
    taken = {path for route in ROUTES for _, path in route.paths()}
    for route in ROUTES:
        for context, path in route.paths():
            endpoint = _endpoint(route, context)
            routes[endpoint] = route
            for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
                app.router.add_route(method, _pattern(path, taken), endpoint, expect_handler=_later)
    app.on_response_prepare.append(_sign)
    return app


def _pattern(path: str, taken: Iterable[str]) -> str:
    """The path for the router: a parameter is nothing that is a fixed name in the same place, whatever the method."""
    parent, _, last = path.rpartition("/")
    if "{" not in last:
        return path
    others = (other.rpartition("/") for other in taken)
    names = sorted(re.escape(name) for place, _, name in others if place == parent and "{" not in name)
    value = f"(?!(?:{'|'.join(names)})$)[^/]+" if names else "[^/]+"
    return f"{parent}/{last.replace('}', f':{value}' + '}')}"


def _endpoint(route: Route, context: ContextName | None) -> Endpoint:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        call = call_of(request)
        assert call is not None, "the first layer makes it"
        call.context_name = context
        if route.auth:
            call.authenticate()
        return await route.handler(call)

    return endpoint


async def _later(_request: web.Request) -> None:
    """Nothing: ``Call.body`` asks for the body when it is wanted."""


async def _sign(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


class _Layers:
    """What is around every handler, from the outside in."""

    def __init__(self, site: Site, routes: Mapping[Endpoint, Route]) -> None:
        self._site = site
        self._routes = routes

    @web.middleware
    async def account(self, request: web.Request, handler: Endpoint) -> web.StreamResponse:
        """Count the request, refuse it without a configuration, and give every answer its common headers."""
        with self._site.busy():
            service = self._site.service
            call = None
            if service is None:
                response: web.StreamResponse = problems.plain(503, self._site.problem)
            else:
                call = Call(request, self._site, service)
                attach(request, call)
                response = await handler(request)
            is_private = call is not None and call.principal is not None
            response.headers.setdefault("Cache-Control", "private" if is_private else "no-store")
            response.headers["Vary"] = "Origin"
            response.headers["X-Content-Type-Options"] = "nosniff"
            # At the end each connection is let go with its answer, so that none goes on for ever.
            if self._site.is_ending or response.status in _LAST or (call is not None and call.must_close):
                response.force_close()
            return response

    @web.middleware
    async def problem(self, request: web.Request, handler: Endpoint) -> web.StreamResponse:
        """Whatever is raised becomes an answer."""
        try:
            return await handler(request)
        except ConnectionError:  # there is nobody to answer
            raise
        except Exception as error:  # noqa: BLE001 - the last one to see it; what is unknown is logged
            return problems.response_to(error)

    @web.middleware
    async def cross_origin(self, request: web.Request, handler: Endpoint) -> web.StreamResponse:
        """Refuse what pages of other origins may not do, tell browsers what they may, answer pre-flights."""
        call = call_of(request)
        assert call is not None, "the first layer makes it"
        call.check_load()
        service, origin = call.service, request.headers.get("Origin")
        if origin is not None and not origin.isascii():
            # Not only because no browser sends such a thing (RFC 6454 section 7): it could not be put into a header.
            raise Malformed("The Origin is not written in ASCII.")
        said = Consent()

        def consent_given() -> bool | None:
            nonlocal said
            said = service.consents.read(request.cookies.get(COOKIE))
            return said.answers.get(origin or "")

        access = service.origins.decide(origin, self._kind(request), consent_given)
        if access is Access.REFUSED:
            response: web.StreamResponse = problems.plain(403, "Pages of this origin may not do this.")
        elif access is Access.ASK:
            headers = {"WWW-Authenticate": consent.challenge(service.origins, origin or "")}
            response = problems.plain(401, "The user has to allow pages of this origin to do this.", headers)
        elif request.method == "OPTIONS":
            response = _options(request, for_page=access is Access.GRANTED)
        else:
            response = await handler(request)
        if access is Access.GRANTED:
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Allow-Origin"] = origin or ""
            response.headers["Access-Control-Expose-Headers"] = "Location, WWW-Authenticate"
        if said.is_stale:
            consent.set_cookie(response, said.dump())
        return response

    def _kind(self, request: web.Request) -> Kind:
        route = self._routes.get(request.match_info.handler)
        if request.method == "OPTIONS" or (route is not None and route.open_to_all):
            return Kind.OPEN
        return Kind.DECISION if route is not None and route.handler is consent.decide else Kind.OTHER


def _options(request: web.Request, *, for_page: bool) -> web.Response:
    """No route has this method, so the router says what else is possible at the path."""
    refusal = request.match_info.http_exception
    methods = problems.allow(refusal) if isinstance(refusal, web.HTTPMethodNotAllowed) else "OPTIONS"
    headers = {"Allow": methods}
    if for_page:
        headers["Access-Control-Allow-Methods"] = methods
        headers["Access-Control-Allow-Headers"] = "Content-Type, User-Agent"
    return web.Response(status=204, headers=headers)
