"""Strict loading and dumping of X.509 objects, key identifiers and dates.

This is the one place that bridges versions of ``cryptography`` (38 to 50). Whatever a stranger sent is parsed
here to its last extension, so that nothing deeper can stumble over it; every failure is ``Malformed``. It
never decides trust.

Nobody may read the extensions of a certificate that threads share: in version 38 that is a ``RuntimeError:
Already borrowed`` while another thread reads its subject or its key.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, NewType, TypeVar

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from caucase.core import der
from caucase.core.extensions import value_of
from caucase.core.keys import PrivateKey, PublicKey, key_type
from caucase.core.pem import (
    CERTIFICATE,
    CRL,
    PRIVATE_KEY,
    REQUEST,
    pem_blocks,
    pem_blocks_ending,
    single_pem_block,
)
from caucase.core.signature import verifies
from caucase.core.spki import KeyId, key_id_of, load_spki, usual_spki
from caucase.errors import CertificateInvalid, Malformed

Serial = NewType("Serial", int)  # RFC 5280 section 4.1.2.2: positive, 20 octets at most

SERIAL_MAX = 2**159 - 1

_A_REQUEST = "certificate signing request"
COMMON_NAME_MAX = 64  # RFC 5280 appendix A.1, ub-common-name

# Newer versions warn of what they will refuse one day; here it is refused today. The filter is set once, for
# what this module makes the library say: switching filters around each call (warnings.catch_warnings) is not
# thread-safe.
warnings.filterwarnings("error", category=UserWarning, module=r"(caucase\.core|cryptography)\.x509\b")

# What the parsers of all those versions raise, each for something that is not well-formed. InternalError is
# 38's, when OpenSSL refuses what cryptography had read.
_NOT_WELL_FORMED = (
    ValueError, TypeError, KeyError, UnsupportedAlgorithm, InternalError, Warning, x509.InvalidVersion,
)  # fmt: skip

_T = TypeVar("_T")
_Signed = TypeVar("_Signed", x509.Certificate, x509.CertificateSigningRequest)


def _parsed(parse: Callable[[], _T], what: str) -> _T:
    """Run a parser of ``cryptography``; whatever it finds wrong is Malformed."""
    try:
        return parse()
    except _NOT_WELL_FORMED as error:
        raise Malformed(f"The {what} is not well-formed.") from error
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise Malformed(f"The {what} has extensions that cannot be used.") from error
    except BaseException as error:
        # A panic of the library's Rust code, which is no Exception: up to 43 on an attribute without values,
        # for one.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise Malformed(f"The {what} is not well-formed.") from error


def _touched(signed: _Signed) -> _Signed:
    """Parse at once what ``cryptography`` parses on first use."""
    _ = signed.extensions, signed.signature_algorithm_oid
    parts = _parts(signed)
    if parts.issuer is not None:
        _ = _name(parts.issuer, signed, "issuer")
    for attribute in _name(parts.subject, signed, "subject").get_attributes_for_oid(x509.NameOID.COMMON_NAME):
        # What one version stores, newer ones must be able to read.
        if not 0 < len(attribute.value) <= COMMON_NAME_MAX:
            raise ValueError("length of the common name")
    key_type(load_spki(parts.info))
    return signed


def load_certificate(pem: bytes) -> x509.Certificate:
    """One PEM certificate; Malformed unless there is exactly one, well-formed in every part."""
    block = single_pem_block(pem, CERTIFICATE, "certificate")
    return _parsed(lambda: _touched(x509.load_pem_x509_certificate(block)), "certificate")


def load_certificate_der(der: bytes) -> x509.Certificate:
    """One DER certificate; Malformed if it is not well-formed in every part."""
    return _parsed(lambda: _touched(x509.load_der_x509_certificate(der)), "certificate")


def load_certificates(pem: bytes) -> list[x509.Certificate]:
    """All certificates of a PEM text, perhaps none; Malformed if one of them is."""
    return [load_certificate(block) for block in pem_blocks(pem, CERTIFICATE)]


def load_request(pem: bytes) -> x509.CertificateSigningRequest:
    """One PEM CSR, whose signature proves possession of the key (RFC 2986 section 3); Malformed otherwise."""
    block = single_pem_block(pem, REQUEST, "certificate signing request")
    return _checked_request(lambda: x509.load_pem_x509_csr(block))


def load_request_der(der: bytes) -> x509.CertificateSigningRequest:
    """One DER CSR, checked like ``load_request``."""
    return _checked_request(lambda: x509.load_der_x509_csr(der))


def load_stored_request(der: bytes) -> x509.CertificateSigningRequest:
    """A DER CSR out of our own database, where it came to after it was checked."""
    return _parsed(lambda: x509.load_der_x509_csr(der), _A_REQUEST)


def load_stored_certificate(der: bytes) -> x509.Certificate:
    """A DER certificate out of our own database."""
    return _parsed(lambda: x509.load_der_x509_certificate(der), "certificate")


def _checked_request(parse: Callable[[], x509.CertificateSigningRequest]) -> x509.CertificateSigningRequest:
    request = _parsed(lambda: _touched(parse()), _A_REQUEST)
    if not _parsed(lambda: _proves_possession(request), _A_REQUEST):
        raise Malformed("The certificate signing request is not signed with the key it names.")
    return request


def _proves_possession(request: x509.CertificateSigningRequest) -> bool:
    return verifies(public_key(request), request, request.tbs_certrequest_bytes)


def load_crl(pem: bytes) -> x509.CertificateRevocationList:
    """One PEM CRL of any size (our own, or one of a server we ask); Malformed if it is not one."""
    blocks = pem_blocks(pem, CRL)
    if len(blocks) != 1:
        raise Malformed(f"Exactly one PEM block '{CRL}' is expected here, and there are {len(blocks)}.")
    return _parsed(lambda: _touched_crl(x509.load_pem_x509_crl(blocks[0])), "revocation list")


def load_crl_der(der: bytes) -> x509.CertificateRevocationList:
    """One DER CRL, like ``load_crl``."""
    return _parsed(lambda: _touched_crl(x509.load_der_x509_crl(der)), "revocation list")


def load_crls(pem: bytes) -> list[x509.CertificateRevocationList]:
    """All CRLs of a PEM text, perhaps none; Malformed if one of them is."""
    return [load_crl(block) for block in pem_blocks(pem, CRL)]


def _touched_crl(crl: x509.CertificateRevocationList) -> x509.CertificateRevocationList:
    _ = crl.issuer, crl.extensions, crl.signature_algorithm_oid
    return crl


def load_private_key(data: bytes) -> PrivateKey:
    """The one unencrypted private key of a PEM text that may hold certificates too; Malformed otherwise."""
    found = pem_blocks_ending(data, PRIVATE_KEY)
    # RFC 1421 headers, which the older format has when it is encrypted, are no part of what is found.
    if b"ENCRYPTED" in (found[0] if found else data):
        raise Malformed("The private key is protected by a passphrase.", "Give it without one.")
    if len(found) != 1:
        raise Malformed(f"Exactly one private key is expected here, and there are {len(found)}.")
    key = _parsed(lambda: serialization.load_pem_private_key(found[0], None), "private key")
    key_type(key)
    return key  # type: ignore[return-value]  # key_type has refused every other kind


def load_private_key_der(der: bytes) -> PrivateKey:
    """An unencrypted PKCS#8 key in DER, out of our own database."""
    return _parsed(lambda: serialization.load_der_private_key(der, None), "private key")  # type: ignore[return-value]  # likewise


