"""Builds and signs certificates. What they say is decided in ``profile``; when and by whom, by the caller.

They are assembled as DER: the library's builder takes as long as the signature, because it has OpenSSL decode keys that
are there already.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from caucase.core import der
from caucase.core import x509 as parsed
from caucase.core.keys import PrivateKey, PublicKey
from caucase.core.profile import Extension
from caucase.core.rollover import BACKDATE
from caucase.core.signature import algorithm_identifier, signed
from caucase.core.x509 import SERIAL_MAX, KeyId, Serial, key_id, load_stored_certificate, not_after, spki

_V3 = der.tlv(der.explicit(0), der.integer(2))


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A CA certificate with its private key. ``repr`` never shows the key. ``key_id``: its subject key
    identifier, so that nobody reads the extensions of a certificate that threads share (see ``core.x509``).
    """

    certificate: x509.Certificate
    key: PrivateKey
    key_id: KeyId

    @functools.cached_property
    def name(self) -> bytes:
        """The subject of the CA, in DER: the issuer of what it signs."""
        return parsed.subject(self.certificate).public_bytes()

    def __repr__(self) -> str:
        return f"Signer({self.certificate.subject.rfc4514_string()!r})"


@dataclass(frozen=True, kw_only=True)
class Validity:
    """Dates of a certificate, aware, both included, whole seconds."""

    not_before: datetime
    not_after: datetime

    @classmethod
    def starting(cls, now: datetime, life: timedelta) -> Validity:
        """From a little before ``now``, against clock differences, for ``life``."""
        start = now.replace(microsecond=0) - BACKDATE
        return cls(not_before=start, not_after=start + life)

    def within(self, ca: x509.Certificate) -> Validity:
        """No certificate outlives its CA."""
        return Validity(not_before=self.not_before, not_after=min(self.not_after, not_after(ca)))


# Of the 159 bits 31 are seconds, which last until 2088 and then begin again.
_SERIALS_SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def random_serial() -> Serial:
    """Unpredictable, positive, 20 octets at most (RFC 5280 section 4.1.2.2)."""
    return Serial(secrets.randbelow(SERIAL_MAX) + 1)


def serial_at(moment: datetime) -> Serial:
    """Likewise, where many are kept: the moment, then 128 random bits. Those of the same time are neighbours in every
    table that is ordered by serials, so that what is issued, renewed and revoked touches few pages of a large one. It
    tells nobody more than the certificate does, which says when it begins.
    """
    seconds = int((moment - _SERIALS_SINCE).total_seconds()) % 2**31
    return Serial(seconds << 128 | secrets.randbits(128) or 1)


def issue(
    signer: Signer,
    *,
    key: PublicKey,
    subject: x509.Name,
    extensions: Sequence[Extension],
    validity: Validity,
    serial: Serial,
) -> x509.Certificate:
    """A certificate for ``key``, signed by ``signer``, that ends with its CA at the latest."""
    der = issue_der(signer, key=key, subject=subject, extensions=extensions, validity=validity, serial=serial)
    return load_stored_certificate(der)


def issue_der(
    signer: Signer,
    *,
    key: PublicKey,
    subject: x509.Name,
    extensions: Sequence[Extension],
    validity: Validity,
    serial: Serial,
) -> bytes:
    """Like ``issue``, in DER, for somebody who does not read it."""
    return _signed(
        signer.key,
        issuer=signer.name,
        key=key,
        subject=subject,
        extensions=extensions,
        validity=validity.within(signer.certificate),
        serial=serial,
    )


def issue_ca(
    key: PrivateKey,
    *,
    subject: x509.Name,
    extensions: Sequence[Extension],
    validity: Validity,
    serial: Serial,
) -> Signer:
    """A self-signed CA certificate for ``key``; ``extensions`` are completed with both key identifiers."""
    public = key.public_key()
    identifier = key_id(public)
    identifiers = [
        Extension(value=x509.SubjectKeyIdentifier(identifier)),
        Extension(value=x509.AuthorityKeyIdentifier(identifier, None, None)),
    ]
    encoded = _signed(
        key,
        issuer=subject.public_bytes(),
        key=public,
        subject=subject,
        extensions=[*extensions, *identifiers],
        validity=validity,
        serial=serial,
    )
    return Signer(certificate=load_stored_certificate(encoded), key=key, key_id=identifier)


def _signed(
    signing_key: PrivateKey,
    *,
    issuer: bytes,
    key: PublicKey,
    subject: x509.Name,
    extensions: Sequence[Extension],
    validity: Validity,
    serial: Serial,
) -> bytes:
    if validity.not_after < validity.not_before:
        raise ValueError("a certificate that ends before it begins")
    algorithm = algorithm_identifier(signing_key)
    tbs = der.tlv(
        der.SEQUENCE,
        _V3,
        der.integer(serial),
        algorithm,
        issuer,
        der.tlv(der.SEQUENCE, der.time(validity.not_before), der.time(validity.not_after)),
        subject.public_bytes(),
        spki(key),
        der.tlv(der.explicit(3), der.tlv(der.SEQUENCE, *(one.encoded for one in extensions)))
        if extensions
        else b"",
    )
    return signed(signing_key, (tbs,), algorithm)
