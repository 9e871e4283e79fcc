"""What pages load: the style sheet, the script, an icon. From this package and nowhere else."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from caucase.authority import Document
from caucase.errors import NotFound
from caucase.server.call import Call
from caucase.server.representation import represent

_FOLDER = Path(__file__).parent / "static"
# The only names there are: none is made of what was asked for.
TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


async def asset(call: Call) -> web.Response:
    """NotFound for what is none of them."""
    name = call.match.parameter
    if name not in TYPES:
        raise NotFound("There is no such file.")
    response = represent(call.request, await call.run(_document, name), TYPES[name])
    # Also when it is opened by itself.
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


@functools.cache
def _document(name: str) -> Document:
    path = _FOLDER / name
    return Document.of(path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, UTC))
