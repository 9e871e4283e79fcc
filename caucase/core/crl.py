"""Builds revocation lists (RFC 5280 section 5).

A list may have a million entries, so each is encoded once, when its serial is revoked, and a list is made by
concatenating encoded entries and signing the result. Nothing here parses a list, nor decides what is on it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from caucase.core.issue import Signer
from caucase.core.keys import PrivateKey, signature_hash
from caucase.core.x509 import CRL, Serial

# X.690 tags.
_INTEGER, _BIT_STRING, _OCTET_STRING, _OID = 0x02, 0x03, 0x04, 0x06
_UTC_TIME, _GENERALIZED_TIME, _SEQUENCE, _EXPLICIT_0 = 0x17, 0x18, 0x30, 0xA0
_NULL = b"\x05\x00"
_V2 = b"\x02\x01\x01"

# RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from then on.
_GENERALIZED_TIME_FROM = 2050

_PEM_LINE = 64  # RFC 7468 section 2


def revocation_entry(serial: Serial, revoked: datetime) -> bytes:
    """One entry, in DER: serial and date."""
    return _tlv(_SEQUENCE, _integer(serial) + _time(revoked))


def build_crl(
    signer: Signer, entries: Iterable[bytes], *, number: int, this_update: datetime, next_update: datetime
) -> bytes:
    """A version 2 list in DER, signed. ``entries``: as ``revocation_entry`` makes them; ``number``:
    CRLNumber.
    """
    algorithm = _signature_algorithm(signer.key)
    issuer = signer.certificate.subject.public_bytes()
    revoked = b"".join(entries)
    extensions = [
        x509.AuthorityKeyIdentifier(signer.key_id, None, None),
        x509.CRLNumber(number),
    ]
    encoded = b"".join(
        _tlv(_SEQUENCE, _oid(extension.oid) + _tlv(_OCTET_STRING, extension.public_bytes()))
        for extension in extensions
    )
    tbs = _tlv(
        _SEQUENCE,
        _V2,
        algorithm,
        issuer,
        _time(this_update),
        _time(next_update),
        # Section 5.1.2.6: absent, not empty, when nothing is revoked.
        _tlv(_SEQUENCE, revoked) if revoked else b"",
        _tlv(_EXPLICIT_0, _tlv(_SEQUENCE, encoded)),
    )
    return _tlv(_SEQUENCE, tbs, algorithm, _tlv(_BIT_STRING, b"\x00" + _signature(signer.key, tbs)))


def to_pem(der: bytes) -> bytes:
    """The PEM form of a list."""
    text = base64.b64encode(der)
    lines = [text[start : start + _PEM_LINE] for start in range(0, len(text), _PEM_LINE)]
    label = CRL.encode("ascii")
    return b"-----BEGIN " + label + b"-----\n" + b"\n".join(lines) + b"\n-----END " + label + b"-----\n"


def _signature(key: PrivateKey, tbs: bytes) -> bytes:
    digest = signature_hash(key)
    if isinstance(key, rsa.RSAPrivateKey) and digest is not None:
        return key.sign(tbs, padding.PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey) and digest is not None:
        return key.sign(tbs, ec.ECDSA(digest))
    raise TypeError(f"a CA key is RSA or EC, not {type(key).__name__}")


def _signature_algorithm(key: PrivateKey) -> bytes:
    """RFC 4055 section 5 (RSA, with a NULL) and RFC 5758 section 3.2 (ECDSA, without parameters)."""
    if isinstance(key, rsa.RSAPrivateKey):
        return _tlv(_SEQUENCE, _oid(x509.SignatureAlgorithmOID.RSA_WITH_SHA256), _NULL)
    by_hash = {
        hashes.SHA256.name: x509.SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        hashes.SHA384.name: x509.SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        hashes.SHA512.name: x509.SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    }
    digest = signature_hash(key)
    return _tlv(_SEQUENCE, _oid(by_hash[digest.name if digest else ""]))


def _tlv(tag: int, *contents: bytes) -> bytes:
    """X.690 section 8.1: tag, definite length, contents."""
    length = sum(map(len, contents))
    if length < 0x80:
        header = bytes((tag, length))
    else:
        octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
        header = bytes((tag, 0x80 | len(octets))) + octets
    return b"".join((header, *contents))


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _time(moment: datetime) -> bytes:
    if moment.year < _GENERALIZED_TIME_FROM:
        return _tlv(_UTC_TIME, f"{moment:%y%m%d%H%M%SZ}".encode("ascii"))
    return _tlv(_GENERALIZED_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode("ascii"))


def _oid(oid: x509.ObjectIdentifier) -> bytes:
    """X.690 section 8.19."""
    first, second, *rest = map(int, oid.dotted_string.split("."))
    octets = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | (arc & 0x7F))
        octets.extend(reversed(groups))
    return _tlv(_OID, bytes(octets))
