"""The secrets of a backup's stream, and how they are encrypted for a user's key: RSA-OAEP, as the peer does it, or
an ephemeral ECDH exchange.

Nothing here is ever written anywhere. Every failure to open says the same: it was not made for this key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from caucase.core.backup.header import Header, KeyEntry
from caucase.core.keys import PrivateKey, PublicKey
from caucase.core.spki import key_id
from caucase.errors import Malformed, NotAcceptable

Random: TypeAlias = Callable[[int], bytes]
"""So many unpredictable bytes."""

RSA_OAEP = "rsa_oaep_sha1_mgf1_sha1"
ECDH_WRAP = "ecdh_hkdf_sha256_aes256_wrap"

_HMAC_KEY_SIZE = 32
_AES_KEY_SIZE = 32
_SIZE = _HMAC_KEY_SIZE + _AES_KEY_SIZE


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The two keys of a stream, 32 bytes each. ``repr`` never shows them."""

    hmac_key: bytes = field(repr=False)
    aes_key: bytes = field(repr=False)

    @classmethod
    def fresh(cls, random: Random) -> Secrets:
        return cls(hmac_key=random(_HMAC_KEY_SIZE), aes_key=random(_AES_KEY_SIZE))


def seal_secrets(secrets: Secrets, key: PublicKey) -> KeyEntry:
    """The secrets for the holder of ``key``; NotAcceptable if nothing can be encrypted for such a key."""
    clear = secrets.hmac_key + secrets.aes_key
    if isinstance(key, rsa.RSAPublicKey):
        try:
            encrypted = key.encrypt(clear, _oaep())
        except ValueError as error:  # the key is too small
            raise NotAcceptable("The key is too small to encrypt for.") from error
        return KeyEntry(key_id=key_id(key), cipher=RSA_OAEP, encrypted=encrypted)
    if isinstance(key, ec.EllipticCurvePublicKey):
        ephemeral = ec.generate_private_key(key.curve)
        point = _point(ephemeral.public_key())
        wrapping = _wrapping_key(ephemeral.exchange(ec.ECDH(), key), point, _point(key))
        return KeyEntry(
            key_id=key_id(key), cipher=ECDH_WRAP, parameter=point, encrypted=aes_key_wrap(wrapping, clear)
        )
    raise NotAcceptable("Nothing can be encrypted for this kind of key.")


def open_secrets(header: Header, key: PrivateKey) -> Secrets:
    """The secrets, with one of the keys they were encrypted for; Malformed for any other key."""
    identifier = key_id(key.public_key())
    for entry in header.keys:
        if entry.key_id == identifier:
            clear = _opened(entry, key)
            if clear is not None:
                return Secrets(hmac_key=clear[:_HMAC_KEY_SIZE], aes_key=clear[_HMAC_KEY_SIZE:])
    raise Malformed(
        "This key does not open the backup.", "caucase-key-id --backup lists the keys that open it."
    )


def _opened(entry: KeyEntry, key: PrivateKey) -> bytes | None:
    try:
        if entry.cipher == RSA_OAEP and isinstance(key, rsa.RSAPrivateKey):
            clear = key.decrypt(entry.encrypted, _oaep())
        elif entry.cipher == ECDH_WRAP and isinstance(key, ec.EllipticCurvePrivateKey):
            other = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, entry.parameter)
            shared = key.exchange(ec.ECDH(), other)
            wrapping = _wrapping_key(shared, entry.parameter, _point(key.public_key()))
            clear = aes_key_unwrap(wrapping, entry.encrypted)
        else:
            return None
    except (ValueError, InvalidUnwrap):
        return None
    return clear if len(clear) == _SIZE else None


def _oaep() -> padding.OAEP:
    # SHA-1 because the format says so; OAEP does not need collision resistance (RFC 8017 section 7.1).
    sha1 = hashes.SHA1()  # nosec B303 # noqa: S303 - as above
    return padding.OAEP(mgf=padding.MGF1(algorithm=sha1), algorithm=sha1, label=None)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    """SEC 1 section 2.3.3, uncompressed."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _wrapping_key(shared: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    """RFC 5869, without salt; ``info`` binds the use and both public keys. It wraps by RFC 3394."""
    info = ECDH_WRAP.encode("ascii") + b"\0" + ephemeral + recipient
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(shared)
