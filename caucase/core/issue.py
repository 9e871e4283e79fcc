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
from caucase.core.spki import KeyId, key_id, spki
from caucase.core.x509 import SERIAL_MAX, Serial, load_stored_certificate, not_after

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

    @functools.cached_property
    def not_after(self) -> datetime:
        """When the CA ends, and with it all that it signed."""
        return not_after(self.certificate)

    @functools.cached_property
    def algorithm(self) -> bytes:
        """How it signs: AlgorithmIdentifier, in DER."""
        return algorithm_identifier(self.key)

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

    def within(self, end: datetime) -> Validity:
        """No certificate outlives its CA, which ends then."""
        return self if self.not_after <= end else Validity(not_before=self.not_before, not_after=end)


# The first 47 of the 159 bits count the time, which lasts until 2091 and then begins again; all others are random.
_SERIALS_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=16)
_TICK_BITS, _RANDOM_BITS = 47, 112


def random_serial() -> Serial:
    """Unpredictable, positive, 20 octets at most (RFC 5280 section 4.1.2.2)."""
    return Serial(secrets.randbelow(SERIAL_MAX) + 1)


def serial_at(moment: datetime) -> Serial:
    """Likewise, where many are kept: the moment, then 112 random bits. Those of the same time are neighbours in every
    table that is ordered by serials, so that what is issued, renewed and revoked touches few pages of a large one. It
    tells nobody more than the certificate does, which says when it begins.
    """
    ticks = (moment - _SERIALS_SINCE) // _TICK % 2**_TICK_BITS
    return Serial(ticks << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS) or 1)


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
    encoded = issue_der(
        signer, info=spki(key), subject=subject, extensions=extensions, validity=validity, serial=serial
    )
    return load_stored_certificate(encoded)


def issue_der(
    signer: Signer,
    *,
    info: bytes,
    subject: x509.Name,
    extensions: Sequence[Extension],
    validity: Validity,
    serial: Serial,
) -> bytes:
    """Like ``issue``, in DER, for somebody who does not read it. ``info``: the key as ``spki.spki`` writes it."""
    return _signed(
        signer.key,
        algorithm=signer.algorithm,
        issuer=signer.name,
        info=info,
        subject=subject,
        extensions=extensions,
        validity=validity.within(signer.not_after),
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
        algorithm=algorithm_identifier(key),
        issuer=subject.public_bytes(),
        info=spki(public),
        subject=subject,
        extensions=[*extensions, *identifiers],
        validity=validity,
        serial=serial,
    )
    return Signer(certificate=load_stored_certificate(encoded), key=key, key_id=identifier)


def _signed(
    signing_key: PrivateKey,
    *,
    algorithm: bytes,
    issuer: bytes,
    info: bytes,
    subject: x509.Name,
    extensions: Sequence[Extension],
    validity: Validity,
    serial: Serial,
) -> bytes:
    if validity.not_after < validity.not_before:
        raise ValueError("a certificate that ends before it begins")
    tbs = der.tlv(
        der.SEQUENCE,
        _V3,
        der.integer(serial),
        algorithm,
        issuer,
        der.tlv(der.SEQUENCE, der.time(validity.not_before), der.time(validity.not_after)),
        subject.public_bytes(),
        info,
        der.tlv(der.explicit(3), der.tlv(der.SEQUENCE, *(one.encoded for one in extensions)))
        if extensions
        else b"",
    )
    return signed(signing_key, (tbs,), algorithm)
