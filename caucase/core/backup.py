"""The backup container: its header, which says who can open it (the project's protocol, "Backups").

A header comes from anywhere, so nothing in it is believed further than its form.
"""

from __future__ import annotations

import re
import struct
from typing import Protocol

from caucase.core.message import load_json_object
from caucase.core.x509 import KeyId
from caucase.errors import Malformed

MAGIC = b"caucase\0"

# A key takes about 1.2 kB at RSA 2048 and 4.3 kB at RSA 8192: room for thousands of users.
HEADER_LIMIT = 16 * 1024 * 1024

_LENGTH = struct.Struct("<I")
_KEY_ID = re.compile(r"[0-9a-f]{40}", re.ASCII)  # SHA-1 in hexadecimal


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_key_ids(stream: _Readable) -> list[KeyId]:
    """The identifiers of the keys that open a backup, in its order; the stream is left behind the header.

    Malformed if it is not a backup.
    """
    if stream.read(len(MAGIC)) != MAGIC:
        raise Malformed("It is not a caucase backup.")
    prefix = stream.read(_LENGTH.size)
    if len(prefix) != _LENGTH.size:
        raise _cut_off()
    (length,) = _LENGTH.unpack(prefix)
    if length > HEADER_LIMIT:
        raise Malformed(f"The header of the backup is larger than {HEADER_LIMIT} bytes.")
    encoded = stream.read(length)
    if len(encoded) != length:
        raise _cut_off()
    keys = load_json_object(encoded, "header of the backup").get("key_list")
    if not isinstance(keys, list):
        raise Malformed("The header of the backup has no list of keys.")
    return [_key_id(entry) for entry in keys]


def _cut_off() -> Malformed:
    return Malformed("The backup is cut off.")


def _key_id(entry: object) -> KeyId:
    identifier = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(identifier, str) or not _KEY_ID.fullmatch(identifier):
        raise Malformed("A key in the header of the backup has no identifier.")
    return KeyId(bytes.fromhex(identifier))
