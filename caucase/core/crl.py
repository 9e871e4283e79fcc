"""Builds revocation lists (RFC 5280 section 5).

A list may have a million entries, so each is encoded once, when its serial is revoked, and a list is made by
concatenating encoded entries and signing the result. Nothing here parses a list, nor decides what is on it.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from caucase.core import der
from caucase.core.issue import Signer
from caucase.core.signature import signed
from caucase.core.x509 import Serial

_V2 = der.integer(1)


def revocation_entry(serial: Serial, revoked: datetime) -> bytes:
    """One entry, in DER: serial and date."""
    return der.tlv(der.SEQUENCE, der.integer(serial), der.time(revoked))


def build_crl(
    signer: Signer, entries: bytes, *, number: int, this_update: datetime, next_update: datetime
) -> bytes:
    """A version 2 list in DER, signed. ``entries``: one after the other, as ``revocation_entry`` makes them;
    ``number``: CRLNumber.
    """
    if isinstance(signer.key, ed25519.Ed25519PrivateKey):
        raise TypeError("an Ed25519 key signs no list: relying parties of today could not check it")
    extensions = (
        der.extension(x509.AuthorityKeyIdentifier(signer.key_id, None, None), critical=False),
        der.extension(x509.CRLNumber(number), critical=False),
    )
    fields = [
        _V2,
        signer.algorithm,
        signer.name,
        der.time(this_update),
        der.time(next_update),
    ]
    if entries:  # section 5.1.2.6: absent, not empty, when nothing is revoked
        fields += [der.header(der.SEQUENCE, len(entries)), entries]
    fields.append(der.tlv(der.explicit(0), der.tlv(der.SEQUENCE, *extensions)))
    return signed(signer.key, [der.header(der.SEQUENCE, sum(map(len, fields))), *fields], signer.algorithm)
