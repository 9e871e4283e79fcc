"""What is in the database, as numbered migrations: SQL, or a function that is given the transaction. A migration that
was released is never edited, only followed by another.

Dates are Unix seconds, certificates and requests DER, serials lower-case hexadecimal text (as openssl prints
them), ``issuer`` and ``key_id`` key identifiers. Every table of an aggregate starts with its context: cau,
cas or https.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from caucase.store.migration_record import make_record

APPLICATION_ID = 0x63617563  # "cauc"

Migration: TypeAlias = str | Callable[[sqlite3.Connection], None]

# Of two migrations, and as unchangeable: a table that is replaced loses its triggers.
_COUNTING = """
    CREATE TRIGGER request_waits AFTER INSERT ON request WHEN NEW.certificate IS NULL BEGIN
        INSERT INTO pending VALUES (NEW.context, 1) ON CONFLICT DO UPDATE SET number = number + 1;
    END;
    CREATE TRIGGER request_signed AFTER UPDATE OF certificate ON request
    WHEN OLD.certificate IS NULL AND NEW.certificate IS NOT NULL BEGIN
        UPDATE pending SET number = number - 1 WHERE context = OLD.context;
    END;
    CREATE TRIGGER request_rejected AFTER DELETE ON request WHEN OLD.certificate IS NULL BEGIN
        UPDATE pending SET number = number - 1 WHERE context = OLD.context;
    END;
