"""The list of what was issued: from a query string to a page of the record, and from that to JSON (docs/record.md).

Strict: what is not understood is refused, so that no mistake in a filter passes for an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from caucase.authority import PAGE_LIMIT, IssuedCertificate, Page, Query, Record
from caucase.core import iso8601
from caucase.core.record import serial_text
from caucase.core.spki import KeyId
from caucase.core.x509 import SERIAL_MAX, Serial
from caucase.errors import Malformed

_NUMBER_MAX = 2**63 - 1
_TEXT_LIMIT = 256
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?", re.ASCII)


def parse(parameters: Iterable[tuple[str, str]]) -> Query:
    """The query that the pairs of a query string mean; Malformed for one that is not known, comes twice, or has a value
    that it cannot have.
    """
    values: dict[str, Any] = {}
    for name, text in parameters:
        if name not in _PARSERS:
            raise Malformed(f"There is no parameter {name[:40]!r}; {', '.join(_PARSERS)} are.")
        if name in values:
            raise Malformed(f"The parameter '{name}' is given twice.")
        values[name] = _PARSERS[name](name, text)
    return Query(**values)


def page(record: Record, query: Query) -> bytes:
    """The page as a JSON document."""
    return json.dumps(_document(record.page(query))).encode("ascii")


def _document(found: Page) -> dict[str, Any]:
    return {"certificates": [_certificate(one) for one in found.certificates], "next": found.next}


def _certificate(one: IssuedCertificate) -> dict[str, Any]:
    entry, revocation = one.entry, one.revocation
    return {
        "number": one.number,
        "kind": entry.kind.value,
        "issued_at": _iso(entry.at),
        "subject": entry.subject,
        "names": None if entry.names is None else json.loads(entry.names),
        "serial": serial_text(entry.serial),
        "key_id": None if entry.key_id is None else entry.key_id.hex(),
        "issuer": entry.issuer.hex() or None,
        "not_before": _iso(entry.not_before),
        "not_after": _iso(entry.not_after),
        "requested_from": entry.address,
        "approved_by": entry.actor,
        "renewed_from": None if entry.renewed_from is None else serial_text(entry.renewed_from),
        "revoked": None
        if revocation is None
        else {"at": _iso(revocation.at), "by": revocation.actor, "from": revocation.address},
    }


def _iso(seconds: int | None) -> str | None:
    return iso8601.dump(None if seconds is None else datetime.fromtimestamp(seconds, UTC))


def _whole(minimum: int, maximum: int) -> Callable[[str, str], int]:
    def parse_whole(name: str, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII) or not minimum <= int(text) <= maximum:
            raise Malformed(f"'{name}' is a whole number from {minimum} to {maximum}.")
        return int(text)

    return parse_whole


def _text(name: str, text: str) -> str:
    if not 0 < len(text) <= _TEXT_LIMIT:
        raise Malformed(f"'{name}' is a text of 1 to {_TEXT_LIMIT} characters.")
    return text


def _serial(name: str, text: str) -> Serial:
    if not re.fullmatch(r"[0-9A-Fa-f]{1,40}", text, re.ASCII) or not 0 < int(text, 16) <= SERIAL_MAX:
        raise Malformed(f"'{name}' is a serial number in hexadecimal.")
    return Serial(int(text, 16))


def _key_id(name: str, text: str) -> KeyId:
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){1,64}", text, re.ASCII):
        raise Malformed(f"'{name}' is a key identifier in hexadecimal.")
    return KeyId(bytes.fromhex(text))


def _date(name: str, text: str) -> datetime:
    if _DATE.fullmatch(text):
        try:
            return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
        except ValueError:
            pass
    raise Malformed(f"'{name}' is a date in UTC, such as 2030-12-31 or 2030-12-31T12:00:00Z.")


def _boolean(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise Malformed(f"'{name}' is true or false.")
    return text == "true"


_PARSERS: Mapping[str, Callable[[str, str], object]] = {
    "limit": _whole(1, PAGE_LIMIT),
    "after": _whole(0, _NUMBER_MAX),
    "text": _text,
    "serial": _serial,
    "key_id": _key_id,
    "expires_before": _date,
    "revoked": _boolean,
    "approved_by": _text,
}
