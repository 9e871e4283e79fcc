"""``--list-csr`` and ``--show-csr``: requests, for people and for programs. The server is asked elsewhere.

What a stranger wrote is shown escaped and never longer than a person reads. The keys of the JSON document are
described in caucase(1) and stay.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TextIO

from caucase.cli.common import age
from caucase.cli.table import Cell, table
from caucase.cli.terminal import Colour, Painted, has_colours, paint, wrapped
from caucase.client import Mode
from caucase.core import iso8601
from caucase.core.preview import ExtensionPreview, Fate, Preview, preview
from caucase.core.x509 import load_request
from caucase.errors import CaucaseError
from caucase.host.events import escape

_HEADINGS = ("csr_id".rjust(20), "subject", "names", "key", "age", "from")
_WIDEST = 40  # characters of a cell that somebody else has written
_LONGEST = 1024  # of a line in the details
_LABEL = 12
_KEY_ID_SHOWN = 16  # of 40 digits: enough to compare by eye, and all of them are in the details

# As long as somebody is away over a holiday: who asked then may not need it any more.
_OLD = timedelta(days=14)

_FATE_COLOURS = {Fate.CHANGED: Colour.YELLOW, Fate.DROPPED: Colour.YELLOW}


@dataclass(frozen=True, kw_only=True)
class ShownRequest:
    """A request. ``preview`` is ``None`` for one that cannot be read, and ``error`` says why. ``received_at`` and
    ``requested_from``: ``None`` and empty if they are not known.
    """

    csr_id: str
    preview: Preview | None
    error: str = ""
    received_at: datetime | None = None
    requested_from: str = ""

    @classmethod
    def read(
        cls,
        csr_id: str,
        pem: bytes,
        mode: Mode,
        *,
        received_at: datetime | None = None,
        requested_from: str = "",
    ) -> ShownRequest:
        """As somebody sent it, with what an authority of this project would make of it."""
        found, error = None, ""
        try:
            # As authority.policy has it, which is too much to import for every call of a client.
            found = preview(
                load_request(pem), backups=mode is Mode.USER, publishes_crl_url=mode is Mode.SERVICE
            )
        except CaucaseError as caught:
            error = str(caught)
        return cls(
            csr_id=csr_id, preview=found, error=error, received_at=received_at, requested_from=requested_from
        )


# For programs


def show_json(requests: Sequence[ShownRequest], mode: Mode) -> None:
    """Print one JSON document."""
    print(json.dumps({"mode": mode.value, "requests": list(map(_document, requests))}, indent=2))


def _document(request: ShownRequest) -> dict[str, Any]:
    """Dates are ISO 8601 in UTC, identifiers text, and ``null`` is what is not known."""
    found = request.preview
    return {
        "id": request.csr_id,
        "received_at": iso8601.dump(request.received_at),
        "requested_from": request.requested_from or None,
        "subject": found and found.subject,
        "names": found and found.names,
        "key": found and found.key,
        "key_id": found and found.key_id,
        "signature": found and found.signature,
        "extensions": found and [_extension_document(one) for one in found.extensions],
        "ignored": found and found.ignored,
        "refusal": (found and found.refusal) or None,
        "error": request.error or None,
    }


def _extension_document(extension: ExtensionPreview) -> dict[str, Any]:
    return {
        "oid": extension.oid,
        "name": extension.name,
        "fate": extension.fate.value,
        "asked": extension.asked,
        "asked_critical": extension.asked_critical,
        "issued": extension.issued,
        "issued_critical": extension.issued_critical,
        "reason": extension.reason or None,
    }


# For people: the list


def show_list(requests: Sequence[ShownRequest], mode: Mode, *, now: datetime, stream: TextIO) -> None:
    """Print a line for each. The id comes first and a bar follows, as in caucase 0.9: scripts read that."""
    print(f"-- pending {mode.value} CSRs --", file=stream)
    rows = [_HEADINGS, *(tuple(_cells(request, now)) for request in requests)]
    for line in table(rows, colours=has_colours(stream), separator=" | "):
        print(line, file=stream)
    print(f"-- end of pending {mode.value} CSRs --", file=stream)


def _cells(request: ShownRequest, now: datetime) -> Iterator[Cell]:
    yield request.csr_id.rjust(20)
    found = request.preview
    if found is None:
        yield from (Painted("unreadable", Colour.RED), "", "")
    else:
        key = Painted(f"{found.key} {found.key_id[:_KEY_ID_SHOWN]}", Colour.RED if found.refusal else None)
        yield from (escape(found.subject, _WIDEST), escape(" ".join(found.names), _WIDEST), key)
    if request.received_at is None:
        yield ""
    else:
        old = now - request.received_at > _OLD
        yield Painted(age(now - request.received_at), Colour.YELLOW if old else None)
    yield escape(request.requested_from, _WIDEST)


# For people: one request


def show_details(requests: Sequence[ShownRequest], mode: Mode, *, stream: TextIO) -> None:
    """Print all that each says."""
    columns = shutil.get_terminal_size().columns if stream.isatty() else 0
    colours = has_colours(stream)
    for number, request in enumerate(requests):
        if number:
            print(file=stream)
        print(f"request {request.csr_id}, for a {mode.value}", file=stream)
        for label, text, colour in _details(request):
            for line in _lines(label, text, columns):
                print(paint(line, colour) if colours else line, file=stream)


def _lines(label: str, text: str, columns: int) -> Iterator[str]:
    """Never does a line of a stranger's text begin where the labels are."""
    shown = escape(text, _LONGEST)
    if len(text) > _LONGEST:
        shown += f" ({len(text)} characters; all of them with --json)"
    pieces = wrapped(shown, max(columns - _LABEL - 2, 20)) if columns else [shown]
    for piece in pieces:
        yield f"  {label:<{_LABEL}}{piece}"
        label = ""


