"""Makes an encrypted backup of the database, beside the server or without one, and keeps the newest few.

No key and no clear copy is ever written; a backup is there complete or not at all.
"""

from __future__ import annotations

import enum
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from caucase.authority import Holder, Unusable, heads, holders, report_heads
from caucase.clock import Clock
from caucase.core.backup import KeyEntry, Secrets, Writer, read_key_ids, seal_secrets
from caucase.core.backup.header import IV_SIZE
from caucase.core.spki import KeyId, key_id
from caucase.errors import CaucaseError
from caucase.host.events import Audit
from caucase.host.progress import progress
from caucase.host.secrecy import check_folder
from caucase.host.staging import staged_file
from caucase.store import Database, Transaction, snapshot

# Not .sql.caucased, which is what the peer's are called: there is no SQL in it.
_NAME = re.compile(r"[0-9]{14}\.caucased", re.ASCII)
_NAME_FORMAT = "%Y%m%d%H%M%S.caucased"

# Rows are short; writing them together is quicker.
_BATCH = 1 << 16


class BackupEvent(enum.Enum):
    """What this job reports to the journal."""

    WRITTEN = "backup_written"
    WITHOUT_READER = "backup_without_reader"
    USER_LEFT_OUT = "backup_user_left_out"


@dataclass(frozen=True, kw_only=True)
class BackupFile:
    """A complete backup. ``made_at``: as its name says. ``size`` in bytes. ``key_ids``: who can open it."""

    path: Path
    made_at: datetime
    size: int
    key_ids: tuple[KeyId, ...]


@dataclass(frozen=True, kw_only=True)
class BackupState:
    """``newest``: ``None`` if there is no backup. ``readers``: how many users could open one that is made now."""

    newest: BackupFile | None
    readers: int

    def __str__(self) -> str:
        """One sentence."""
        newest = self.newest
        made = (
            "There is no backup"
            if newest is None
            else f"The newest backup was made on {newest.made_at:%Y-%m-%d %H:%M:%S} UTC, "
            f"{newest.size} bytes, opened by {len(newest.key_ids)} key{'' if len(newest.key_ids) == 1 else 's'}"
        )
        return f"{made}." if self.readers else f"{made}, and nobody could open a new one."


def back_up(database: Path, folder: Path, *, keep: int, clock: Clock, audit: Audit) -> BackupFile | None:
    """Write a backup into ``folder``, and remove all but the newest ``keep`` of those that are complete.

    ``None``, and no file, when there is nobody to encrypt for. Exposed, StoreError, Conflict, OSError: nothing was
    removed then.
    """
    now = clock()
    check_folder(folder)
    with Database(database, create=False) as opened, opened.read() as transaction:
        keys, entries = _recipients(transaction, now, audit)
        reached = heads(transaction)
        if not entries:
            audit(BackupEvent.WITHOUT_READER)
            return None
        path = folder / f"{now:{_NAME_FORMAT}}"
        with staged_file(path) as file:
            _write(file, keys, entries, transaction, now)
            size = file.tell()
    audit(BackupEvent.WRITTEN, file=str(path), size=size, keys=len(entries))
    report_heads(reached, audit)
    for outdated in [name for name in _complete(folder) if name != path][keep - 1 :]:
        outdated.unlink(missing_ok=True)
    return BackupFile(path=path, made_at=now, size=size, key_ids=tuple(entry.key_id for entry in entries))


def state(database: Database, folder: Path | None, *, clock: Clock) -> BackupState:
    """How things are with backups of an open database in ``folder``, if there is one. StoreError, OSError."""
    with database.read() as transaction:
        readers = len(_sealed(Secrets.fresh(secrets.token_bytes), holders(transaction, clock())[0])[0])
    for path in _complete(folder) if folder is not None and folder.is_dir() else ():
        with path.open("rb") as file:
            try:
                key_ids = read_key_ids(file)
            except CaucaseError:
                continue  # somebody else's file
        newest = BackupFile(
            path=path, made_at=_made_at(path), size=path.stat().st_size, key_ids=tuple(key_ids)
        )
        return BackupState(newest=newest, readers=readers)
    return BackupState(newest=None, readers=readers)


def is_due(folder: Path, period: timedelta, now: datetime) -> bool:
    """Whether the newest backup there is so old, or there is none. OSError.

    One of the future does not count: a wrong clock has made it, and for as long as it lies ahead one would be due at
    every look, or none.
    """
    newest = next((made for made in map(_made_at, _complete(folder)) if made <= now), None)
    return newest is None or now >= newest + period


def _made_at(path: Path) -> datetime:
    """As its name says; ValueError if that is none of a backup."""
    return datetime.strptime(f"{path.name} +0000", f"{_NAME_FORMAT} %z")


def _recipients(transaction: Transaction, now: datetime, audit: Audit) -> tuple[Secrets, list[KeyEntry]]:
    """The secrets, and an entry for each user who can open it; who cannot is named."""
    fresh = Secrets.fresh(secrets.token_bytes)
    usable, unusable = holders(transaction, now)
    entries, refused = _sealed(fresh, usable)
    for one in (*unusable, *refused):
        audit(BackupEvent.USER_LEFT_OUT, key_id=one.key_id.hex(), reason=one.reason)
    return fresh, entries


def _sealed(fresh: Secrets, usable: Sequence[Holder]) -> tuple[list[KeyEntry], list[Unusable]]:
    entries, refused = [], []
    for holder in usable:
        try:
            entries.append(seal_secrets(fresh, holder.key))
        except CaucaseError as error:
            reason = f"{holder.subject}: {error.message}"
            refused.append(Unusable(key_id=key_id(holder.key), reason=reason))
    return entries, refused


def _write(
    file: BinaryIO, fresh: Secrets, entries: Sequence[KeyEntry], transaction: Transaction, now: datetime
) -> None:
    writer = Writer(file, fresh, entries, iv=secrets.token_bytes(IV_SIZE))
    with progress("Backup", snapshot.size_estimate(transaction)) as bar:
        for batch in _batches(snapshot.dump(transaction, taken_at=int(now.timestamp()))):
            writer.write(batch)
            bar.add(len(batch))
        writer.close()


def _batches(lines: Iterator[bytes]) -> Iterator[bytes]:
    batch = bytearray()
    for line in lines:
        batch += line
        if len(batch) >= _BATCH:
            yield bytes(batch)
            batch.clear()
    yield bytes(batch)


def _complete(folder: Path) -> list[Path]:
    """The complete backups, newest first, by name: each was renamed to it when it was complete."""
    found = [path for path in folder.iterdir() if _is_ours(path) and path.is_file()]
    return sorted(found, reverse=True)


def _is_ours(path: Path) -> bool:
    if not _NAME.fullmatch(path.name):
        return False
    try:
        _made_at(path)
    except ValueError:  # digits that are no date
        return False
    return True
