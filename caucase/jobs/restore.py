"""Gets the database back out of a backup, or rehearses that.

A backup is read to its end before anything is written. The database is made in a private folder, brought up to the
present there, and appears in its place complete, at the very end. Nothing that is there is ever replaced.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from cryptography import x509

from caucase.appliance import KeyFile, policy_of
from caucase.authority import (
    AuditEvent,
    Authority,
    Examination,
    Recovery,
    examine,
    heads,
    report_heads,
    verify,
)
from caucase.clock import Clock
from caucase.config.schema import ServerConfig
from caucase.core.backup import read_blocks, read_key_ids
from caucase.core.keys import PrivateKey
from caucase.core.netloc import NetLoc
from caucase.core.spki import KeyId, key_id, spki
from caucase.core.x509 import load_request, spki_in
from caucase.errors import NotAcceptable
from caucase.host.events import Audit, Named
from caucase.host.progress import counting_seconds, progress
from caucase.host.staging import passing_folder, publish, staging_folder
from caucase.jobs.payload import load_payload
from caucase.store import Database, check_absent, settings


class RestoreEvent(enum.Enum):
    """What this job reports to the journal."""

    RESTORED = "database_restored"


@dataclass(frozen=True, kw_only=True)
class Drill:
    """How a rehearsal went. ``key_ids``: of all keys that open the backup."""

    made_at: datetime
    age: timedelta
    key_ids: tuple[KeyId, ...]
    examination: Examination


def restore(
    backup: BinaryIO,
    key: PrivateKey,
    csr_pem: bytes,
    config: ServerConfig,
    *,
    published: Sequence[x509.CertificateRevocationList],
    deliver: Callable[[bytes], None],
    clock: Clock,
    audit: Audit,
) -> datetime:
    """Restore the database that ``config`` names, where none is; when the backup was made.

    ``key`` opens the backup, and its user certificate is replaced by one for the request, which ``deliver`` is given,
    in PEM, before the database appears. ``published``: lists that were published since. CaucaseError and OSError, also
    those of ``deliver``: nothing is there then.
    """
    check_absent(config.db)
    if spki_in(load_request(csr_pem)) == spki(key.public_key()):
        raise NotAcceptable(
            "The request is made with the key that opens the backup.", "Make a new key for it."
        )
    _verify(backup, key)
    # Reported once the database is there, and not at all if it never is.
    reports: list[tuple[Named, dict[str, str | int | None]]] = []

    def report(event: Named, **fields: str | int | None) -> None:
        reports.append((event, fields))

    with staging_folder(config.db.parent) as folder:
        staged = folder / config.db.name
        policy = None if config.netloc is None else policy_of(config)
        made_at = load_payload(_blocks(backup, key), staged, policy=policy, now=clock())
        with closing(Database(staged, create=False)) as database:
            authority = Authority(
                database,
                policy_of(_with_netloc(config, database)),
                https_file=KeyFile(config.server_key),
                clock=clock,
                audit=report,
            )
            authority.import_lists(published)
            recovery = Recovery(authority, database, clock=clock)
            actor = f"local user {os.getuid()}"
            certificate = recovery.replace(key_id(key.public_key()), csr_pem, actor=actor)
            recovery.advance(made_at)
            with database.read() as transaction:
                for state in verify(transaction):
                    if state.problem:
                        # An authority without its past is better than none.
                        report(AuditEvent.RECORD_BROKEN, reason=state.problem)
                report_heads(heads(transaction), report)
            database.settle()
        deliver(certificate)
        check_absent(config.db)
        publish(staged, config.db)
    for event, fields in reports:
        audit(event, **fields)
    audit(RestoreEvent.RESTORED, file=str(config.db), made_at=f"{made_at:%Y-%m-%dT%H:%M:%SZ}")
    return made_at


def drill(backup: BinaryIO, key: PrivateKey, *, beside: Path, clock: Clock) -> Drill:
    """Restore into a private folder, look whether all is well, and leave nothing. CaucaseError, OSError.

    It is in memory where that is large enough, else in the folder ``beside``.
    """
    key_ids = tuple(read_key_ids(backup))
    _verify(backup, key)
    size = backup.seek(0, os.SEEK_END)
    with passing_folder(size, beside=beside) as folder:
        staged = folder / "drill.sqlite"
        made_at = load_payload(_blocks(backup, key), staged, policy=None, now=clock())
        with (
            closing(Database(staged, create=False)) as database,
            counting_seconds("Looking at what was restored"),
        ):
            examination = examine(database)
    return Drill(made_at=made_at, age=clock() - made_at, key_ids=key_ids, examination=examination)


def _verify(backup: BinaryIO, key: PrivateKey) -> None:
    """Malformed unless it is authentic from its first byte to its last."""
    with progress("Verifying", backup.seek(0, os.SEEK_END)) as bar:
        backup.seek(0)
        for block in read_blocks(backup, key):
            bar.add(len(block))


def _blocks(backup: BinaryIO, key: PrivateKey) -> Iterator[bytes]:
    """The content, from its beginning. It was verified, and still is: the file may be another by now."""
    with progress("Restoring", backup.seek(0, os.SEEK_END)) as bar:
        backup.seek(0)
        for block in read_blocks(backup, key):
            yield block
            bar.add(len(block))


def _with_netloc(config: ServerConfig, database: Database) -> ServerConfig:
    """The address of this CA is in its database; a configuration need not be there yet."""
    if config.netloc is not None:
        return config
    with database.read() as transaction:
        text = settings.setting(transaction, settings.NETLOC)
    return config if text is None else replace(config, netloc=NetLoc.parse(text))
