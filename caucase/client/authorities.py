"""Keeps the files with CA certificates and revocation lists current.

Everything is fetched and decided before anything is written: a refusal changes nothing on disk. What is on
disk is trusted, so it must never come from anywhere but here or the administrator.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509

from caucase.client.api import CRL_LIMIT, Client
from caucase.client.pemfiles import PemFiles
from caucase.core.pem import CERTIFICATE, pem_blocks
from caucase.core.spki import KeyId
from caucase.core.trust import updated_trust
from caucase.core.x509 import (
    authority_key_id,
    crl_number,
    dump_pem,
    is_ca,
    is_signed_by,
    load_certificates,
    load_crls,
    subject_key_id,
    this_update,
)
from caucase.errors import Malformed, Untrusted

_CA_LIMIT = 1024 * 1024  # bytes of one file: hundreds of CA certificates, and an authority has two
_DAMAGED = "Remove the damaged certificate, or put back the whole."
_OTHER_SERVER = (
    "Is it the server of that CA? If it was set up anew, ask whoever runs it, and then remove the files with its "
    "former CA certificates."
)
_BEGIN = re.compile(rb"-----BEGIN " + CERTIFICATE.encode("ascii") + rb"-----")


def read_trusted(files: PemFiles) -> list[x509.Certificate]:
    """The CA certificates that are trusted here; none before the first contact.

    In a folder those of all files count: one that an administrator has put there is trusted, whatever its
    name. Malformed for a damaged one: it must not be mistaken for a first contact.
    """
    trusted: list[x509.Certificate] = []
    for data in files.read_all(limit=_CA_LIMIT):
        if len(_BEGIN.findall(data)) != len(pem_blocks(data, CERTIFICATE)):
            raise Malformed(f"{files.path}: a certificate is cut off.", _DAMAGED)
        try:
            trusted.extend(ca for ca in load_certificates(data) if is_ca(ca))
        except Malformed as error:
            raise Malformed(f"{files.path}: {error.message}", _DAMAGED) from None
    return trusted


def fetch_trusted(client: Client, files: PemFiles, now: datetime) -> list[x509.Certificate]:
    """The CA certificates to trust from now on, oldest first: those on disk, led on by the server's chain.

    Nothing is written. Untrusted if the server's do not follow from those here.
    """
    return updated_trust(
        read_trusted(files), anchor=client.ca_certificate(), chain=client.ca_chain(), now=now
    )


def write_trusted(files: PemFiles, trusted: Iterable[x509.Certificate]) -> bool:
    """Store them; whether that changed anything. OSError."""
    return files.replace(trusted_items(trusted))


def trusted_items(trusted: Iterable[x509.Certificate]) -> dict[str, bytes]:
    """What ``PemFiles`` are to hold for these CA certificates."""
    items: dict[str, bytes] = {}
    for ca in trusted:
        name = subject_key_id(ca).hex()
        items[name] = items.get(name, b"") + dump_pem(ca)
    return items


def read_lists(files: PemFiles) -> list[x509.CertificateRevocationList]:
    """The revocation lists here; a damaged one is as good as none, since the next one replaces it. OSError."""
    stored = []
    for data in files.read_own(limit=CRL_LIMIT):
        try:
            stored.extend(load_crls(data))
        except Malformed:
            continue
    return stored


def update_lists(client: Client, files: PemFiles, trusted: Sequence[x509.Certificate]) -> bool:
    """Fetch the revocation lists and store them; whether that changed anything. OSError, and as ``fetch_lists``."""
    return files.replace(fetch_lists(client, files, trusted))


def fetch_lists(client: Client, files: PemFiles, trusted: Sequence[x509.Certificate]) -> dict[str, bytes]:
    """What ``files`` are to hold: the server's revocation lists of trusted CAs. Nothing is written.

    Untrusted if one has a wrong signature or is older than the one here, or if there is none at all. A list
    that the server does not hand out any more stays while its CA is trusted.
    """
    current = {name: crl for crl in read_lists(files) if (name := _issuer(crl, trusted)) is not None}
    known_ids = {subject_key_id(ca) for ca in trusted}
    for crl in client.crls():
        name = _issuer(crl, trusted)
        if name is None:
            if authority_key_id(crl) in known_ids:
                raise Untrusted(
                    "A revocation list is not signed by the CA that it names.",
                    "Nothing was changed here. Tell whoever runs the CA: it is damaged, or somebody is in between.",
                )
            continue  # of a CA that was before our time
        if name in current and _age(crl) < _age(current[name]):
            raise Untrusted(
                f"The revocation list, {_shown(crl)}, is older than the one that is here, {_shown(current[name])}: "
                "the server, or somebody before it, went back in time.",
                f"If the server was restored from a backup, remove {files.path} to accept what it has.",
            )
        current[name] = crl
    if not current:
        raise Untrusted("The server has no revocation list of a CA that is trusted here.", _OTHER_SERVER)
    return {name.hex(): dump_pem(crl) for name, crl in sorted(current.items())}


def check_issued(certificate: x509.Certificate, trusted: Iterable[x509.Certificate]) -> None:
    """Untrusted unless one of the trusted CAs signed it: HTTP alone proves nothing."""
    if not any(is_signed_by(certificate, ca) for ca in trusted):
        raise Untrusted(
            "The certificate that the server sent is not signed by a CA that is trusted here.", _OTHER_SERVER
        )


def _issuer(crl: x509.CertificateRevocationList, trusted: Iterable[x509.Certificate]) -> KeyId | None:
    """The key identifier of the trusted CA that signed the list."""
    for ca in trusted:
        if subject_key_id(ca) == authority_key_id(crl) and is_signed_by(crl, ca):
            return subject_key_id(ca)
    return None


def _age(crl: x509.CertificateRevocationList) -> tuple[int, datetime]:
    """What grows with each new list: the CRL number (RFC 5280 section 5.2.3), and the date."""
    return crl_number(crl), this_update(crl)


def _shown(crl: x509.CertificateRevocationList) -> str:
    number, made = _age(crl)
    return f"number {number} of {made:%Y-%m-%d %H:%M:%S} UTC"
