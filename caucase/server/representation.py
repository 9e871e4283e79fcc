"""Answers with what the authority publishes: conditional requests (RFC 9110 section 13), no copies."""

from __future__ import annotations

import asyncio
from datetime import UTC
from email.utils import format_datetime

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from caucase.authority import Document

# Bytes; what is longer is sent slice by slice.
_WHOLE = 64 * 1024


def represent(request: web.BaseRequest, document: Document, media_type: str) -> web.Response:
    """The document, or 304 if the client has it already. Caches have to ask each time, which costs little."""
    headers = {
        "Cache-Control": "no-cache",
        "ETag": document.etag,
        "Last-Modified": format_datetime(document.last_modified.astimezone(UTC), usegmt=True),
    }
    if _is_current(request, document):
        return web.Response(status=304, headers=headers)
    body = document.body if document.size <= _WHOLE else _Slices(document)
    return web.Response(body=body, headers={"Content-Type": media_type, **headers})


def _is_current(request: web.BaseRequest, document: Document) -> bool:
    """Whether a condition says that the client's copy is good; If-None-Match goes first (section 13.2.2)."""
    tags = request.if_none_match
    if tags is not None:
        return any(tag.value in ("*", document.etag.strip('"')) for tag in tags)
    since = request.if_modified_since
    return since is not None and document.last_modified.replace(microsecond=0) <= since


class _Slices(Payload):
    """A long document, sent slice by slice as the client takes it."""

    _value: Document

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._size = document.size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for part in self._value.slices():
            await writer.write(part)
            # Which returns at once while the client takes it as fast as it comes: others want to be answered, too.
            await asyncio.sleep(0)
