"""Signatures in certificates and lists: the algorithm that goes with a key, its identifier, and the bytes.

Which key signs what is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from caucase.core import der
from caucase.core.keys import PrivateKey, digested, signature_hash

_ECDSA = {
    hashes.SHA256.name: x509.SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    hashes.SHA384.name: x509.SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    hashes.SHA512.name: x509.SignatureAlgorithmOID.ECDSA_WITH_SHA512,
}
_NULL = der.tlv(der.NULL)


def signed(key: PrivateKey, to_be_signed: Sequence[bytes | bytearray], algorithm: bytes) -> bytes:
    """RFC 5280 sections 4.1 and 5.1: what is signed, how, and the signature, in DER.

    ``to_be_signed`` may be in pieces, so that what is large is copied once. ``algorithm``: of that key, as it is named
    in ``to_be_signed`` too.
    """
    return der.tlv(der.SEQUENCE, *to_be_signed, algorithm, der.bit_string(_signature(key, to_be_signed)))


def algorithm_identifier(key: PrivateKey) -> bytes:
    """RFC 4055 section 5 (RSA, with a NULL), RFC 5758 section 3.2 (ECDSA) and RFC 8410 section 3 (Ed25519), without."""
    if isinstance(key, rsa.RSAPrivateKey):
        return der.tlv(der.SEQUENCE, der.oid(x509.SignatureAlgorithmOID.RSA_WITH_SHA256), _NULL)
    digest = signature_hash(key)
    oid = x509.SignatureAlgorithmOID.ED25519 if digest is None else _ECDSA[digest.name]
    return der.tlv(der.SEQUENCE, der.oid(oid))


def _signature(key: PrivateKey, pieces: Sequence[bytes | bytearray]) -> bytes:
    digest = signature_hash(key)
    if isinstance(key, ed25519.Ed25519PrivateKey) or digest is None:
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        return key.sign(b"".join(pieces))
    value, prehashed = digested(pieces, digest)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(value, padding.PKCS1v15(), prehashed)
    return key.sign(value, ec.ECDSA(prehashed))
