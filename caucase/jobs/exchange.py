"""CAs and revocation lists that come from elsewhere, and CAs that go there.

Files are opened as the user who names them, the database as its owner (``host.owner``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from caucase.appliance import Appliance, policy_of
from caucase.authority import AuditSink
from caucase.clock import Clock
from caucase.config.schema import ServerConfig
from caucase.core.candidates import candidates
from caucase.core.issue import Signer
from caucase.core.material import Ask, Material, dump_encrypted, read_material
from caucase.core.pem import CRL
from caucase.core.x509 import dump_pem, load_crl_der, load_crls
from caucase.errors import CaucaseError, Malformed, NotFound
from caucase.host.files import read_limited
from caucase.host.owner import as_caller
from caucase.host.progress import counting_seconds
from caucase.host.staging import publish, staging_folder

# Keys and certificates: thousands of them.
_MATERIAL_LIMIT = 4 << 20
# A million entries take 40 MB, a third more as PEM.
_LISTS_LIMIT = 256 << 20
_KEY_MODE = 0o600


@dataclass(frozen=True, kw_only=True)
class Imported:
    """``new`` and ``known``: the CAs that were added, and those that had been there. ``skipped``: sentences."""

    new: tuple[Signer, ...]
    known: tuple[Signer, ...]
    skipped: tuple[str, ...]


def import_cas(
    paths: Sequence[Path], config: ServerConfig, *, ask: Ask, allow_bad: bool, clock: Clock, audit: AuditSink
) -> Imported:
    """Add the CAs in these files to those that certify services.

    NotFound if there is none, Malformed for a file that cannot be read or a wrong passphrase, Conflict,
    StoreError; OSError.
    """
    period = policy_of(config).services.validity
    with as_caller():
        files = [(str(path), read_limited(path, _MATERIAL_LIMIT)) for path in paths]
    material = sum((read_material(name, data, ask) for name, data in files), Material())
    found = candidates(material, now=clock(), period=period, allow_bad=allow_bad)
    if not found.signers:
        raise NotFound("No CA was imported.", " ".join(found.skipped))
    with counting_seconds("Importing"), Appliance(audit) as appliance:
        new = appliance.open(config).import_cas(found.signers)
    added = {signer.key_id for signer in new}
    return Imported(
        new=tuple(new),
        known=tuple(signer for signer in found.signers if signer.key_id not in added),
        skipped=found.skipped,
    )


def import_crls(paths: Sequence[Path], config: ServerConfig, *, audit: AuditSink) -> int:
    """Take over the revocations on published lists, PEM or DER; how many entries those have.

    Untrusted unless they are signed by CAs of this server, Malformed, StoreError; OSError.
    """
    with as_caller():
        published = [one for path in paths for one in _lists(path)]
    with counting_seconds("Importing"), Appliance(audit) as appliance:
        appliance.open(config).import_lists(published)
    return sum(len(one) for one in published)


def export_cas(
    path: Path, config: ServerConfig, *, passphrase: bytes, audit: AuditSink
) -> tuple[Signer, ...]:
    """Write the CAs that certify services to a new file, their keys encrypted; the CAs.

    Conflict if there is something at ``path``, NotFound if there is no CA, StoreError; OSError.
    """
    with Appliance(audit) as appliance:
        signers = tuple(appliance.open(config).export_cas())
    if not signers:
        raise NotFound(
            "There is no CA to export.", "The server makes one when it starts; --import-ca adds one."
        )
    content = b"".join(dump_pem(one.certificate) + dump_encrypted(one.key, passphrase) for one in signers)
    with as_caller(), staging_folder(path.absolute().parent) as folder:
        staged = folder / path.name
        staged.touch(mode=_KEY_MODE)
        staged.write_bytes(content)
        publish(staged, path)
    return signers


def _lists(path: Path) -> list[x509.CertificateRevocationList]:
    data = read_limited(path, _LISTS_LIMIT)
    try:
        found = load_crls(data) if b"-----BEGIN " in data else [load_crl_der(data)]
    except CaucaseError as error:
        raise type(error)(f"{path}: {error.message}", error.hint) from None
    if not found:
        raise Malformed(
            f"{path}: there is no PEM block '{CRL}'.", "Name a file with a revocation list, in PEM or DER."
        )
    return found
