"""What is in a backup of caucase 0.9: a dump, read into rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from caucase.store.legacy_dump import read_dump
from fuzz.judge import Run
from fuzz.target import Target

# As a backup gives it.
_BLOCK = 1 << 20

_TABLES = {
    "ca": "(expiration_date INTEGER, key TEXT, crt TEXT)",
    "crt": "(id INTEGER PRIMARY KEY, key_id TEXT UNIQUE, expiration_date INTEGER, csr TEXT, crt TEXT)",
    "revoked": "(serial TEXT PRIMARY KEY, revocation_date INTEGER, expiration_date INTEGER)",
    "counter": "(name TEXT PRIMARY KEY, value INTEGER)",
    "config_once": "(name TEXT PRIMARY KEY, value TEXT)",
    "config": "(name TEXT PRIMARY KEY, value TEXT)",
}
_BEGIN = b"BEGIN TRANSACTION;\0" + b"".join(
    f"CREATE TABLE cas{table} {columns};\0".encode("ascii") for table, columns in _TABLES.items()
)


@contextlib.contextmanager
def _opened(_folder: Path) -> Iterator[Run]:
    def run(data: bytes) -> None:
        # A byte that is in no dump stands for the beginning of each.
        whole = data.replace(b"\xfe", _BEGIN, 1)
        read_dump(whole[start : start + _BLOCK] for start in range(0, len(whole), _BLOCK))

    yield run


TARGET = Target(
    opened=_opened,
    limit=1024 * 1024,
    words=(
        b"\xfe",
        b"BEGIN TRANSACTION;\0",
        b"COMMIT;\0",
        b"INSERT INTO \"casrevoked\" VALUES('1',1,1);\0",
        b'INSERT INTO "casca" VALUES(',
        b"INSERT INTO \"casconfig\" VALUES('crl_last_update','1');\0",
        b'CREATE TABLE "cauca" (',
        b"TEXT PRIMARY KEY, ",
        b"NULL,",
        b"X'00',",
    ),
    frames=(
        (b"\xfe", b""),
        (b"\xfe", b"COMMIT;\0"),
        (b'\xfeINSERT INTO "casca" VALUES(', b");\0COMMIT;\0"),
        (b'\xfeINSERT INTO "casca" VALUES(\'', b"',1,1);\0COMMIT;\0"),
        (b'BEGIN TRANSACTION;\0CREATE TABLE "casca" (', b");\0COMMIT;\0"),
    ),
)
