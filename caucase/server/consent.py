"""The page on which a user lets a web origin use the user's rights here, or does not, and the answer to it.

No page can answer for the user: the page cannot be framed, and the answer is taken from this page alone.
"""

from __future__ import annotations

import html
import re
from http.cookies import CookieError
from urllib.parse import parse_qs, quote

from aiohttp import web

from caucase.config import values
from caucase.errors import Malformed
from caucase.server.call import Call
from caucase.server.cors import COOKIE, COOKIE_LIFE, Origins

PATH = "/cors"

_FORM = "application/x-www-form-urlencoded"
_FIELDS_LIMIT = 10
_FORM_LIMIT = 64 * 1024  # bytes: two URLs, which no browser makes longer than this
# After an origin: a path, query or fragment as a browser would write it, so that it has only one reading.
_REST_OF_URL = re.compile(r"(?:[/?#][!#-;=?-\[\]^_a-z{|}~]*)?", re.ASCII)

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Allow access to {server}?</title>
</head>
<body>
<main>
<h1>Allow access to {server}?</h1>
<p>Pages of <strong>{origin}</strong> ask to use the certificate authority
<strong>{server}</strong> with your rights: they could sign, reject and revoke certificates in your name.</p>
<p>Only allow this if you know these pages and trust them.</p>
<form method="post" action="{path}">
<input type="hidden" name="origin" value="{origin}">
<input type="hidden" name="return" value="{return_to}">
<button name="grant" value="0">Deny</button>
<button name="grant" value="1">Allow</button>
</form>
<p>If you have allowed this before and are asked again, your browser may be refusing third-party cookies.</p>
</main>
</body>
</html>
"""


def challenge(origins: Origins, origin: str) -> str:
    """WWW-Authenticate for a page that needs consent: a URI template (RFC 6570) of where to ask for it."""
    template = f"{origins.https}{PATH}?origin={quote(origin, safe='')}{{&return}}"
    return f"cors url={quote(template)}"


async def page(call: Call) -> web.Response:
    request, service = call.request, call.service
    if not request.secure:
        query = request.rel_url.raw_query_string
        target = service.origins.https + PATH + (f"?{query}" if query else "")
        return web.Response(status=302, headers={"Location": target})
    origin, return_to = _asked(request.query.getall("origin", []), request.query.getall("return", []))
    text = _PAGE.format(
        server=html.escape(service.netloc.https_authority),
        origin=html.escape(origin),
        return_to=html.escape(return_to),
        path=PATH,
    )
    # Some browsers hold form-action against the redirection that answers the form, too. The referrer policy
    # is the strictest with which a browser still names the origin when it sends the form.
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; base-uri 'none'; form-action 'self' {origin}; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }
    return web.Response(text=text, content_type="text/html", headers=headers)


async def decide(call: Call) -> web.Response:
    """Only for requests that ``Origins.decide`` has found to come from our own page."""
    if not call.request.secure:
        raise Malformed("Consent is given over HTTPS only.")
    if not call.has_type(_FORM):
        raise Malformed(f"The answer must be sent as {_FORM}.")
    try:
        fields = parse_qs(
            (await call.body(_FORM_LIMIT)).decode("ascii"), errors="strict", max_num_fields=_FIELDS_LIMIT
        )
    except ValueError:
        raise Malformed("The form cannot be read.") from None
    origin, return_to = _asked(fields.get("origin", []), fields.get("return", []))
    grant = fields.get("grant")
    if grant not in (["0"], ["1"]):
        raise Malformed("The answer is neither to allow nor to deny.")
    cookie = await call.run(
        call.service.consents.remember, cookie_of(call.request), origin, allowed=grant == ["1"]
    )
    response = web.Response(status=302, headers={"Location": return_to})
    set_cookie(response, cookie)
    return response


def cookie_of(request: web.BaseRequest) -> str | None:
    """The consent cookie; none where the cookies cannot be read."""
    try:
        return request.cookies.get(COOKIE)
    except CookieError:
        return None


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


def _asked(origins: list[str], returns: list[str]) -> tuple[str, str]:
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
