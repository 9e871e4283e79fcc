"""``--list-crt``: what was issued, a line each, for people or for programs. The server is asked elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TextIO

from caucase.cli.table import Cell, table
from caucase.cli.terminal import Colour, Painted, has_colours
from caucase.client.listing import IssuedCertificate
from caucase.host.events import escape

_HEADINGS = ("SERIAL", "SUBJECT", "NAMES", "STATE", "UNTIL", "HOW")
_DATE = "%Y-%m-%d %H:%M"
_WIDEST = 40


def show_json(certificates: Iterable[IssuedCertificate]) -> None:
    """Print one JSON document, a certificate on a line, page by page as they come: there may be a million. If they end
    early, so does the document.
    """
    print('{"certificates": [', end="")
    separator = "\n"
    for one in certificates:
        print(separator, json.dumps(one.document), sep="", end="")
        separator = ",\n"
    print("\n]}")


def show(
    certificates: Iterable[IssuedCertificate], *, now: datetime, soon: timedelta, stream: TextIO
) -> None:
    """Print a table. ``soon``: how long before its end a certificate is one to look after."""
    rows = [_HEADINGS, *_lines(certificates, now, soon)]
    print("\n".join(table(rows, colours=has_colours(stream))), file=stream)


def _lines(
    certificates: Iterable[IssuedCertificate], now: datetime, soon: timedelta
) -> Iterator[tuple[Cell, ...]]:
    for one in certificates:
        end = f"{one.not_after:{_DATE}}"
        yield (
            f"0x{one.serial}",  # as --revoke-serial takes it: one without letters would be a decimal number there
            escape(one.subject, _WIDEST),
            escape(" ".join(one.names), _WIDEST),
            _state(one, now),
            Painted(end, Colour.YELLOW) if _is_ending(one, now, soon) else end,
            escape(_how(one), 2 * _WIDEST),
        )


def _state(one: IssuedCertificate, now: datetime) -> Cell:
    if one.is_revoked:
        return Painted("REVOKED", Colour.RED)
    return Painted("valid", Colour.GREEN) if now <= one.not_after else "expired"


def _is_ending(one: IssuedCertificate, now: datetime, soon: timedelta) -> bool:
    return not one.is_revoked and now <= one.not_after <= now + soon


def _how(one: IssuedCertificate) -> str:
    if one.renewed_from:
        return f"{one.kind} from 0x{one.renewed_from}"
    return f"{one.kind} by {one.approved_by}" if one.approved_by else one.kind