def dump_private_key(key: PrivateKey) -> bytes:
    """PKCS#8, PEM, without a passphrase."""
    return _dump_key(key, serialization.Encoding.PEM)


def dump_private_key_der(key: PrivateKey) -> bytes:
    """PKCS#8, DER, without a passphrase."""
    return _dump_key(key, serialization.Encoding.DER)


def _dump_key(key: PrivateKey, encoding: serialization.Encoding) -> bytes:
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def dump_pem(
    thing: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList,
) -> bytes:
    return thing.public_bytes(serialization.Encoding.PEM)


def dump_der(
    thing: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList,
) -> bytes:
    return thing.public_bytes(serialization.Encoding.DER)


# What is remembered, for one request is about the same few things at several places: so many names of so many bytes at
# most, and so many whole certificates and requests. A stranger's can take a megabyte each.
_NAMES_KEPT, _NAME_LIMIT = 256, 1024
_SIGNED_KEPT = 8


def subject(signed: x509.Certificate | x509.CertificateSigningRequest) -> x509.Name:
    """The subject; the library would make a new object of it each time."""
    return _name(_parts(signed).subject, signed, "subject")


def issuer(certificate: x509.Certificate) -> x509.Name:
    """The issuer, likewise."""
    encoded = _parts(certificate).issuer
    assert encoded is not None, "every certificate has one"
    return _name(encoded, certificate, "issuer")


