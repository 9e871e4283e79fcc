"""What stands in front of a backup: how it is encrypted, and for which keys.

A header comes from anywhere, so nothing in it is believed further than its form.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from caucase.core.message import load_json_object
from caucase.core.spki import KeyId
from caucase.errors import Malformed

MAGIC = b"caucase\0"
STREAM_CIPHER = "aes256_cbc_pkcs7_hmac_10M_sha256"
IV_SIZE = 16  # one AES block

# A key takes about 1.2 kB at RSA 2048 and 4.3 kB at RSA 8192: room for thousands of users.
HEADER_LIMIT = 16 * 1024 * 1024

_LENGTH = struct.Struct("<I")
_KEY_ID = re.compile(r"[0-9a-f]{40}", re.ASCII)  # SHA-1 in hexadecimal
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+", re.ASCII)
# An RSA key of 16384 bits encrypts into 2048 bytes.
_VALUE_LIMIT = 4096


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class KeyEntry:
    """The stream's secrets, encrypted for one key. ``cipher``: the name of how; ``parameter``: what that needs
    besides, or empty.
    """

    key_id: KeyId
    cipher: str
    parameter: bytes = b""
    encrypted: bytes


@dataclass(frozen=True, kw_only=True)
class Header:
    """The whole of it. ``iv``: of AES-256-CBC, 16 bytes."""

    iv: bytes
    keys: tuple[KeyEntry, ...]

    def dump(self) -> bytes:
        """The first bytes of a backup. Malformed if there are more keys than any reader takes."""
        encoded = json.dumps(
            {
                "cipher": {"name": STREAM_CIPHER, "parameter": self.iv.hex()},
                "key_list": [_entry_to_json(entry) for entry in self.keys],
            }
        ).encode("ascii")
        if len(encoded) > HEADER_LIMIT:
            raise Malformed(f"The header of the backup would be larger than {HEADER_LIMIT} bytes.")
        return MAGIC + _LENGTH.pack(len(encoded)) + encoded


def read_header(stream: Readable) -> Header:
    """The header; the stream is left behind it. Malformed if it is not that of a backup that can be read here."""
    fields = _read_fields(stream)
    name, iv = _cipher(fields.get("cipher"))
    if name != STREAM_CIPHER:
        raise Malformed(
            "The backup is encrypted in a way that is not known here.", "Perhaps a newer release made it."
        )
    if len(iv) != IV_SIZE:
        raise _no_meaning()
    return Header(iv=iv, keys=tuple(_entry(value) for value in _key_list(fields)))


def read_key_ids(stream: Readable) -> list[KeyId]:
    """The identifiers of the keys that open a backup, in its order; the stream is left behind the header.

    Malformed if it is not a backup.
    """
    return [_key_id(value) for value in _key_list(_read_fields(stream))]


def _read_fields(stream: Readable) -> dict[str, Any]:
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
    return load_json_object(encoded, "header of the backup")


def _key_list(fields: Mapping[str, Any]) -> list[Any]:
    keys = fields.get("key_list")
    if not isinstance(keys, list):
        raise Malformed("The header of the backup has no list of keys.")
    return keys


def _entry(value: object) -> KeyEntry:
    identifier = _key_id(value)
    assert isinstance(value, dict)  # it has an identifier
    name, parameter = _cipher(value.get("cipher"))
    return KeyEntry(key_id=identifier, cipher=name, parameter=parameter, encrypted=_bytes(value.get("key")))


def _entry_to_json(entry: KeyEntry) -> dict[str, Any]:
    cipher = {"name": entry.cipher}
    if entry.parameter:
        cipher["parameter"] = entry.parameter.hex()
    return {"id": entry.key_id.hex(), "cipher": cipher, "key": entry.encrypted.hex()}


def _key_id(entry: object) -> KeyId:
    identifier = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(identifier, str) or not _KEY_ID.fullmatch(identifier):
        raise Malformed("A key in the header of the backup has no identifier.")
    return KeyId(bytes.fromhex(identifier))


def _cipher(value: object) -> tuple[str, bytes]:
    """Name and parameter, empty if there is none."""
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(name, str):
        raise _no_meaning()
    parameter = value.get("parameter")
    return name, b"" if parameter is None else _bytes(parameter)


def _bytes(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * _VALUE_LIMIT or not _HEX.fullmatch(value):
        raise _no_meaning()
    return bytes.fromhex(value)


def _no_meaning() -> Malformed:
    return Malformed("The header of the backup does not say how it is encrypted.")


def _cut_off() -> Malformed:
    return Malformed("The backup is cut off.")
