"""Moves from caucase 0.9: its database becomes one of ours, as a whole or not at all.

The former database is only read, and ours must not exist yet.
"""

from __future__ import annotations

import os
from pathlib import Path

from caucase.appliance import KeyFile, policy_of
from caucase.authority import AuditEvent, AuditSink, Authority, TakenOver, take_over
from caucase.clock import Clock
from caucase.config.schema import ServerConfig
from caucase.errors import Conflict, StoreError
from caucase.host.owner import as_owner_of
from caucase.host.staging import publish, staging_folder
from caucase.store import Database
from caucase.store.legacy import Legacy, read_database

# What SQLite has beside a database.
_COMPANIONS = ("-wal", "-shm", "-journal")


def migrate(source: Path, config: ServerConfig, *, clock: Clock, audit: AuditSink) -> TakenOver:
    """Make the database of ``config`` out of the one of caucase 0.9 at ``source``.

    ConfigError if netloc is not the former server's, Conflict if there is a database already, StoreError and
    Malformed if the former one cannot be read, NotAcceptable if its CAs do not live long enough; OSError.
    """
    policy_of(config)  # first of all: without a netloc there is nothing to do
    check_absent(config.db)
    legacy = read_database(source)
    with as_owner_of(config.db), staging_folder(config.db.absolute().parent) as folder:
        staged = folder / config.db.name
        with Database(staged) as database:
            result = fill(database, legacy, config, clock=clock, audit=audit)
        if staged.with_name(f"{staged.name}-wal").exists():  # closing could not bring it into the file
            raise StoreError(f"The database {config.db} could not be completed.", "Is the disk full?")
        try:
            publish(staged, config.db)
        except FileExistsError:
            raise _exists(config.db) from None
    audit(
        AuditEvent.TAKEN_OVER,
        cas=result.cas,
        pending=result.pending,
        certificates=result.certificates,
        revocations=result.revocations,
    )
    return result


def fill(
    database: Database, legacy: Legacy, config: ServerConfig, *, clock: Clock, audit: AuditSink
) -> TakenOver:
    """Put what a caucase 0.9 kept into an empty database, which holds to its netloc from then on.

    ConfigError, Malformed and NotAcceptable like ``migrate``.
    """
    policy = policy_of(config)
    result = take_over(database, legacy, policy, now=clock())
    Authority(database, policy, https_file=KeyFile(config.server_key), clock=clock, audit=audit)
    return result


def check_absent(database: Path) -> None:
    """Conflict if there is a database, or something that SQLite would take for a part of a new one."""
    if os.path.lexists(database):
        raise _exists(database)
    for companion in _COMPANIONS:
        other = database.with_name(database.name + companion)
        if os.path.lexists(other):
            raise Conflict(
                f"There is no database {database}, and yet {other.name} of one.", "Move it out of the way."
            )


def _exists(database: Path) -> Conflict:
    return Conflict(
        f"There is a database {database} already.", "Move it away, or name another file with --db."
    )
