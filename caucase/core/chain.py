"""The chain of CAs as their owner makes it: each vouches for the next. The client's side of it is ``trust``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509

from caucase.core import message
from caucase.core.issue import Signer
from caucase.core.message import SignedMessage
from caucase.core.spki import KeyId
from caucase.core.x509 import dump_pem, not_after, not_before


def vouch(predecessor: Signer, successor: x509.Certificate) -> SignedMessage:
    """The message by which a CA says who follows it: ``{old_pem, new_pem}``, signed with the old key."""
    payload = {
        "old_pem": dump_pem(predecessor.certificate).decode("ascii"),
        "new_pem": dump_pem(successor).decode("ascii"),
    }
    return message.sign(payload, predecessor.key)


def in_order(signers: Iterable[Signer]) -> list[Signer]:
    """Oldest first, and each key once: of two certificates for a key, the one that lives longer."""
    kept: dict[KeyId, Signer] = {}
    for signer in signers:
        other = kept.get(signer.key_id)
        if other is None or not_after(other.certificate) < not_after(signer.certificate):
            kept[signer.key_id] = signer
    return sorted(kept.values(), key=lambda signer: not_before(signer.certificate))


def links(signers: Sequence[Signer]) -> list[tuple[Signer, str | None]]:
    """CAs that are in order, each with the link from the one before it in JSON, ``None`` for the first."""
    result: list[tuple[Signer, str | None]] = []
    for index, signer in enumerate(signers):
        link = vouch(signers[index - 1], signer.certificate).dump().decode("ascii") if index else None
        result.append((signer, link))
    return result