def _name(encoded: bytes, signed: x509.Certificate | x509.CertificateSigningRequest, which: str) -> x509.Name:
    name = _NAMES.get(encoded)
    if name is None:
        name = getattr(signed, which)
        if len(encoded) <= _NAME_LIMIT:
            if len(_NAMES) >= _NAMES_KEPT:
                _NAMES.clear()
            _NAMES[encoded] = name
    return name


_NAMES: dict[bytes, x509.Name] = {}


class _Parts(NamedTuple):
    """Of a certificate or a request, in DER: ``info`` is the SubjectPublicKeyInfo as it is written there."""

    issuer: bytes | None
    subject: bytes
    info: bytes


def _parts(signed: x509.Certificate | x509.CertificateSigningRequest) -> _Parts:
    # By identity: to compare two would be to encode them. An object that is in here is no other's.
    known = _PARTS.get(id(signed))
    if known is not None and known[0] is signed:
        return known[1]
    # To ask whether it is a certificate would be to ask an abstract class, which takes longer than to look for it.
    tbs: bytes | None = getattr(signed, "tbs_certificate_bytes", None)
    parts = _request_parts(signed.tbs_certrequest_bytes) if tbs is None else _certificate_parts(tbs)  # type: ignore[union-attr]  # what is no certificate is a request
    if len(_PARTS) >= _SIGNED_KEPT:
        _PARTS.clear()
    _PARTS[id(signed)] = signed, parts
    return parts


_PARTS: dict[int, tuple[x509.Certificate | x509.CertificateSigningRequest, _Parts]] = {}


def _certificate_parts(tbs: bytes) -> _Parts:
    """RFC 5280 section 4.1."""
    fields = list(der.parts(der.contents(tbs)))
    first = 1 if fields[0][0] == der.explicit(0) else 0  # version 1 says nothing of its version
    return _Parts(fields[first + 2][2], fields[first + 4][2], fields[first + 5][2])


def _request_parts(tbs: bytes) -> _Parts:
    """RFC 2986 section 4.1."""
    _, subject, info, *_ = der.parts(der.contents(tbs))
    return _Parts(None, subject[2], info[2])


def request_attributes(request: x509.CertificateSigningRequest) -> list[str]:
    """Which attributes a request has (RFC 2986 section 4.1), as OIDs in dots; what they say is not read."""
    _, _, _, *attributes = der.parts(der.contents(request.tbs_certrequest_bytes))
    return [
        der.dotted(next(der.parts(der.contents(attribute)))[1])
        for _, inside, _ in attributes
        for _, _, attribute in der.parts(inside)
    ]


def public_key(signed: x509.Certificate | x509.CertificateSigningRequest) -> PublicKey:
    """The public key of a certificate or a request; NotAcceptable if it is of a kind that is not handled."""
    return load_spki(_parts(signed).info)


