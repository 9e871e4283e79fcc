"""CAs that were made elsewhere join those of a context, in a chain in which each vouches for the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.keyring import CaSet, Keyring, new_ca
from caucase.core.chain import in_order, vouch
from caucase.core.issue import Signer
from caucase.core.spki import KeyId
from caucase.core.x509 import fingerprint
from caucase.errors import Conflict, StoreError
from caucase.store import Database, Transaction, cas, settings

# Each race that is lost is one that somebody else has won, so this is far more than enough.
_TRIES = 100


def adopt_cas(
    keyring: Keyring, database: Database, signers: Sequence[Signer], *, audit: AuditSink
) -> list[Signer]:
    """Add those that are not there yet, and return them. A running server notices.

    Conflict if there is a CA with the same key and another certificate.
    """
    for _ in range(_TRIES):
        current = keyring.snapshot()
        new = _unknown(current, signers)
        if not new or _add(keyring, database, current, new):
            for signer in new:
                audit(
                    AuditEvent.CA_IMPORTED,
                    context=keyring.name,
                    key_id=signer.key_id.hex(),
                    serial=f"{signer.certificate.serial_number:x}",
                    subject=signer.certificate.subject.rfc4514_string(),
                )
            return new
    raise StoreError("The CAs change all the time.", "Try again.")


def _unknown(current: CaSet, signers: Sequence[Signer]) -> list[Signer]:
    known = {ca.key_id: ca for ca in current.cas}
    for signer in signers:
        ca = known.get(signer.key_id)
        if ca is not None and fingerprint(ca.certificate) != fingerprint(signer.certificate):
            raise Conflict(
                f"There is another certificate for the key of {signer.certificate.subject.rfc4514_string()}."
            )
    return [signer for signer in signers if signer.key_id not in known]


def _add(keyring: Keyring, database: Database, current: CaSet, new: Sequence[Signer]) -> bool:
    """False, and nothing added, if another process changed the CAs meanwhile."""
    added = {signer.key_id for signer in new}
    everyone = in_order([*(keyring.signer_of(ca) for ca in current.cas), *new])
    links: dict[KeyId, str] = {}
    for old, signer in pairwise(everyone):
        if added & {old.key_id, signer.key_id}:
            links[signer.key_id] = vouch(old, signer.certificate).dump().decode("ascii")
    rows = [new_ca(signer, links.get(signer.key_id)) for signer in everyone if signer.key_id in added]

    def commit(transaction: Transaction) -> bool:
        generation = settings.counter(transaction, keyring.name, settings.CA_GENERATION)
        if generation != current.generation:
            return False
        for key_id, link in links.items():
            if key_id not in added:
                cas.set_link(transaction, keyring.name, key_id, link)
        for row in rows:
            cas.insert(transaction, keyring.name, row)
        return True

    return database.write(commit)
