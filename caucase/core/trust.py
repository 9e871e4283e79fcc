"""The client's decision which CA certificates to trust. No I/O: what is trusted, what the server says, and
``now`` go in.

A new CA certificate is accepted only through an unbroken path of signed messages from one that is trusted
already. Only the very first contact, with nothing to trust yet, takes the server's word. A refusal is
``Untrusted``; the caller then changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from caucase.core.message import SignedMessage
from caucase.core.x509 import (
    check_validity,
    fingerprint,
    is_ca,
    is_signed_by,
    load_certificate,
    not_after,
    not_before,
    public_key,
)
from caucase.errors import CaucaseError, CertificateInvalid, Malformed, Untrusted

_START_AFRESH = "If that is expected, compare fingerprints with the operator, then remove the local CA file."


@dataclass(frozen=True, kw_only=True)
class _Link:
    """``message`` says, signed by ``old``'s key, that ``new`` follows ``old``."""

    old: x509.Certificate
    new: x509.Certificate
    message: SignedMessage


def valid_only(certificates: Iterable[x509.Certificate], now: datetime) -> list[x509.Certificate]:
    """Those that have not expired, oldest first."""
    second = now.replace(microsecond=0)  # the last second is included
    return sorted((ca for ca in certificates if second <= not_after(ca)), key=not_before)


def updated_trust(
    trusted: Sequence[x509.Certificate],
    *,
    anchor: x509.Certificate,
    chain: Sequence[SignedMessage],
    now: datetime,
) -> list[x509.Certificate]:
    """The valid CA certificates to trust from now on, oldest first.

    ``trusted``: what is trusted here, expired ones included (an expired link still vouches for its
    successor). ``anchor`` and ``chain``: what the server calls its trust anchor, and its signed messages,
    oldest first.
    """
    links = [_link(message) for message in chain]
    _check_ca(anchor)
    accepted = {fingerprint(ca): ca for ca in trusted or [anchor]}
    offered = [anchor, *(ca for link in links for ca in (link.old, link.new))]
    if not any(fingerprint(ca) in accepted for ca in offered):
        raise Untrusted(
            "None of the server's CA certificates follows from one that is trusted here.", _START_AFRESH
        )
    _refuse_roll_back(accepted.values(), offered, now)
    on_path = False
    for link in links:
        if fingerprint(link.old) in accepted:
            accepted[fingerprint(link.new)] = _vouched(link)
            on_path = True
        elif on_path:
            raise Untrusted("The server's chain of CA certificates is broken.", _START_AFRESH)
    result = valid_only(accepted.values(), now)
    if not result:
        raise Untrusted("All CA certificates, the server's and those here, have expired.", _START_AFRESH)
    return result


def https_ca(message: SignedMessage, trusted: Sequence[x509.Certificate], now: datetime) -> x509.Certificate:
    """The CA of the server's HTTPS certificate, as signed by the key of a trusted, valid service CA."""
    for ca in valid_only(trusted, now):
        try:
            message.check(public_key(ca))
        except Malformed:
            continue
        certificate = load_certificate(message.text("https_ca_pem").encode("utf-8", "replace"))
        _check_ca(certificate)
        try:
            check_validity(certificate, now)
        except CertificateInvalid as error:
            raise Untrusted(f"The server's HTTPS CA cannot be used: {error.message}") from None
        return certificate
    raise Untrusted(
        "The server's HTTPS CA is not signed by a service CA that is trusted here.", _START_AFRESH
    )


def _link(message: SignedMessage) -> _Link:
    try:
        old, new = (
            load_certificate(message.text(name).encode("utf-8", "replace")) for name in ("old_pem", "new_pem")
        )
    except CaucaseError as error:
        raise Untrusted(f"The server's chain of CA certificates cannot be read: {error.message}") from None
    return _Link(old=old, new=new, message=message)


def _vouched(link: _Link) -> x509.Certificate:
    try:
        link.message.check(public_key(link.old))
    except Malformed:
        raise Untrusted(
            "A link of the server's chain of CA certificates is not signed by the CA before it."
        ) from None
    _check_ca(link.new)
    return link.new


def _check_ca(certificate: x509.Certificate) -> None:
    if not is_ca(certificate) or not is_signed_by(certificate, certificate):
        raise Untrusted("What the server presents as a CA certificate is not one.")


def _refuse_roll_back(
    accepted: Iterable[x509.Certificate], offered: Iterable[x509.Certificate], now: datetime
) -> None:
    """A server that has forgotten the newest CA it once handed out is not the server it was."""
    valid = valid_only(accepted, now)
    if valid and fingerprint(valid[-1]) not in {fingerprint(ca) for ca in offered}:
        raise Untrusted(
            "The server no longer knows the newest CA certificate that is trusted here: it went back in time.",
            _START_AFRESH,
        )
