"""What a fuzzer cannot guess: signatures. Whatever stands in a structure, it is signed here as it should be."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from caucase.core.issue import Signer, Validity, issue_ca
from caucase.core.message import DIGESTS, SIGNING_DIGEST, SignedMessage
from caucase.core.profile import ca_extensions
from caucase.core.x509 import Serial

# The same in each run, so that inputs of the corpus which hold its public part stay what they are.
KEY = ec.derive_private_key(0xCA0CA5E, ec.SECP256R1())

_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_SEQUENCE, _BIT_STRING = 0x30, 0x03


def ca(now: datetime) -> Signer:
    """An authority with that key."""
    return issue_ca(
        KEY,
        subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")]),
        extensions=ca_extensions(),
        validity=Validity.starting(now, timedelta(days=3650)),
        serial=Serial(1),
    )


def signed(inner: bytes) -> bytes:
    """A request, certificate or revocation list in DER: what is to be signed, how, and the signature."""
    signature = KEY.sign(inner, ec.ECDSA(hashes.SHA256()))
    return _tlv(_SEQUENCE, inner + _ECDSA_SHA256 + _tlv(_BIT_STRING, b"\0" + signature))


def signed_message(payload: str) -> SignedMessage:
    """Whatever the payload is; ``core.message`` makes payloads itself."""
    digest = SIGNING_DIGEST
    signature = KEY.sign(f"{payload}{digest} ".encode(), ec.ECDSA(DIGESTS[digest]()))
    return SignedMessage(payload=payload, digest=digest, signature=signature)


def pem(label: str, der: bytes) -> bytes:
    name = label.encode("ascii")
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (name, base64.encodebytes(der), name)


def in_pem(label: str, data: bytes) -> bytes:
    """The input as PEM: its first byte says whether it is that already, or DER, or the part of it that is signed."""
    kind, rest = data[:1], data[1:]
    if kind == b"D":
        return pem(label, rest)
    if kind == b"S":
        return pem(label, signed(rest))
    return rest


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content
