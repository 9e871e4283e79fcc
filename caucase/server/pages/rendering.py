"""From a view to a page: templates, what every page has around it, and the headers that keep other sites out."""

from __future__ import annotations

import functools
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from caucase.server.call import Call
from caucase.server.pages import texts, visible

if TYPE_CHECKING:
    from jinja2 import Environment

ROOT = "/ui/"

_TEMPLATES = Path(__file__).parent / "templates"

# Characters of a value that are shown unfolded.
FOLD = 160
# Different characters of a value that are named.
_UNUSUAL = 8
_UNITS = ((timedelta(days=1), "days"), (timedelta(hours=1), "hours"), (timedelta(minutes=1), "minutes"))


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What is around every page. ``server``: host and port of HTTPS. ``user``: the subject of the caller's
    certificate, ``None`` for nobody. ``refusal``: why the certificate that came is nobody's, or empty. ``waiting``:
    how many requests wait, 0 for nobody. ``path``: of this page. ``is_elsewhere``: the browser knows
    the server under another name, and so the API takes this page for another site's.
    """

    server: str
    path: str
    user: str | None
    refusal: str
    waiting: int
    is_elsewhere: bool
    now: datetime


async def show(
    call: Call, template: str, look: Callable[[], object], *, status: int = 200, form_action: str = "'self'"
) -> web.Response:
    """The page that ``template`` makes of what ``look`` returns; both run in a thread. ``form_action``: where its
    forms may lead to (CSP).
    """
    call.look_who_calls()  # of the connection, which is this thread's
    text = await call.run(_page, call, template, look)
    headers = security_headers(form_action)
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def security_headers(form_action: str = "'self'") -> dict[str, str]:
    """Nothing is loaded from elsewhere, nothing in the page itself is run, and no page of another site can show, open
    or read it. The referrer policy is the strictest with which a browser still names the origin when it sends a form.
    """
    policy = (
        "default-src 'none'; base-uri 'none'; connect-src 'self'; "
        f"form-action {form_action}; frame-ancestors 'none'; img-src 'self'; script-src 'self'; style-src 'self'"
    )
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }


def _page(call: Call, template: str, look: Callable[[], object]) -> str:
    return environment().get_template(template).render(frame=_frame(call), view=look(), t=texts)


def _frame(call: Call) -> Frame:
    user, service = call.principal, call.service
    server, url = service.netloc.https_authority, call.request.rel_url
    return Frame(
        server=server,
        # Our own searches; another site's questions are not repeated.
        path=url.raw_path_qs if url.raw_path.startswith(ROOT) else url.raw_path,
        user=None if user is None else user.subject,
        refusal=call.refusal.message if call.refusal is not None and call.has_certificate else "",
        waiting=0 if user is None else service.authority.count_pending(),
        is_elsewhere=_host(call.request) not in ("", server.lower()),
        now=service.clock(),
    )


def _host(request: web.BaseRequest) -> str:
    """As the browser wrote it; empty where it did not."""
    return request.headers.get("Host", "").lower().removesuffix(":443")


@functools.cache
def environment() -> Environment:
    """Loaded with the first page: most workers never show one, and need neither its memory nor its time to start."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        around=_around,
        colons=_colons,
        cut=_cut,
        date=lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}",
        day=lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d}",
        iso=lambda moment: f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        pieces=visible.pieces,
        unusual=lambda text: visible.unusual(text, _UNUSUAL),
    )
    made.globals.update(distance=distance, fold=FOLD)
    return made


def _around(text: str) -> list[tuple[str, str | None]]:
    """A text of ``texts`` in pieces: what stands before a ``{field}``, and the field's name, ``None`` at the end."""
    return [(before, name) for before, name, _, _ in string.Formatter().parse(text)]


def _colons(data: bytes) -> str:
    return data.hex(":").upper()


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"


def distance(now: datetime, then: datetime) -> str:
    """How long it is until ``then``, or since, in words."""
    away = abs(then - now)
    for unit, name in _UNITS:
        number = away // unit
        if number >= 2 or (number and name == "minutes"):
            break
    else:
        moment: str = texts.times.moment
        return moment
    words = texts.times.units[name][number != 1].format(number=number)
    sentence: str = texts.times.until if then > now else texts.times.since
    return sentence.format(words=words)
