"""A new key in the place of an old one, for a renewal or after an existing request."""

from __future__ import annotations

from caucase.core.keys import KeyType, PrivateKey, PublicKey, key_type
from caucase.host.progress import counting_seconds


def successor_key(old: PublicKey, *, rsa_bits: int) -> PrivateKey:
    """A new key of the same type as ``old``; ``rsa_bits`` long if that is RSA."""
    kind = key_type(old)
    if kind.algorithm == "rsa":
        kind = KeyType.parse(f"rsa:{rsa_bits}")
    with counting_seconds(f"Making a key ({kind})"):
        return kind.generate()
