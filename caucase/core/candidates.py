"""Which of the keys and certificates that somebody brings make a CA of ours: pairs, and reasons against them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from caucase.core.chain import in_order
from caucase.core.extensions import value_of
from caucase.core.issue import Signer
from caucase.core.keys import PublicKey, check_strength, key_type
from caucase.core.material import FoundCertificate, Material
from caucase.core.rollover import check_ca_life
from caucase.core.spki import spki
from caucase.core.x509 import is_ca, is_signed_by, not_after, not_before, public_key, spki_in, subject_key_id
from caucase.errors import NotAcceptable


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """``signers``: the CAs, oldest first. ``skipped``: a sentence for each thing that is not taken."""

    signers: tuple[Signer, ...]
    skipped: tuple[str, ...]


def candidates(material: Material, *, now: datetime, period: timedelta, allow_bad: bool) -> Candidates:
    """The CAs in ``material``, matched by public key. ``period``: the life of a normal certificate.

    With ``allow_bad`` a certificate need not look like a CA's; it must still be one that can sign here.
    """
    keys = {spki(found.key.public_key()): found for found in material.keys}
    signers, skipped, used = [], list(material.skipped), set()
    for found in material.certificates:
        public = spki_in(found.certificate)
        used.add(public)
        reason = (
            "there is no key for it"
            if public not in keys
            else next(_reasons(found.certificate, now, period, allow_bad=allow_bad), None)
        )
        if reason is None:
            signers.append(
                Signer(
                    certificate=found.certificate,
                    key=keys[public].key,
                    key_id=subject_key_id(found.certificate),
                )
            )
        else:
            skipped.append(f"{_named(found)}: {reason}.")
    skipped.extend(
        f"{found.place}: there is no certificate for this key."
        for public, found in keys.items()
        if public not in used
    )
    return Candidates(signers=tuple(in_order(signers)), skipped=tuple(skipped))


def _named(found: FoundCertificate) -> str:
    return f"{found.place} ({found.certificate.subject.rfc4514_string() or 'no subject'})"


def _reasons(
    certificate: x509.Certificate, now: datetime, period: timedelta, *, allow_bad: bool
) -> Iterator[str]:
    """What speaks against a certificate as a CA of ours, if anything does."""
    if key_type(public_key(certificate)).algorithm == "ed25519":
        yield "an Ed25519 key cannot sign revocation lists here"
    if not_after(certificate) < now:
        yield f"it expired on {not_after(certificate):%Y-%m-%d}"
    try:
        # The server would refuse to start with it.
        check_ca_life(not_after(certificate) - not_before(certificate), period)
    except NotAcceptable as error:
        yield f"{error.message[0].lower()}{error.message[1:]} {error.hint}".rstrip(".")
    if not allow_bad:
        yield from _doubts(certificate, public_key(certificate))


def _doubts(certificate: x509.Certificate, key: PublicKey) -> Iterator[str]:
    """What clients would mind."""
    if not is_ca(certificate):
        yield "it is not a CA certificate"
    usage = value_of(certificate.extensions, x509.KeyUsage)
    # RFC 5280 section 4.2.1.3: without it every usage is allowed.
    if usage is not None and not (usage.key_cert_sign and usage.crl_sign):
        yield "it may not sign both certificates and revocation lists"
    if not is_signed_by(certificate, certificate):
        yield "it is signed by another CA, and clients trust a CA that is signed by itself"
    try:
        check_strength(key)
    except NotAcceptable as error:
        yield f"{error.message[0].lower()}{error.message[1:]}".rstrip(".")
