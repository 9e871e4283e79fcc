"""Signatures in certificates, requests and lists: made and checked, with the algorithm that goes with a key.

Which key signs what, and who is trusted, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from caucase.core import der
from caucase.core.keys import PrivateKey, PublicKey, digested, signature_hash

_ECDSA = {
    hashes.SHA256.name: x509.SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    hashes.SHA384.name: x509.SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    hashes.SHA512.name: x509.SignatureAlgorithmOID.ECDSA_WITH_SHA512,
}
_NULL = der.tlv(der.NULL)

# RFC 8017 appendix A.2.4, RFC 5758 section 3.2, RFC 8410: how a certificate may be signed. MD5 and SHA-1 are broken.
_OID = x509.SignatureAlgorithmOID
_SIGNATURES: dict[x509.ObjectIdentifier, tuple[type, hashes.HashAlgorithm | None]] = {
    _OID.RSA_WITH_SHA224: (rsa.RSAPublicKey, hashes.SHA224()),
    _OID.RSA_WITH_SHA256: (rsa.RSAPublicKey, hashes.SHA256()),
    _OID.RSA_WITH_SHA384: (rsa.RSAPublicKey, hashes.SHA384()),
    _OID.RSA_WITH_SHA512: (rsa.RSAPublicKey, hashes.SHA512()),
    _OID.ECDSA_WITH_SHA224: (ec.EllipticCurvePublicKey, hashes.SHA224()),
    _OID.ECDSA_WITH_SHA256: (ec.EllipticCurvePublicKey, hashes.SHA256()),
    _OID.ECDSA_WITH_SHA384: (ec.EllipticCurvePublicKey, hashes.SHA384()),
    _OID.ECDSA_WITH_SHA512: (ec.EllipticCurvePublicKey, hashes.SHA512()),
    _OID.ED25519: (ed25519.Ed25519PublicKey, None),
}


def signed(key: PrivateKey, to_be_signed: Sequence[bytes], algorithm: bytes) -> bytes:
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


def verifies(
    key: PublicKey,
    signed: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList,
    data: bytes,
) -> bool:
    """Whether ``key`` made the signature over ``data``, in the way that is named, with no hash that is broken."""
    kind, algorithm = _SIGNATURES.get(signed.signature_algorithm_oid, (None, None))
    if kind is None or not isinstance(key, kind):
        return False
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signed.signature, data)
            return True
        assert algorithm is not None
        digest, prehashed = digested((data,), algorithm)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signed.signature, digest, padding.PKCS1v15(), prehashed)
        else:
            key.verify(signed.signature, digest, ec.ECDSA(prehashed))
    except InvalidSignature:
        return False
    return True


def _signature(key: PrivateKey, pieces: Sequence[bytes]) -> bytes:
    digest = signature_hash(key)
    if isinstance(key, ed25519.Ed25519PrivateKey) or digest is None:
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        return key.sign(b"".join(pieces))
    value, prehashed = digested(pieces, digest)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(value, padding.PKCS1v15(), prehashed)
    return key.sign(value, ec.ECDSA(prehashed))
