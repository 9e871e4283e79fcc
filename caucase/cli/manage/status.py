"""``--status``: what there is, what is next, and when; for people and, with ``--json``, for monitoring.

It changes nothing. The keys of the JSON document are described in docs/operating.md and stay.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from caucase import clock
from caucase.appliance import look
from caucase.authority import CaStatus, ContextName, ContextStatus, Status
from caucase.cli.common import EX_OK
from caucase.cli.manage.action import JSON, Action
from caucase.cli.table import Cell, table
from caucase.cli.terminal import Colour, Painted, has_colours
from caucase.cli.timeline import Row, draw
from caucase.config.schema import ServerConfig
from caucase.core import iso8601
from caucase.core.rollover import Phase
from caucase.host.events import escape
from caucase.jobs import backup
from caucase.jobs.backup import BackupState
from caucase.store import Database

_HEADINGS = ("WHAT", "STATE", "UNTIL", "NEXT")
_DATE = "%Y-%m-%d %H:%M"


def _add(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--status",
        action="store_true",
        help="what there is, what is next, and when: CA certificates, revocation lists, the server's HTTPS "
        "certificate, users; changes nothing",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    status = look(config)
    with Database(config.db, read_only=True) as database:
        backups = backup.state(database, config.backup_directory, clock=clock.now)
    if options.json:
        print(json.dumps(document(status) | {"backups": backups_document(backups)}, indent=2))
    else:
        lines = text(status, width=shutil.get_terminal_size().columns, colours=has_colours(sys.stdout))
        print("\n".join([*lines, "", str(backups)]))
    return EX_OK


ACTION = Action(key="status", add=_add, run=_run, extras=JSON)


# For machines


def document(status: Status) -> dict[str, Any]:
    """The JSON document. Dates are ISO 8601 in UTC, key identifiers and serials hexadecimal."""
    return {
        "netloc": status.netloc,
        "now": iso8601.dump(status.now),
        "authorities": [_context_document(context) for context in status.contexts],
        "https": {
            "not_after": iso8601.dump(status.https_not_after),
            "renewal_due": iso8601.dump(status.https_due),
        },
        "users": [
            {
                "subject": user.subject,
                "serial": f"{user.serial:x}",
                "key_id": user.key_id.hex(),
                "not_before": iso8601.dump(user.not_before),
                "not_after": iso8601.dump(user.not_after),
            }
            for user in status.users
        ],
    }


def backups_document(state: BackupState) -> dict[str, Any]:
    """What ``backups`` is in the JSON document."""
    newest = state.newest
    return {
        "newest": None
        if newest is None
        else {
            "path": str(newest.path),
            "made_at": iso8601.dump(newest.made_at),
            "size": newest.size,
            "key_ids": [key_id.hex() for key_id in newest.key_ids],
        },
        "readers": state.readers,
    }


def _context_document(context: ContextStatus) -> dict[str, Any]:
    return {
        "name": context.name.value,
        "pending": context.pending,
        "successor_due": iso8601.dump(context.successor_due),
        "cas": [
            {
                "subject": ca.subject,
                "serial": f"{ca.serial:x}",
                "key_id": ca.key_id.hex(),
                "phase": ca.phase.value,
                "not_before": iso8601.dump(ca.not_before),
                "not_after": iso8601.dump(ca.not_after),
                "phases": [
                    {
                        "phase": span.phase.value,
                        "start": iso8601.dump(span.start),
                        "end": iso8601.dump(span.end),
                    }
                    for span in ca.spans
                ],
            }
            for ca in context.cas
        ],
        "lists": [
            {
                "issuer": row.issuer.hex(),
                "number": row.number,
                "this_update": iso8601.dump(row.this_update),
                "next_update": iso8601.dump(row.next_update),
                "refresh_due": iso8601.dump(row.refresh_due),
            }
            for row in context.lists
        ],
    }


# For people


def text(status: Status, *, width: int, colours: bool = False) -> list[str]:
    """A head line, the timeline in ``width`` columns, and a table."""
    bars = [
        Row(label=f"{context.name.upper()} ca {number}", spans=ca.spans)
        for context in status.contexts
        if context.name is not ContextName.HTTPS  # ten times as long
        for number, ca in enumerate(context.cas, 1)
    ]
    return [
        f"{status.netloc} at {status.now:{_DATE}} UTC",
        "",
        *draw(bars, now=status.now, width=width),
        "",
        *table([_HEADINGS, *_lines(status)], colours=colours),
    ]


def _lines(status: Status) -> Iterator[tuple[Cell, Cell, Cell, Cell]]:
    for context in status.contexts:
        yield from _context_lines(context, status.now)
    if status.https_not_after is None:
        yield "HTTPS certificate", "none", "", "the server makes one"
    else:
        yield (
            "HTTPS certificate",
            _validity(status.https_not_after, status.now),
            f"{status.https_not_after:{_DATE}}",
            _due("renewed", status.https_due, status.now),
        )
    for user in status.users:
        yield (
            f"user {escape(user.subject, 40)}",
            Painted("valid", Colour.GREEN),
            f"{user.not_after:{_DATE}}",
            "renewed by its holder",
        )


def _context_lines(context: ContextStatus, now: datetime) -> Iterator[tuple[Cell, Cell, Cell, Cell]]:
    name = context.name.upper()
    numbers = {ca.key_id: number for number, ca in enumerate(context.cas, 1)}
    for ca in context.cas:
        is_newest = numbers[ca.key_id] == len(context.cas)
        yield (
            f"{name} ca {numbers[ca.key_id]}",
            ca.phase.value,
            f"{ca.not_after:{_DATE}}",
            _due("successor made", context.successor_due, now) if is_newest else _next_phase(ca, now),
        )
    for row in context.lists:
        yield (
            f"{name} list of ca {numbers[row.issuer]}",
            _validity(row.next_update, now, f", number {row.number}"),
            f"{row.next_update:{_DATE}}",
            _due("made again", row.refresh_due, now),
        )
    if context.pending is not None:
        waiting = f"{context.pending} waiting" if context.pending else "none waiting"
        yield f"{name} requests", waiting, "", "a user signs or rejects" if context.pending else ""


def _validity(end: datetime, now: datetime, more: str = "") -> Cell:
    return Painted(f"valid{more}", Colour.GREEN) if now <= end else Painted(f"EXPIRED{more}", Colour.RED)


def _due(what: str, due: datetime | None, now: datetime) -> Cell:
    if due is None:
        return Painted(f"{what} now", Colour.YELLOW)
    if now < due:
        return f"{what} {due:{_DATE}}"
    return Painted(f"{what} now: due since {due:{_DATE}}", Colour.YELLOW)


def _next_phase(ca: CaStatus, now: datetime) -> str:
    if ca.phase is Phase.EXPIRED:
        return "forgotten"
    following = next((span for span in ca.spans if span.start > now), None)
    return "ends" if following is None else f"{following.phase.value} {following.start:{_DATE}}"