def spki_in(signed: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """The public key of a certificate or a request as ``spki.spki`` writes it, however it was written there."""
    return usual_spki(_parts(signed).info)


def key_id_in(signed: x509.Certificate | x509.CertificateSigningRequest) -> KeyId:
    """The identifier of the public key of a certificate or a request, likewise."""
    return key_id_of(spki_in(signed))


def subject_key_id(certificate: x509.Certificate) -> KeyId:
    """The certificate's subject key identifier, computed when it has none."""
    value = value_of(certificate.extensions, x509.SubjectKeyIdentifier)
    return key_id_in(certificate) if value is None else KeyId(value.digest)


def authority_key_id(signed: x509.Certificate | x509.CertificateRevocationList) -> KeyId | None:
    """Which key signed this, as it says itself; ``None`` when it does not say."""
    value = value_of(signed.extensions, x509.AuthorityKeyIdentifier)
    return None if value is None or value.key_identifier is None else KeyId(value.key_identifier)


def crl_number(crl: x509.CertificateRevocationList) -> int:
    """The list's CRLNumber (RFC 5280 section 5.2.3), 0 when it has none."""
    value = value_of(crl.extensions, x509.CRLNumber)
    return 0 if value is None else value.crl_number


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the DER form."""
    return hashlib.sha256(dump_der(certificate)).digest()


def is_ca(certificate: x509.Certificate) -> bool:
    value = value_of(certificate.extensions, x509.BasicConstraints)
    return value is not None and value.ca


def _utc(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC)


# cryptography 42 has aware dates and deprecates the naive ones; 38 has only those.
if hasattr(x509.Certificate, "not_valid_before_utc"):

    def not_before(certificate: x509.Certificate) -> datetime:
        return certificate.not_valid_before_utc

    def not_after(certificate: x509.Certificate) -> datetime:
        return certificate.not_valid_after_utc

    def this_update(crl: x509.CertificateRevocationList) -> datetime:
        return crl.last_update_utc

    def next_update(crl: x509.CertificateRevocationList) -> datetime | None:
        return crl.next_update_utc

    def revocation_date(entry: x509.RevokedCertificate) -> datetime:
        return entry.revocation_date_utc

else:

    def not_before(certificate: x509.Certificate) -> datetime:
        return _utc(certificate.not_valid_before)

    def not_after(certificate: x509.Certificate) -> datetime:
        return _utc(certificate.not_valid_after)

    def this_update(crl: x509.CertificateRevocationList) -> datetime:
        return _utc(crl.last_update)

    def next_update(crl: x509.CertificateRevocationList) -> datetime | None:
        return None if crl.next_update is None else _utc(crl.next_update)

    def revocation_date(entry: x509.RevokedCertificate) -> datetime:
        return _utc(entry.revocation_date)


def check_validity(certificate: x509.Certificate, now: datetime) -> None:
    """CertificateInvalid unless ``now`` is within the certificate's dates, both included (RFC 5280 section
    4.1.2.5).
    """
    check_dates(not_before(certificate), not_after(certificate), now)


def check_dates(start: datetime, end: datetime, now: datetime) -> None:
    """Likewise, where the dates have been read before."""
    if now < start:
        raise CertificateInvalid(f"The certificate is not valid before {start:%Y-%m-%d %H:%M:%S} UTC.")
    if now.replace(microsecond=0) > end:
        raise CertificateInvalid(f"The certificate expired on {end:%Y-%m-%d %H:%M:%S} UTC.")


def is_signed_by(signed: x509.Certificate | x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    """Whether ``ca``'s key made the signature. It says nothing of dates, revocation or trust."""
    named = issuer(signed) if isinstance(signed, x509.Certificate) else signed.issuer
    if named != subject(ca):
        return False
    tbs = signed.tbs_certificate_bytes if isinstance(signed, x509.Certificate) else signed.tbs_certlist_bytes
    return verifies(public_key(ca), signed, tbs)
