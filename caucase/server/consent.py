"""How a user lets a web origin use the user's rights here, or does not, or not any more: the address to ask at, the
answer, and the cookie that keeps it.

No page of another site can answer for the user: ``pages.consent`` cannot be framed, and the answer is taken from
there alone.
"""

from __future__ import annotations

import re
from http.cookies import CookieError
from urllib.parse import quote

from aiohttp import web

from caucase.config import values
from caucase.errors import Malformed
from caucase.server import forms
from caucase.server.call import Call
from caucase.server.cors import COOKIE, COOKIE_LIFE, Origins

PATH = "/cors"
LIST = "/ui/consents"

_FIELDS = 10
# After an origin: a path, query or fragment as a browser would write it, so that it has only one reading.
_REST_OF_URL = re.compile(r"(?:[/?#][!#-;=?-\[\]^_a-z{|}~]*)?", re.ASCII)


def challenge(origins: Origins, origin: str) -> str:
    """WWW-Authenticate for a page that needs consent: a URI template (RFC 6570) of where to ask for it."""
    template = f"{origins.https}{PATH}?origin={quote(origin, safe='')}{{&return}}"
    return f"cors url={quote(template)}"


async def decide(call: Call) -> web.Response:
    """Only for requests that ``Origins.decide`` has found to come from our own page."""
    fields = await forms.read(call, fields=_FIELDS)
    origin, return_to = asked(fields.get("origin", []), fields.get("return", []))
    grant = fields.get("grant")
    if grant not in (["0"], ["1"]):
        raise Malformed("The answer is neither to allow nor to deny.")
    user, allowed = user_of(call), grant == ["1"]
    cookie = await call.run(
        call.service.consents.remember, cookie_of(call.request), origin, user=user, allowed=allowed
    )
    response = web.Response(status=302, headers={"Location": return_to})
    set_cookie(response, cookie)
    return response


async def take_back(call: Call) -> web.Response:
    """Forget what was answered for an origin, allowed or denied; likewise."""
    origins = (await forms.read(call, fields=_FIELDS)).get("origin", [])
    if len(origins) != 1:
        raise Malformed("Exactly one origin is expected here.")
    cookie = await call.run(call.service.consents.forget, cookie_of(call.request), origins[0])
    response = web.Response(status=303, headers={"Location": LIST})
    set_cookie(response, cookie)
    return response


def cookie_of(request: web.BaseRequest) -> str | None:
    """The consent cookie; none where the cookies cannot be read."""
    try:
        return request.cookies.get(COOKIE)
    except CookieError:
        return None


def user_of(call: Call) -> str | None:
    """Whose answers count: the subject's, which stays when a certificate is renewed; ``None`` for nobody."""
    principal = call.look_who_calls()
    if principal is None:
        return None
    if principal.subject or principal.key_id is None:
        return f"subject {principal.subject}"
    return f"key {principal.key_id.hex()}"  # certificates without a subject are not all one user's


def set_cookie(response: web.StreamResponse, value: str) -> None:
    """Set the consent cookie, or clear it when ``value`` is empty."""
    response.set_cookie(
        COOKIE,
        value,
        max_age=int(COOKIE_LIFE.total_seconds()) if value else 0,
        path="/",
        secure=True,
        httponly=True,
        samesite="None",  # it is needed exactly when a page of another site asks
    )


def asked(origins: list[str], returns: list[str]) -> tuple[str, str]:
    """The origin that wants consent, and a URL of it to go back to; Malformed."""
    if len(origins) != 1 or len(returns) != 1:
        raise Malformed("Exactly one origin and one return address are expected here.")
    [origin], [return_to] = origins, returns
    try:
        is_origin = values.origin(origin) == origin and origin.startswith(("http://", "https://"))
    except ValueError:
        is_origin = False
    if not is_origin:
        raise Malformed("The origin is not http:// or https:// with a host, as browsers write it.")
    if not return_to.startswith(origin) or not _REST_OF_URL.fullmatch(return_to.removeprefix(origin)):
        raise Malformed("The return address is not an address of the origin.")
    return origin, return_to
