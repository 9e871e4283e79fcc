"""Moves from caucase 0.9: its database becomes one of ours, as a whole or not at all.

The former database is only read, and ours must not exist yet.
"""

from __future__ import annotations

from pathlib import Path

from caucase.appliance import KeyFile, policy_of
from caucase.authority import AuditEvent, AuditSink, Authority, TakenOver, take_over
from caucase.clock import Clock
from caucase.config.schema import ServerConfig
from caucase.host.owner import as_caller
from caucase.host.progress import counting_seconds
from caucase.host.staging import publish, staging_folder
from caucase.store import Database, check_absent
from caucase.store.legacy import read_database


def migrate(source: Path, config: ServerConfig, *, clock: Clock, audit: AuditSink) -> TakenOver:
    """Make the database of ``config`` out of the one of caucase 0.9 at ``source``.

    ConfigError if netloc is not the former server's, Conflict if there is a database already, StoreError and
    Malformed if the former one cannot be read, NotAcceptable if its CAs do not live long enough; OSError.
    """
    policy = policy_of(config)  # first of all: without a netloc there is nothing to do
    check_absent(config.db)
    with counting_seconds("Reading"), as_caller():
        legacy = read_database(source)
    with counting_seconds("Taking over"), staging_folder(config.db.absolute().parent) as folder:
        staged = folder / config.db.name
        with Database(staged) as database:
            result = take_over(database, legacy, policy, now=clock())
            # Holds the database to its netloc from now on.
            Authority(database, policy, https_file=KeyFile(config.server_key), clock=clock, audit=audit)
            database.settle()
        check_absent(config.db)
        publish(staged, config.db)
    audit(
        AuditEvent.TAKEN_OVER,
        cas=result.cas,
        pending=result.pending,
        certificates=result.certificates,
        revocations=result.revocations,
    )
    return result
