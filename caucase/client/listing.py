"""What a server's record says of certificates: its pages, parsed strictly. Which of them need a new certificate soon.

It trusts the server to say the truth: an answer comes over HTTPS, and proves nothing by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from caucase.core import iso8601
from caucase.core.message import load_json_object
from caucase.errors import Malformed

_SERIAL = re.compile(r"[0-9a-f]{1,40}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class IssuedCertificate:
    """One certificate. ``document``: all that the server says of it (docs/record.md); the other fields are what
    follows from it. ``subject`` and ``kind`` are not for a terminal as they are.
    """

    serial: str
    kind: str
    subject: str
    names: tuple[str, ...]
    not_after: datetime
    approved_by: str
    renewed_from: str
    is_revoked: bool
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Page:
    """``next``: what to ask for next, ``None`` on the last page."""

    certificates: tuple[IssuedCertificate, ...]
    next: int | None


def parse_page(body: bytes, *, after: int) -> Page:
    """The page that follows entry ``after``; Malformed."""
    document = load_json_object(body, "list of certificates")
    certificates, following = document.get("certificates"), document.get("next")
    if not isinstance(certificates, list) or not all(isinstance(one, dict) for one in certificates):
        raise Malformed("It is not a list of certificates.")
    if following is not None and (type(following) is not int or following <= after):
        raise Malformed("It does not say what follows.")  # and asking again would never end
    return Page(certificates=tuple(map(_certificate, certificates)), next=following)


def expiring(
    certificates: Iterable[IssuedCertificate], *, now: datetime, until: datetime
) -> Iterator[IssuedCertificate]:
    """Of all certificates, in their order, those that end from ``now`` to ``until`` and were neither revoked nor
    renewed.
    """
    found: dict[str, IssuedCertificate] = {}
    for one in certificates:
        found.pop(one.renewed_from, None)
        if not one.is_revoked and now <= one.not_after <= until:
            found[one.serial] = one
    yield from found.values()


def _certificate(document: dict[str, Any]) -> IssuedCertificate:
    names = document.get("names")
    serial, renewed_from = _text(document, "serial"), _text(document, "renewed_from")
    if not _SERIAL.fullmatch(serial) or (renewed_from and not _SERIAL.fullmatch(renewed_from)):
        raise Malformed("A certificate in it has no serial number.")
    if not (names is None or isinstance(names, list)):
        raise Malformed("A certificate in it has no list of names.")
    return IssuedCertificate(
        serial=serial,
        kind=_text(document, "kind"),
        subject=_text(document, "subject"),
        names=tuple(map(str, names or ())),
        not_after=iso8601.load(document.get("not_after")),
        approved_by=_text(document, "approved_by"),
        renewed_from=renewed_from,
        is_revoked=document.get("revoked") is not None,
        document=document,
    )


def _text(document: Mapping[str, Any], name: str) -> str:
    """Empty for what is not known."""
    value = document.get(name)
    if not isinstance(value, str | None):
        raise Malformed(f"The {name} of a certificate in it is no text.")
    return value or ""
