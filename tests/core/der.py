"""DER by hand: requests and certificates that no sane library would make. Never imports what is tested."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

INTEGER, BIT_STRING, OCTET_STRING, OID, UTF8, PRINTABLE, TELETEX, IA5, BMP = 2, 3, 4, 6, 12, 19, 20, 22, 30
UTC_TIME, SEQUENCE, SET = 0x17, 0x30, 0x31

CN, COUNTRY = "2.5.4.3", "2.5.4.6"
KEY_USAGE, SAN, POLICIES, EKU = "2.5.29.15", "2.5.29.17", "2.5.29.32", "2.5.29.37"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"

KEY = ec.generate_private_key(ec.SECP256R1())


def tlv(tag: int, *contents: bytes) -> bytes:
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    octets = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def seq(*contents: bytes) -> bytes:
    return tlv(SEQUENCE, *contents)


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    body = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.insert(0, 0x80 | arc & 0x7F)
        body += bytes(groups)
    return tlv(OID, body)


def name(*attributes: tuple[str, int, bytes]) -> bytes:
    return seq(*(tlv(SET, seq(oid(kind), tlv(tag, value))) for kind, tag, value in attributes))


def extension(kind: str, value: bytes, *, critical: bool = False) -> bytes:
    return seq(oid(kind), tlv(1, b"\xff") if critical else b"", tlv(OCTET_STRING, value))


def san(*names: bytes) -> bytes:
    return extension(SAN, seq(*names))


def policy(dotted: str, *qualifiers: bytes) -> bytes:
    return extension(POLICIES, seq(seq(oid(dotted), seq(*qualifiers) if qualifiers else b"")))


def attribute(*values: bytes) -> bytes:
    return seq(oid(EXTENSION_REQUEST), tlv(SET, *values))


NAME = name((CN, UTF8, b"x"))


def spki(key: object = KEY) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined]


def signed(tbs: bytes, algorithm: bytes) -> bytes:
    return seq(tbs, algorithm, tlv(BIT_STRING, b"\0", KEY.sign(tbs, ec.ECDSA(hashes.SHA256()))))


def request(
    subject: bytes = NAME,
    *extensions: bytes,
    attributes: bytes = b"",
    algorithm: bytes = seq(oid(ECDSA_SHA256)),
    public_key: bytes | None = None,
    version: int = 0,
) -> bytes:
    """A request, properly signed whatever it says."""
    if extensions:
        attributes = attribute(seq(*extensions)) + attributes
    number = tlv(INTEGER, bytes((version,)))
    return signed(seq(number, subject, public_key or spki(), tlv(0xA0, attributes)), algorithm)


def certificate(
    *extensions: bytes,
    serial: bytes = b"\x01",
    algorithm: bytes = seq(oid(ECDSA_SHA256)),
    version: int = 2,
    start: bytes = b"260101000000Z",
    end: bytes = b"490101000000Z",
    subject: bytes = NAME,
    issuer: bytes | None = None,
) -> bytes:
    """A self-signed certificate, properly signed whatever it says."""
    tbs = seq(
        tlv(0xA0, tlv(INTEGER, bytes((version,)))),
        tlv(INTEGER, serial),
        algorithm,
        subject if issuer is None else issuer,
        seq(tlv(UTC_TIME, start), tlv(UTC_TIME, end)),
        subject,
        spki(),
        tlv(0xA3, seq(*extensions)) if extensions else b"",
    )
    return signed(tbs, algorithm)


def pem(label: str, data: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(data).decode()}-----END {label}-----\n".encode()
