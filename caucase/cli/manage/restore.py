"""``--restore-backup``: the database out of a backup; ``--drill``: whether that would work."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509

from caucase import clock
from caucase.cli.common import age
from caucase.cli.manage.action import JSON, Action
from caucase.cli.manage.passphrase import ask
from caucase.client.keyfiles import save_certificate
from caucase.config.schema import ServerConfig
from caucase.core import iso8601
from caucase.core.keys import PrivateKey
from caucase.core.material import read_material
from caucase.core.pem import PEM_LIMIT
from caucase.core.spki import key_id
from caucase.core.x509 import load_certificate, load_crls
from caucase.errors import Malformed
from caucase.host.events import Audit
from caucase.host.files import read_limited
from caucase.host.owner import as_caller
from caucase.jobs.restore import Drill, drill, restore

# A list of a million serials has 40 MB, half as much again in PEM.
_LIST_LIMIT = 256 << 20


def _add_restore(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--restore-backup",
        nargs=4,
        type=Path,
        metavar=("BACKUP", "KEY", "CSR", "CRT"),
        help="make the database out of the file BACKUP, where none is, with the user key KEY that opens it; that "
        "user's certificate is revoked, and a new one for the request CSR, made with another key, written to CRT",
    )


def _add_drill(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--drill",
        nargs=2,
        type=Path,
        metavar=("BACKUP", "KEY"),
        help="restore the file BACKUP with the user key KEY into a private place, look whether all is well, and "
        "leave nothing: a rehearsal",
    )


def _restore(options: argparse.Namespace, config: ServerConfig) -> int:
    backup_path, key_path, csr_path, crt_path = options.restore_backup
    with as_caller():
        key = _read_key(key_path)
        csr_pem = read_limited(csr_path, PEM_LIMIT)
        published = [one for path in options.import_crl for one in _read_lists(path)]
        backup = backup_path.open("rb")
    with backup:
        made_at = restore(
            backup,
            key,
            csr_pem,
            config,
            published=published,
            deliver=lambda pem: _deliver(crt_path, pem),
            clock=clock.now,
            audit=Audit(),
        )
    print(
        f"{config.db}: restored as it was on {made_at:%Y-%m-%d %H:%M:%S} UTC. "
        f"{crt_path}: the new certificate; the old one is revoked."
    )
    return 0


def _deliver(path: Path, pem: bytes) -> None:
    with as_caller():
        save_certificate(path, load_certificate(pem))


def _drill(options: argparse.Namespace, config: ServerConfig) -> int:
    backup_path, key_path = options.drill
    with as_caller():
        key = _read_key(key_path)
        backup = backup_path.open("rb")
    with backup:
        result = drill(backup, key, beside=config.db.absolute().parent, clock=clock.now)
    if options.json:
        print(json.dumps(_document(result, key), indent=2))
    else:
        _report(result, key)
    return 1 if result.examination.problems else 0


def _document(result: Drill, key: PrivateKey) -> dict[str, Any]:
    """The keys stay; they are described in docs/disaster.md."""
    return {
        "made_at": iso8601.dump(result.made_at),
        "opened_by": key_id(key.public_key()).hex(),
        "key_ids": [identifier.hex() for identifier in result.key_ids],
        "authorities": [
            {
                "name": content.name.value,
                "cas": content.cas,
                "pending": content.pending,
                "kept": content.signed,
                "revoked": content.revoked,
                "list_number": content.list_number,
            }
            for content in result.examination.contents
        ],
        "problems": list(result.examination.problems),
    }


def _report(result: Drill, key: PrivateKey) -> None:
    own = key_id(key.public_key())
    others = [identifier.hex() for identifier in result.key_ids if identifier != own]
    print(f"Made on {result.made_at:%Y-%m-%d %H:%M:%S} UTC, {age(result.age)} ago.")
    print(f"Opened by {own.hex()}; also by: {', '.join(others) or 'nobody else'}.")
    for content in result.examination.contents:
        print(
            f"{content.name}: CAs {content.cas}, pending requests {content.pending}, kept certificates "
            f"{content.signed}, revoked {content.revoked}, list number {content.list_number}."
        )
    for problem in result.examination.problems:
        print(problem)
    if not result.examination.problems:
        print(
            "All is well: the database is whole, keys match certificates, the chain of CAs and the record hold."
        )


def _read_key(path: Path) -> PrivateKey:
    keys = read_material(str(path), read_limited(path, PEM_LIMIT), ask).keys
    if len(keys) != 1:
        raise Malformed(
            f"{path}: exactly one private key is expected here, and there are {len(keys)}.",
            "Name the file of the user's key; caucase-key-id --backup BACKUP says which keys open it.",
        )
    return keys[0].key


def _read_lists(path: Path) -> Sequence[x509.CertificateRevocationList]:
    lists = load_crls(read_limited(path, _LIST_LIMIT))
    if not lists:
        raise Malformed(f"{path}: there is no revocation list in it.", "Name a file with one, in PEM.")
    return lists


RESTORE = Action(key="restore_backup", add=_add_restore, run=_restore, takes=frozenset({"import_crl"}))
DRILL = Action(key="drill", add=_add_drill, run=_drill, extras=JSON)
