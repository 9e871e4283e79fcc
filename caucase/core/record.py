"""The record of what was issued and revoked: what an entry says, and the hash that binds it to the one before.

Whoever changes, removes, adds or moves an entry changes all hashes from there on, and the newest is known elsewhere
(docs/record.md). Nothing here knows where entries are kept. What is hashed never changes: old entries could not be
checked any more.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cryptography import x509

from caucase.core import wording
from caucase.core.spki import KeyId
from caucase.core.x509 import SERIAL_MAX, Serial, authority_key_id, key_id_in, not_after, not_before, subject

Value: TypeAlias = int | str | bytes | None

START = bytes(32)
"""What stands for the hash before the first entry of a chain."""

_SERIAL = re.compile(r"[1-9a-f][0-9a-f]{0,39}", re.ASCII)


class Kind(enum.StrEnum):
    """What happened. ``SIGNED`` by a user. ``IMPORTED``: issued before there was a record, or by a former server."""

    SIGNED = "signed"
    AUTOMATIC = "automatic"
    RENEWED = "renewed"
    IMPORTED = "imported"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that happened, as it is stored: dates in Unix seconds, ``None`` for what is not known.

    ``subject``: RFC 4514. ``names``: a JSON list of the alternative names. ``key_id``: of the certificate's key.
    ``issuer``: of the CA's, empty if not known. ``not_after``: until when the certificate matters, at the latest.
    ``address``: where it was asked for. ``actor``: who decided. ``renewed_from``: serial of the certificate whose
    key asked.
    """

    kind: Kind
    at: int | None
    serial: Serial
    subject: str | None = None
    names: str | None = None
    key_id: KeyId | None = None
    issuer: KeyId
    not_before: int | None = None
    not_after: int
    address: str | None = None
    actor: str | None = None
    renewed_from: Serial | None = None

    def values(self, context: str, number: int) -> tuple[Value, ...]:
        """All columns but the hash, in their order. ``number``: counted from 1 in each context."""
        return (
            context,
            number,
            self.kind.value,
            self.at,
            serial_text(self.serial),
            self.subject,
            self.names,
            self.key_id,
            self.issuer,
            self.not_before,
            self.not_after,
            self.address,
            self.actor,
            None if self.renewed_from is None else serial_text(self.renewed_from),
        )


def serial_text(serial: Serial) -> str:
    """A serial as it is stored, and as openssl prints it but in lower case."""
    return f"{serial:x}"


def parse_serial_text(text: str) -> Serial:
    """The serial that is stored as ``text``; ValueError for what ``serial_text`` never makes."""
    if not _SERIAL.fullmatch(text) or int(text, 16) > SERIAL_MAX:
        raise ValueError(f"no serial: {text[:50]!r}")
    return Serial(int(text, 16))


def issued(
    certificate: x509.Certificate,
    kind: Kind,
    *,
    at: int | None,
    address: str | None = None,
    actor: str | None = None,
    renewed_from: Serial | None = None,
) -> Entry:
    """The entry of a certificate, which must be this thread's own (see ``core.x509``)."""
    return Entry(
        kind=kind,
        at=at,
        serial=Serial(certificate.serial_number),
        subject=subject(certificate).rfc4514_string(),
        names=alternative_names(certificate.extensions),
        key_id=key_id_in(certificate),
        issuer=authority_key_id(certificate) or KeyId(b""),
        not_before=int(not_before(certificate).timestamp()),
        not_after=int(not_after(certificate).timestamp()),
        address=address,
        actor=actor,
        renewed_from=renewed_from,
    )


def link(previous: bytes, values: Sequence[object]) -> bytes:
    """The hash of an entry: SHA-256 over the hash before it and its values as a line of JSON.

    ``values``: as ``Entry.values`` has them, or whatever somebody has put there instead.
    """
    return hashlib.sha256(previous + _encode(values).encode("ascii")).digest()


def _bytes(value: bytes) -> dict[str, str]:
    # As in a backup's lines. Never a text alone, which would be the same line for another value.
    return {"base64": base64.b64encode(value).decode("ascii")}


_encode = json.JSONEncoder(default=_bytes).encode


def alternative_names(extensions: x509.Extensions) -> str:
    """As ``Entry.names`` has them."""
    return json.dumps(wording.alternative_names(extensions))
