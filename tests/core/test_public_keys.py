"""Public keys out of certificates and requests: the quick way, and the same as the usual one."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from caucase.core import x509 as core


def test_a_key_has_one_identifier_however_it_is_written() -> None:
    """A point may be compressed (RFC 5480 section 2.2), and no user may have two entries for one key by that."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    usual = core.spki(key)
    compressed = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    head = usual[2:-66][: usual[2:].index(b"\x03\x42")]
    written = b"\x30" + bytes([len(head) + 2 + 34]) + head + b"\x03\x22\x00" + compressed
    read = core.public_key_of(written)
    assert core.spki(read) == usual
    assert core._key_id_of(written) == core._key_id_of(usual) == core.key_id(key)