"""

MIGRATIONS: tuple[Migration, ...] = (
    """
    -- What must not change once it was used: the netloc, locked auto-approve counts.
    CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;

    -- received_csr: submissions so far. crl_number: of the newest list. ca_generation: moves when CAs change.
    CREATE TABLE counter (
        context TEXT NOT NULL,
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (context, name)
    ) WITHOUT ROWID;

    -- link: the signed message by which the CA before it vouches for this one.
    CREATE TABLE ca (
        context TEXT NOT NULL,
        key_id BLOB NOT NULL,
        not_before INTEGER NOT NULL,
        not_after INTEGER NOT NULL,
        certificate BLOB NOT NULL,
        private_key BLOB NOT NULL,
        link TEXT,
        PRIMARY KEY (context, key_id)
    );

    -- Pending while certificate is null. digest: SHA-256 of the request, to recognise it when it comes again.
    CREATE TABLE request (
        id INTEGER PRIMARY KEY,
        context TEXT NOT NULL,
        key_id BLOB NOT NULL,
        digest BLOB NOT NULL,
        csr BLOB NOT NULL,
        address TEXT NOT NULL,
        submitted_at INTEGER NOT NULL,
        certificate BLOB,
        keep_until INTEGER,
        read_at INTEGER,
        UNIQUE (context, digest)
    );
    CREATE INDEX request_pending ON request (context, submitted_at) WHERE certificate IS NULL;
    CREATE INDEX request_key ON request (context, key_id);
    CREATE INDEX request_kept ON request (keep_until) WHERE keep_until IS NOT NULL;

    -- A renewal that was answered, to answer it again. digest: SHA-256 over old certificate and request.
    CREATE TABLE renewal (
        digest BLOB PRIMARY KEY,
        context TEXT NOT NULL,
        key_id BLOB NOT NULL,
        certificate BLOB NOT NULL,
        keep_until INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX renewal_key ON renewal (context, key_id);
    CREATE INDEX renewal_kept ON renewal (keep_until);

    -- What was issued, so that a bare serial tells which CA's list it belongs to and for how long.
    CREATE TABLE issued (
        context TEXT NOT NULL,
        serial TEXT NOT NULL,
        issuer BLOB NOT NULL,
        not_after INTEGER NOT NULL,
        PRIMARY KEY (context, serial)
    ) WITHOUT ROWID;
    CREATE INDEX issued_end ON issued (not_after);

    -- issuer is empty when only the serial is known. entry: the encoded entry of the list.
    CREATE TABLE revocation (
        context TEXT NOT NULL,
        serial TEXT NOT NULL,
        issuer BLOB NOT NULL,
        revoked_at INTEGER NOT NULL,
        keep_until INTEGER NOT NULL,
        entry BLOB NOT NULL,
        PRIMARY KEY (context, serial)
    ) WITHOUT ROWID;
    CREATE INDEX revocation_list ON revocation (context, issuer, keep_until, entry);
    CREATE INDEX revocation_kept ON revocation (keep_until);

    -- The newest list of each CA.
    CREATE TABLE crl (
        context TEXT NOT NULL,
        issuer BLOB NOT NULL,
        number INTEGER NOT NULL,
        this_update INTEGER NOT NULL,
        next_update INTEGER NOT NULL,
        der BLOB NOT NULL,
        PRIMARY KEY (context, issuer)
    );
    """,
    make_record,
    """
    -- network: what of the address counts as one where pending requests are counted, an IPv6 /64 for example.
    ALTER TABLE request ADD COLUMN network TEXT NOT NULL DEFAULT '';
    UPDATE request SET network = address;
    CREATE INDEX request_network ON request (context, network) WHERE certificate IS NULL;
    """,
    """
    -- The newest list of each CA, which is made again if there is none. version: which parts it has, of size bytes
    -- together; previous: those of the list before, which somebody may still be reading.
    DROP TABLE crl;
    CREATE TABLE crl (
        context TEXT NOT NULL,
        issuer BLOB NOT NULL,
        number INTEGER NOT NULL,
        this_update INTEGER NOT NULL,
        next_update INTEGER NOT NULL,
        size INTEGER NOT NULL,
        version INTEGER NOT NULL,
        previous INTEGER,
        PRIMARY KEY (context, issuer)
    );
    -- A list in DER, in parts: each is written in a transaction of its own, and read when a reader wants it.
    CREATE TABLE crl_part (
        version INTEGER NOT NULL,
        part INTEGER NOT NULL,
        made_at INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (version, part)
    );
    """,
    """
    -- How many requests wait in each context: each submission asks, and would count them all.
    CREATE TABLE pending (
        context TEXT PRIMARY KEY,
        number INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO pending SELECT context, COUNT(*) FROM request WHERE certificate IS NULL GROUP BY context;
    """
    + _COUNTING,
    """
    -- number: as they came. Ids and digests are random: what came, waited and was signed at the same time was on many
    -- pages, and each had to be written.
    CREATE TABLE request_in_order (
        number INTEGER PRIMARY KEY,
        id INTEGER NOT NULL UNIQUE,
        context TEXT NOT NULL,
        key_id BLOB NOT NULL,
        digest BLOB NOT NULL,
        csr BLOB NOT NULL,
        address TEXT NOT NULL,
        submitted_at INTEGER NOT NULL,
        certificate BLOB,
        keep_until INTEGER,
        read_at INTEGER,
        network TEXT NOT NULL DEFAULT '',
        UNIQUE (context, digest)
    );
    INSERT INTO request_in_order
        (id, context, key_id, digest, csr, address, submitted_at, certificate, keep_until, read_at, network)
        SELECT id, context, key_id, digest, csr, address, submitted_at, certificate, keep_until, read_at, network
        FROM request ORDER BY submitted_at, id;
    DROP TABLE request;
    ALTER TABLE request_in_order RENAME TO request;
    CREATE INDEX request_pending ON request (context, submitted_at) WHERE certificate IS NULL;
    CREATE INDEX request_key ON request (context, key_id);
    CREATE INDEX request_kept ON request (keep_until) WHERE keep_until IS NOT NULL;
    CREATE INDEX request_network ON request (context, network) WHERE certificate IS NULL;
    """
    + _COUNTING
    + """
    CREATE TABLE renewal_in_order (
        number INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        context TEXT NOT NULL,
        key_id BLOB NOT NULL,
        certificate BLOB NOT NULL,
        keep_until INTEGER NOT NULL
    );
    INSERT INTO renewal_in_order (digest, context, key_id, certificate, keep_until)
        SELECT digest, context, key_id, certificate, keep_until FROM renewal ORDER BY keep_until, digest;
    DROP TABLE renewal;
    ALTER TABLE renewal_in_order RENAME TO renewal;
    CREATE INDEX renewal_key ON renewal (context, key_id);
    CREATE INDEX renewal_kept ON renewal (keep_until);
    """,
)


def from_seconds(seconds: int) -> datetime:
    """A stored date as an aware one."""
    return datetime.fromtimestamp(seconds, UTC)
