"""Private keys that are protected by a passphrase. It asks nobody for one."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from caucase.core.keys import PrivateKey, key_type
from caucase.errors import Malformed


def is_protected(pem: bytes) -> bool:
    """Whether there is a protected private key in a PEM text: PKCS#8 (RFC 7468 section 11), or RFC 1421's way."""
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem or b"Proc-Type: 4,ENCRYPTED" in pem


def load_protected_key(pem: bytes, passphrase: str) -> PrivateKey:
    """The private key of a PEM text; Malformed if it is not well-formed, or the passphrase is not the right one."""
    try:
        key = serialization.load_pem_private_key(pem, passphrase.encode("utf-8"))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed("The passphrase does not open the private key.") from error
    key_type(key)
    return key  # type: ignore[return-value]  # key_type has refused every other kind