def _details(request: ShownRequest) -> Iterator[tuple[str, str, Colour | None]]:
    found = request.preview
    if found is None:
        yield "unreadable", request.error, Colour.RED
        return
    yield "subject", found.subject or "(none)", None
    for kind, value in found.subject_attributes if len(found.subject_attributes) > 1 else ():
        yield "", f"{kind} = {value}", None
    yield from _list("names", found.names)
    yield "key", f"{found.key}, {found.key_id}", None
    yield "signed with", found.signature, None
    yield from _list("usages", (*found.asked("keyUsage"), *found.asked("extKeyUsage")), joined=True)
    label = "extensions"
    for extension in found.extensions:
        yield label, _extension_line(extension), _FATE_COLOURS.get(extension.fate)
        label = ""
    if found.ignored:
        yield "ignored", ", ".join(found.ignored), None
    if found.refusal:
        yield "REFUSED", found.refusal, Colour.RED


def _list(label: str, items: Sequence[str], *, joined: bool = False) -> Iterator[tuple[str, str, None]]:
    if not items or joined:
        yield label, ", ".join(items) or "(none)", None
        return
    for item in items:
        yield label, item, None
        label = ""


def _extension_line(extension: ExtensionPreview) -> str:
    asked = _said(extension.asked, extension.asked_critical)
    issued = _said(extension.issued, extension.issued_critical)
    if extension.fate is Fate.KEPT:
        return f"kept: {extension.name}: {asked}"
    if extension.fate is Fate.ADDED:
        return f"added: {extension.name}: {issued}"
    if extension.fate is Fate.DROPPED:
        return f"DROPPED: {extension.name}: {asked}. {extension.reason}"
    return f"CHANGED: {extension.name}: {asked} becomes {issued}. {extension.reason}"


def _said(items: Sequence[str], critical: bool) -> str:
    return f"{'critical, ' if critical else ''}{', '.join(items) or '(nothing)'}"
