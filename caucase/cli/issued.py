"""``--list-crt``: what was issued, a line each, for people or for programs. The server is asked elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from caucase.cli.table import table
from caucase.client.listing import IssuedCertificate
from caucase.host.events import escape

_HEADINGS = ("SERIAL", "SUBJECT", "NAMES", "STATE", "UNTIL", "HOW")
_DATE = "%Y-%m-%d %H:%M"
_WIDEST = 40


def show(certificates: Iterable[IssuedCertificate], *, now: datetime, as_json: bool) -> None:
    """Print them: a table, or a JSON document on a line for each."""
    if as_json:
        for one in certificates:
            print(json.dumps(one.document))
    else:
        print("\n".join(table([_HEADINGS, *_lines(certificates, now)])))


def _lines(certificates: Iterable[IssuedCertificate], now: datetime) -> Iterator[tuple[str, ...]]:
    for one in certificates:
        state = "REVOKED" if one.is_revoked else "valid" if now <= one.not_after else "expired"
        yield (
            f"0x{one.serial}",  # as --revoke-serial takes it: one without letters would be a decimal number there
            escape(one.subject, _WIDEST),
            escape(" ".join(one.names), _WIDEST),
            state,
            f"{one.not_after:{_DATE}}",
            escape(_how(one), 2 * _WIDEST),
        )


def _how(one: IssuedCertificate) -> str:
    if one.renewed_from:
        return f"{one.kind} from 0x{one.renewed_from}"
    return f"{one.kind} by {one.approved_by}" if one.approved_by else one.kind
