"""What a person has filled in: the fields of a form of our own pages, as browsers send them."""

from __future__ import annotations

from urllib.parse import parse_qs

from caucase.errors import Malformed
from caucase.server.call import Call

_TYPE = "application/x-www-form-urlencoded"
_LIMIT = 64 * 1024  # bytes: two URLs, which no browser makes longer than this, or a hundred names


async def read(call: Call, *, fields: int) -> dict[str, list[str]]:
    """The values of each field that is not empty; of ``fields`` in all, at most. Malformed, or as ``Call.body``."""
    if not call.peer.is_secure:
        raise Malformed("Forms are sent over HTTPS only.")
    if not call.has_type(_TYPE):
        raise Malformed(f"The answer must be sent as {_TYPE}.")
    try:
        body = (await call.body(_LIMIT)).decode("ascii")
        return parse_qs(body, errors="strict", max_num_fields=fields)
    except ValueError:
        raise Malformed("The form cannot be read.") from None
