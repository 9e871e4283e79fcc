"""What is here: the files of one certificate, as the plan needs to know them. Reads, and asks nobody."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from caucase.client.authorities import read_lists, read_trusted
from caucase.client.keyfiles import KeyPair, load_pair
from caucase.client.updater.layout import Layout
from caucase.client.updater.memory import Memory, read_memory
from caucase.client.updater.request import asked_digest, waiting
from caucase.config.updater import UpdaterConfig
from caucase.core.pem import CERTIFICATE, PEM_LIMIT, pem_blocks
from caucase.core.spki import KeyId
from caucase.core.x509 import authority_key_id, load_certificate, next_update, subject_key_id, this_update
from caucase.host.files import read_limited


class RequestState(enum.Enum):
    """How far asking for a (new) certificate has come."""

    NONE = "none"
    MADE = "made"  # there is a key and a request, which the server may not know yet
    SENT = "sent"


@dataclass(frozen=True, kw_only=True)
class ListDates:
    """A revocation list that is here; ``next_update`` is when it lapses."""

    issuer: KeyId
    this_update: datetime
    next_update: datetime


@dataclass(frozen=True, kw_only=True)
class Here:
    """What is here at one moment.

    ``cas``: the trusted CA certificates of this mode. ``certificate`` is ``None`` before there is one.
    ``is_revoked``: as the lists here say. ``has_changed``: the certificate is not what the configuration asks for.
    """

    cas: tuple[x509.Certificate, ...]
    lists: tuple[ListDates, ...]
    certificate: x509.Certificate | None
    is_revoked: bool
    has_changed: bool
    request: RequestState
    memory: Memory

    @property
    def without_list(self) -> bool:
        """Whether a trusted CA has no list here."""
        return not {subject_key_id(ca) for ca in self.cas} <= {one.issuer for one in self.lists}


def look(config: UpdaterConfig) -> Here:
    """What is here; CaucaseError where files are not what they should be, OSError.

    A pair that an interrupted renewal has left halfway is put right.
    """
    layout = Layout.of(config)
    memory = read_memory(layout.memory)
    certificate = own_certificate(config)
    crls = read_lists(layout.lists)
    wanted = asked_digest(config.asked)
    request = None if config.crt is None else waiting(config, layout, certificate)
    state = RequestState.NONE
    if request is not None:
        is_sent = memory.request is not None and memory.request.digest == request.digest
        state = RequestState.SENT if is_sent else RequestState.MADE
    return Here(
        cas=tuple(read_trusted(layout.own_ca)),
        lists=tuple(dates for crl in crls if (dates := _dates(crl)) is not None),
        certificate=certificate,
        is_revoked=certificate is not None and any(_names(crl, certificate) for crl in crls),
        has_changed=certificate is not None and "" not in (wanted, memory.asked) and memory.asked != wanted,
        request=state,
        memory=memory,
    )


def own_certificate(config: UpdaterConfig) -> x509.Certificate | None:
    """The certificate, ``None`` before there is one. CaucaseError, OSError."""
    if config.crt is None or config.crt != config.key:
        pair = own_pair(config)
        return None if pair is None else pair.certificate
    # The two came into one file together. Loading an RSA key costs half as much as all the rest of a pass, and there
    # is one every quarter of an hour; whoever uses the key loads it.
    data = _read(config.crt)
    return load_certificate(data) if pem_blocks(data, CERTIFICATE) else None


def own_pair(config: UpdaterConfig) -> KeyPair | None:
    """Key and certificate, ``None`` before there is one. CaucaseError, OSError."""
    if config.crt is None or config.key is None:
        return None
    return load_pair(config.crt, config.key) if pem_blocks(_read(config.crt), CERTIFICATE) else None


def _read(path: Path) -> bytes:
    """Nothing where nothing is."""
    try:
        return read_limited(path, PEM_LIMIT)
    except FileNotFoundError:
        return b""


def _dates(crl: x509.CertificateRevocationList) -> ListDates | None:
    issuer, end = authority_key_id(crl), next_update(crl)
    if issuer is None or end is None:  # of no authority like ours
        return None
    return ListDates(issuer=issuer, this_update=this_update(crl), next_update=end)


def _names(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether the list says that this certificate is revoked."""
    return (
        authority_key_id(crl) == authority_key_id(certificate)
        and crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    )
