"""As much of DER (X.690) as certificates and lists are assembled from, and as it takes to find a part of one.

What is read here has been read by a strict parser before: nothing is validated, and nothing that a stranger sent is to
come here first.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import datetime

from cryptography import x509

# X.690 section 8.1.2, with X.680's numbers.
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTC_TIME, GENERALIZED_TIME, SEQUENCE = 0x17, 0x18, 0x30

# RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from then on.
_GENERALIZED_TIME_FROM = 2050


def explicit(number: int) -> int:
    """The tag ``[number] EXPLICIT``."""
    return 0xA0 | number


def tlv(tag: int, *contents: bytes) -> bytes:
    """X.690 section 8.1: tag, definite length, contents."""
    return b"".join((header(tag, sum(map(len, contents))), *contents))


def header(tag: int, length: int) -> bytes:
    """Tag and length of an element, before so many bytes of contents."""
    if length < 0x80:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def integer(value: int) -> bytes:
    """One that is not negative."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def bit_string(octets: bytes) -> bytes:
    return tlv(BIT_STRING, b"\x00", octets)


@functools.lru_cache(maxsize=16)
def time(moment: datetime) -> bytes:
    """An aware UTC date, to the second. What is issued in the same second has the same ones."""
    if moment.year < _GENERALIZED_TIME_FROM:
        return tlv(UTC_TIME, f"{moment:%y%m%d%H%M%SZ}".encode("ascii"))
    return tlv(GENERALIZED_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode("ascii"))


_TRUE = tlv(BOOLEAN, b"\xff")


@functools.lru_cache(maxsize=64)
def oid(identifier: x509.ObjectIdentifier) -> bytes:
    """X.690 section 8.19."""
    first, second, *rest = map(int, identifier.dotted_string.split("."))
    octets = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | (arc & 0x7F))
        octets.extend(reversed(groups))
    return tlv(OID, bytes(octets))


def dotted(octets: bytes) -> str:
    """The contents of an object identifier, the other way round."""
    arcs, arc = [], 0
    for octet in octets:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def extension(value: x509.ExtensionType, *, critical: bool) -> bytes:
    """RFC 5280 section 4.1: Extension."""
    return tlv(SEQUENCE, oid(value.oid), _TRUE if critical else b"", tlv(OCTET_STRING, value.public_bytes()))


def parts(encoded: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The elements one after the other in the contents of another: tag, contents, and the whole element."""
    at = 0
    while at < len(encoded):
        start = at
        tag, length = encoded[at], encoded[at + 1]
        at += 2
        if length >= 0x80:
            octets = length & 0x7F
            length = int.from_bytes(encoded[at : at + octets], "big")
            at += octets
        yield tag, encoded[at : at + length], encoded[start : at + length]
        at += length


def contents(element: bytes) -> bytes:
    """What is inside one element."""
    _, inside, _ = next(parts(element))
    return inside
