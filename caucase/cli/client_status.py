"""``--status`` on a client: which certificates are here, what is next, and when. Files are read, nobody is asked.

The keys of the JSON document are described in docs/updater.md and stay.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from caucase.cli.table import Cell, table
from caucase.cli.terminal import Colour, Painted, has_colours
from caucase.cli.timeline import Row, draw
from caucase.core import iso8601, rollover
from caucase.core.rollover import CA_PERIODS, Lifetime, Roles, Span
from caucase.core.spki import KeyId
from caucase.core.x509 import (
    authority_key_id,
    next_update,
    not_after,
    not_before,
    subject_key_id,
    this_update,
)

_HEADINGS = ("WHAT", "STATE", "UNTIL", "NEXT")
_DATE = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, kw_only=True)
class AuthorityFiles:
    """The CA certificates and revocation lists of one authority that are here. ``name``: CAU or CAS."""

    name: str
    cas: Sequence[x509.Certificate]
    lists: Sequence[x509.CertificateRevocationList]


@dataclass(frozen=True, kw_only=True)
class HeldCertificate:
    """A certificate whose key is here. ``due``: when it is renewed."""

    path: Path
    certificate: x509.Certificate
    due: datetime
    is_revoked: bool = False


@dataclass(frozen=True, kw_only=True)
class ClientStatus:
    """What is here at ``now``. ``pending``: id of the request that waits for a signature. ``next_due``: when the
    server is asked next. ``undeployed``: whether what is new has yet to be deployed. These are ``None`` where
    nobody keeps count of them.
    """

    ca_url: str | None
    now: datetime
    authorities: Sequence[AuthorityFiles]
    certificates: Sequence[HeldCertificate]
    pending: str | None = None
    next_due: datetime | None = None
    undeployed: bool | None = None


def show(status: ClientStatus, *, as_json: bool) -> None:
    """Print it, for programs or for people."""
    if as_json:
        print(json.dumps(document(status), indent=2))
    else:
        lines = text(status, width=shutil.get_terminal_size().columns, colours=has_colours(sys.stdout))
        print("\n".join(lines))


# For programs


def document(status: ClientStatus) -> dict[str, Any]:
    """The JSON document. Dates are ISO 8601 in UTC, key identifiers and serials hexadecimal."""
    return {
        "ca_url": status.ca_url,
        "now": iso8601.dump(status.now),
        "certificates": [
            {
                "path": str(held.path),
                "subject": held.certificate.subject.rfc4514_string(),
                "serial": f"{held.certificate.serial_number:x}",
                "not_before": iso8601.dump(not_before(held.certificate)),
                "not_after": iso8601.dump(not_after(held.certificate)),
                "renewal_due": iso8601.dump(held.due),
                "revoked": held.is_revoked,
            }
            for held in status.certificates
        ],
        "pending_request": status.pending,
        "next_check_due": iso8601.dump(status.next_due),
        "deployment_pending": status.undeployed,
        "authorities": [_authority_document(authority, status.now) for authority in status.authorities],
    }


def _authority_document(authority: AuthorityFiles, now: datetime) -> dict[str, Any]:
    lives = _Lives.of(authority.cas, now)
    return {
        "name": authority.name.lower(),
        "cas": [
            {
                "subject": ca.subject.rfc4514_string(),
                "key_id": subject_key_id(ca).hex(),
                "phase": phase.value,
                "not_before": iso8601.dump(not_before(ca)),
                "not_after": iso8601.dump(not_after(ca)),
            }
            for ca, phase in zip(authority.cas, lives.roles.phases, strict=True)
        ],
        "lists": [
            {
                "issuer": _issuer(crl).hex(),
                "this_update": iso8601.dump(this_update(crl)),
                "next_update": iso8601.dump(next_update(crl)),
            }
            for crl in authority.lists
        ],
    }


# For people


def text(status: ClientStatus, *, width: int, colours: bool = False) -> list[str]:
    """A head line, the timeline in ``width`` columns, and a table."""
    bars = [
        Row(label=f"{authority.name} ca {number}", spans=spans)
        for authority in status.authorities
        for number, spans in enumerate(_Lives.of(authority.cas, status.now).timeline, 1)
    ]
    where = f"{status.ca_url} as seen from here" if status.ca_url else "As seen from here"
    return [
        f"{where} at {status.now:{_DATE}} UTC",
        "",
        *(draw(bars, now=status.now, width=width) or ["No CA certificate is here yet."]),
        "",
        *table([_HEADINGS, *_lines(status)], colours=colours),
    ]


def _lines(status: ClientStatus) -> Iterator[tuple[Cell, Cell, Cell, Cell]]:
    for held in status.certificates:
        end = not_after(held.certificate)
        state = Painted("REVOKED", Colour.RED) if held.is_revoked else _validity(end, status.now)
        due = Painted(f"renewed {held.due:{_DATE}}", Colour.YELLOW if held.due <= status.now else None)
        yield str(held.path), state, f"{end:{_DATE}}", due
    if status.pending is not None:
        yield f"request {status.pending}", Painted("waiting", Colour.YELLOW), "", "a user signs or rejects"
    for authority in status.authorities:
        lives = _Lives.of(authority.cas, status.now)
        numbers = {subject_key_id(ca): number for number, ca in enumerate(authority.cas, 1)}
        for ca, phase, spans in zip(authority.cas, lives.roles.phases, lives.timeline, strict=True):
            following = next((span for span in spans if span.start > status.now), None)
            yield (
                f"{authority.name} ca {numbers[subject_key_id(ca)]}",
                phase.value,
                f"{not_after(ca):{_DATE}}",
                "ends" if following is None else f"{following.phase.value} {following.start:{_DATE}}",
            )
        for crl in authority.lists:
            end_of_list = next_update(crl)
            number = numbers.get(_issuer(crl))
            yield (
                f"{authority.name} list of ca {number or _issuer(crl).hex()}",
                "valid" if end_of_list is None else _validity(end_of_list, status.now),
                "" if end_of_list is None else f"{end_of_list:{_DATE}}",
                "" if number else "its CA is not trusted here",
            )
    if status.next_due is not None:
        when = f"{status.next_due:{_DATE}}" if status.next_due > status.now else "at the next pass"
        yield "next question to the server", "", "", when
    if status.undeployed:
        yield "deployment", Painted("PENDING", Colour.YELLOW), "", "caucase-updater --deploy"


def _validity(end: datetime, now: datetime) -> Cell:
    return Painted("valid", Colour.GREEN) if now <= end else Painted("EXPIRED", Colour.RED)


def _issuer(crl: x509.CertificateRevocationList) -> KeyId:
    return authority_key_id(crl) or KeyId(b"")


@dataclass(frozen=True, kw_only=True)
class _Lives:
    """The lives of an authority's CAs. A client is not told the period; it is a fixed share of the CA's life."""

    roles: Roles
    timeline: list[list[Span]]

    @classmethod
    def of(cls, cas: Sequence[x509.Certificate], now: datetime) -> _Lives:
        lifetimes = [Lifetime(not_before=not_before(ca), not_after=not_after(ca)) for ca in cas]
        period = (
            max((life.not_after - life.not_before for life in lifetimes), default=timedelta(0)) / CA_PERIODS
        )
        return cls(
            roles=rollover.roles(lifetimes, now, period), timeline=rollover.timeline(lifetimes, period)
        )
