"""SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7): public keys as certificates and requests carry them, named.

OpenSSL 3's decoders and encoders take a hundred microseconds, longer than the check of a signature. The usual keys in
their usual form are read and named here without it; it sees whatever else there is.
"""

from __future__ import annotations

import functools
import hashlib
from typing import NewType

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from caucase.core import der
from caucase.core.keys import RSA_MAX_BITS, PublicKey, key_type

KeyId = NewType(
    "KeyId", bytes
)  # RFC 5280 section 4.2.1.2 (1): SHA-1 of the public key's bits, or what a CA chose

# How many are remembered: one request is about one key at several places.
_REMEMBERED = 256

# AlgorithmIdentifier's contents for an RSA key, and for one on the curve P-256 (RFC 3279 section 2.3.1, RFC 5480
# section 2.1.1).
_RSA = der.oid(x509.ObjectIdentifier("1.2.840.113549.1.1.1")) + der.tlv(der.NULL)
_EC_OID = der.oid(x509.ObjectIdentifier("1.2.840.10045.2.1"))
_P256 = _EC_OID + der.oid(x509.ObjectIdentifier("1.2.840.10045.3.1.7"))
# RFC 5480 section 2.2, behind the octet that says that all bits of the last one count: not compressed, two coordinates.
_POINT, _P256_POINT_SIZE = b"\x00\x04", 2 + 2 * 32


@functools.lru_cache(maxsize=_REMEMBERED)
def load_spki(info: bytes) -> PublicKey:
    """A public key in DER, out of a certificate or a request whose form was checked; NotAcceptable if it is of a kind
    that is not handled. Whatever OpenSSL finds wrong is raised as it is.
    """
    algorithm, bits = _parts(info)
    if algorithm == _RSA and (numbers := _rsa_numbers(bits)) is not None:
        return numbers.public_key()
    if algorithm == _P256 and bits.startswith(b"\x00"):
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bits[1:])
    key = serialization.load_der_public_key(info)
    key_type(key)
    return key  # type: ignore[return-value]  # key_type has refused every other kind


@functools.lru_cache(maxsize=_REMEMBERED)
def usual_spki(info: bytes) -> bytes:
    """The same key as ``spki`` writes it; raises like ``load_spki``, but looks no closer than it has to."""
    algorithm, bits = _parts(info)
    is_usual = (algorithm == _RSA and _rsa_numbers(bits) is not None) or (
        algorithm == _P256 and bits.startswith(_POINT) and len(bits) == _P256_POINT_SIZE
    )
    return info if is_usual else spki(load_spki(info))


def spki(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo in DER: what two equal keys have in common."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        # OpenSSL remembers whether the point was compressed where it was read, and would write it so.
        key = key.public_numbers().public_key()
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@functools.lru_cache(maxsize=_REMEMBERED)
def key_id_of(usual: bytes) -> KeyId:
    """RFC 5280 section 4.2.1.2, method (1), of a key as ``spki`` writes it."""
    _, bits = _parts(usual)
    return KeyId(hashlib.sha1(bits[1:], usedforsecurity=False).digest())


def key_id(key: PublicKey) -> KeyId:
    """The identifier of a key, likewise."""
    return key_id_of(spki(key))


def _parts(info: bytes) -> tuple[bytes, bytes]:
    """The contents of the AlgorithmIdentifier and of the BIT STRING."""
    (_, algorithm, _), (_, bits, _) = der.parts(der.contents(info))
    return algorithm, bits


@functools.lru_cache(maxsize=_REMEMBERED)
def _rsa_numbers(bits: bytes) -> rsa.RSAPublicNumbers | None:
    """Those of a key of a usual size that is written as it should be. What is in here was read by nobody before."""
    if len(bits) > RSA_MAX_BITS // 4:
        return None
    try:
        (_, modulus, _), (_, exponent, _) = der.parts(der.contents(bits[1:]))
    except (IndexError, StopIteration, ValueError):
        return None
    n, e = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
    if bits != b"\x00" + der.tlv(der.SEQUENCE, der.integer(n), der.integer(e)):
        return None
    return rsa.RSAPublicNumbers(e, n)
