"""The kinds of audit entries, and the log of them, for people and for machines alike.

Nothing that a client sent is written as it came: control and format characters are escaped and long values
cut. An audit entry is never left out, and none holds a secret.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

AUDIT_LOGGER = "caucase.audit"
"""The logger of audit entries."""

# More than any name or serial needs, and still readable.
FIELD_LIMIT = 256

# Priorities of syslog(3), each with the level that logging knows for it; it has none for a notice.
ERR, WARNING, NOTICE, INFO = 3, 4, 5, 6
_LEVELS = {ERR: logging.ERROR, WARNING: logging.WARNING, NOTICE: logging.INFO, INFO: logging.INFO}

# What needs no quotes between other fields.
_BARE = re.compile(r"[A-Za-z0-9_.:/@+%-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Event:
    """A kind of audit entry. ``message_id``: 128 random bits, never changed (systemd.journal-fields(7)).

    ``priority`` is one of syslog(3).
    """

    name: str
    priority: int
    message_id: str
    sentence: str


_TABLE = (
    ("request_submitted", INFO, "df6259b82e4e4841a9fc69e6926a3863", "Certificate request submitted"),
    ("certificate_signed", NOTICE, "5042556cbca34992a2624a5386417079", "Certificate signed"),
    ("request_rejected", NOTICE, "a4c6eee4ef2046eab49f1285dca0bfd5", "Certificate request rejected"),
    ("certificate_renewed", INFO, "45a37715fe994906b27f80e687839132", "Certificate renewed"),
    ("certificate_revoked", NOTICE, "35c89ba0f7bf42bba8fa74b920c1deb5", "Certificate revoked"),
    ("ca_created", NOTICE, "2262774e5bb542908360fbab73996428", "Certificate authority created"),
    ("crl_published", INFO, "29670141fd94499991799dde61482920", "Revocation list published"),
    ("https_certificate_issued", INFO, "840f93191bee46d383b13601fecf6df5", "HTTPS certificate issued"),
    ("ca_imported", NOTICE, "b96f17353a44436cb81014bd5c9eaf5c", "Certificate authority imported"),
    ("ca_exported", NOTICE, "c37280fd7a8d463cbb4199179529c611", "Certificate authorities exported"),
    ("crl_imported", NOTICE, "d666200863014d53bfec3ec416c1646f", "Revocation list imported"),
    ("taken_over", NOTICE, "bbe490acb3844d74b3f55a0fb04532fd", "Former server's data taken over"),
    ("record_head", INFO, "3ccaf185cfcf403ca07cce611bd01acf", "The record reaches"),
    ("record_broken", ERR, "79dc151aba674a05b89378e9f3819498", "The record is broken"),
    ("authentication_refused", WARNING, "677fac8ba6444391aeaf83c9f8853f28", "Authentication refused"),
    ("server_started", INFO, "25d6607a14e74e50a4c52c7c8f1ec0ba", "Server started"),
    ("server_stopped", INFO, "db1642671ad84694894a8a55d223cd8d", "Server stopped"),
    ("server_unconfigured", ERR, "ab5cb4a78e0d4bb18ab1b3235e516670", "Server is not configured"),
    ("backup_written", INFO, "67a760e07561d79f72108e75626ad0cf", "Backup written"),
    (
        "backup_without_reader",
        WARNING,
        "fee79987e3084748fc8c14cbd6595f46",
        "No backup, for nobody could open it",
    ),
    (
        "backup_user_left_out",
        WARNING,
        "7a41a9edac0177a048e964eab7077392",
        "Backup cannot be opened by a user",
    ),
    ("database_restored", NOTICE, "724e3b39200d897176707dcf98a0552c", "Database restored from a backup"),
    ("limit_exceeded", WARNING, "a2c325f31d518028f7801559622c9653", "Refused, because it was too much"),
    ("configuration_reloaded", NOTICE, "a6b037c2c0fc4db79754dff5099a5b36", "Configuration reloaded"),
)
EVENTS: Mapping[str, Event] = {
    name: Event(name=name, priority=priority, message_id=message_id, sentence=sentence)
    for name, priority, message_id, sentence in _TABLE
}
"""Every kind of audit entry by its name."""


class Named(Protocol):
    """A kind of event as whoever reports it knows it: its ``value`` is a key of ``EVENTS``."""

    @property
    def value(self) -> str: ...


class Audit:
    """The audit log: called with an event and its fields it writes one entry; a ``None`` is left out.

    A field ``csr_id`` is CAUCASE_CSR_ID in the journal and ``csr_id=…`` in the text. Values are escaped here.
    """

    def __init__(self) -> None:
        self._logger = logging.getLogger(AUDIT_LOGGER)

    def __call__(self, event: Named, **fields: str | int | None) -> None:
        kind = EVENTS[event.value]
        level = _LEVELS[kind.priority]
        if not self._logger.isEnabledFor(level):
            return
        shown = {name: escape(str(value), FIELD_LIMIT) for name, value in fields.items() if value is not None}
        details = " ".join(f"{name}={_quoted(value)}" for name, value in shown.items())
        # As ``log`` does, which would also look for the line of code that calls it: always one of these.
        entry = self._logger.makeRecord(
            AUDIT_LOGGER,
            level,
            __file__,
            0,
            "%s",
            (f"{kind.sentence} [{details}]" if details else kind.sentence,),
            None,
            func="Audit",
            extra={
                "journal": {
                    "PRIORITY": str(kind.priority),
                    "MESSAGE_ID": kind.message_id,
                    **{_journal_field(name): value for name, value in shown.items()},
                }
            },
        )
        self._logger.handle(entry)


@functools.cache  # as many as there are in the source
def _journal_field(name: str) -> str:
    return f"CAUCASE_{name.upper()}"


def escape(text: str, limit: int | None = None) -> str:
    """``text`` on one line, cut after ``limit`` characters (an ellipsis says so).

    What is not printable (controls, line ends, bidi and format characters, lone surrogates) becomes an escape
    such as ``\\n``, ``\\x1b`` or ``\\u202e``.
    """
    if limit is not None and len(text) > limit:
        text = text[:limit] + "…"
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def _quoted(value: str) -> str:
    """So that no value can look like another field."""
    if _BARE.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
