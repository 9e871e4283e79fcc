"""The record through backup, restoration and the move from elsewhere; and what the journal is told of it."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from caucase.authority import AuditEvent, Query, verify
from caucase.config.schema import ServerConfig
from caucase.core.backup import Secrets, Writer, read_blocks, seal_secrets
from caucase.core.record import START, link
from caucase.errors import Malformed
from caucase.jobs.maintenance import maintain
from caucase.jobs.migrate import migrate
from caucase.jobs.refresh import refresh
from caucase.jobs.restore import drill
from caucase.store import Database
from caucase.store.db import migrate as migrate_schema
from tests.authority.world import ADDRESS, BOSS, POLICY, revocation
from tests.former import FormerDatabase

from .office import Office


@pytest.fixture
def busy(office: Office, keys) -> Office:
    """A user, two services, of which one is revoked."""
    office.user("alice", keys(number=1))
    made = office.service("www")
    office.service("mail")
    office.authority.services.revocations.revoke(revocation(made), by=BOSS, address=ADDRESS)
    return office


def rows(path: Path, context: str = "cas") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT * FROM record WHERE context = ? ORDER BY number"
        return connection.execute(query, (context,)).fetchall()


def problems(path: Path) -> list[str]:
    with closing(Database(path, create=False)) as database, database.read() as transaction:
        return [state.problem for state in verify(transaction) if state.problem]


def told(office: Office) -> list[tuple[object, object, object]]:
    return [
        (fields["context"], fields["number"], fields["hash"])
        for name, fields in office.reports.entries
        if name == "record_head"
    ]


def content(backup: Path, key: Any) -> bytes:
    with backup.open("rb") as file:
        return b"".join(read_blocks(file, key))


def written(path: Path, data: bytes, key: Any) -> Path:
    """A backup with that content."""
    secrets = Secrets.fresh(lambda size: bytes(size))
    with path.open("wb") as file:
        writer = Writer(file, secrets, [seal_secrets(secrets, key.public_key())], iv=bytes(16))
        writer.write(data)
        writer.close()
    return path


def test_it_survives(busy: Office, keys) -> None:
    """Entries of before are the same; the chain goes on with what the restoration itself did."""
    before = {context: rows(busy.path, context) for context in ("cas", "cau")}
    busy.restore(busy.made(), keys(number=1), keys(number=2))
    path = busy.restored_path()
    assert rows(path) == before["cas"]
    assert rows(path, "cau")[:1] == before["cau"]
    assert [row[2] for row in rows(path, "cau")[1:]] == ["renewed", "revoked"]
    assert problems(path) == []
    restored = busy.restored()
    assert len(restored.services.record.page(Query(revoked=True)).certificates) == 1
    assert problems(path) == []


def test_the_head_is_in_every_backup_and_in_the_journal(busy: Office, keys) -> None:
    first = content(busy.made(), keys(number=1)).splitlines()[0]
    heads = json.loads(first)["record"]
    for context in ("cas", "cau"):
        last = rows(busy.path, context)[-1]
        assert heads[context] == {"number": last[1], "hash": last[-1].hex()}
    assert told(busy) == [(name, heads[name]["number"], heads[name]["hash"]) for name in ("cau", "cas")]
    busy.restore(next(busy.backups.iterdir()), keys(number=1), keys(number=2))
    last = rows(busy.restored_path(), "cau")[-1]
    assert told(busy)[2] == ("cau", 3, last[-1].hex())
    assert busy.reports.names[-1] == "database_restored"


def test_a_backup_can_be_checked_without_this_program(busy: Office, keys) -> None:
    """Its lines are what is hashed, but for the hash."""
    lines = content(busy.made(), keys(number=1)).splitlines()
    start = lines.index(next(line for line in lines if line.startswith(b'{"table": "record", ')))
    digest = START
    found = 0
    for line in lines[start + 1 :]:
        if not line.startswith(b'["cas", '):
            break
        shown = line[: line.rindex(b', {"base64"')] + b"]"
        digest = hashlib.sha256(digest + shown).digest()
        found += 1
    assert (found, digest) == (3, rows(busy.path)[-1][-1])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"number": 3', b'"number": 2'),
        (b'"record": {', b'"record": {"x": {"number": 1, "hash": "00"}, '),
        (b'"record": {', b'"rec": {'),
        (b'"record": {', b'"record": 5, "x": {'),
        (b'"hash": "', b'"hash": "x'),
        (b'"hash": "', b'"hash": "00'),
    ],
)
def test_a_backup_whose_first_line_says_otherwise(busy: Office, keys, old: bytes, new: bytes) -> None:
    head, rest = content(busy.made(), keys(number=1)).split(b"\n", 1)
    assert old in head
    forged = written(busy.folder / "forged", head.replace(old, new, 1) + b"\n" + rest, keys(number=1))
    with pytest.raises(Malformed):
        busy.restore(forged, keys(number=1), keys(number=2))
    assert not busy.restored_path().exists()


def test_a_record_that_was_broken_already(busy: Office, keys, clock) -> None:
    """The authority comes back, and it is said."""
    with closing(sqlite3.connect(busy.path)) as connection, connection:
        connection.execute("UPDATE record SET actor = 'CN=alice' WHERE number = 2")
    backup = busy.made()
    busy.restore(backup, keys(number=1), keys(number=2))
    (broken,) = [fields["reason"] for name, fields in busy.reports.entries if name == "record_broken"]
    assert "CAS is broken: entry 2" in str(broken)
    with backup.open("rb") as file:
        found = drill(file, keys(number=1), beside=busy.folder, clock=clock)
    assert [text for text in found.examination.problems if "entry 2" in text]


def test_a_backup_of_before_there_was_a_record(busy: Office, keys) -> None:
    """As the release before wrote it: the schema is 1, there is a table of serials, and no head."""
    lines = content(busy.made(), keys(number=1)).splitlines(keepends=True)
    issued = [(row[4], row[8], row[10]) for row in rows(busy.path) if row[2] != "revoked"]
    tables = dict(_tables(lines[1:-1]))
    for name in ("record", "record_chain"):
        del tables[name]
    tables["request"] = [_columns(line, slice(1, 11)) for line in tables["request"]]
    tables["renewal"] = [_columns(line, slice(1, None)) for line in tables["renewal"]]
    tables["issued"] = [
        _line({"table": "issued", "columns": ["context", "serial", "issuer", "not_after"]}),
        *(_line(["cas", serial, {"base64": _base64(issuer)}, end]) for serial, issuer, end in issued),
    ]
    taken_at = json.loads(lines[0])["taken_at"]
    counts = {name: len(of_table) - 1 for name, of_table in tables.items()}
    old = [
        _line({"caucase_snapshot": 1, "schema": 1, "taken_at": taken_at}),
        *(line for of_table in tables.values() for line in of_table),
        _line({"end": counts}),
    ]
    busy.restore(written(busy.folder / "old", b"".join(old), keys(number=1)), keys(number=1), keys(number=2))
    found = rows(busy.restored_path())
    assert [row[2] for row in found] == ["imported", "imported", "revoked"]
    # They are still kept, so all is known.
    assert {row[5] for row in found[:2]} == {"CN=www", "CN=mail"}
    assert problems(busy.restored_path()) == []


def _tables(lines: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    of_table: list[bytes] = []
    for line in lines:
        if line.startswith(b"{"):
            of_table = [line]
            yield json.loads(line)["table"], of_table
        else:
            of_table.append(line)


def _columns(line: bytes, wanted: slice) -> bytes:
    """A table's head or row, without what later schemas have added to it."""
    value = json.loads(line)
    if isinstance(value, dict):
        return _line({**value, "columns": value["columns"][wanted]})
    return _line(value[wanted])


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _base64(data: bytes) -> str:

    return base64.b64encode(data).decode()


def test_coming_from_a_former_server(tmp_path: Path, clock, keys) -> None:
    former = FormerDatabase(clock(), keys)
    former.add_all_cas()
    former.revoke("cau", 5)
    source = former.save(tmp_path / "old.sqlite")
    config = ServerConfig(db=tmp_path / "caucase.sqlite", netloc=POLICY.netloc, key_type=POLICY.key_type)
    migrate(source, config, clock=clock, audit=lambda *_, **__: None)
    (revoked,) = rows(config.db, "cau")
    assert (revoked[2], revoked[4], revoked[12]) == ("revoked", "5", "a former server")
    assert problems(config.db) == []


def test_the_timers_job_tells_how_far_it_reaches(busy: Office) -> None:
    config = busy.config(busy.path, netloc=POLICY.netloc, server_key=busy.folder / "server.key.pem")
    for _ in range(2):
        outcome = refresh(config, busy.reports)
        assert outcome.made[AuditEvent.RECORD_HEAD] in (0, 2)
    assert [(context, number) for context, number, _ in told(busy)] == [("cau", 1), ("cas", 3)]
    busy.service("more")
    refresh(config, busy.reports)
    assert [(context, number) for context, number, _ in told(busy)[2:]] == [("cas", 4)]


def test_without_timers_the_server_tells_it(busy: Office, clock) -> None:
    config = busy.config(busy.path, netloc=POLICY.netloc)
    maintain(busy.authority, config, clock=clock, audit=busy.reports)  # type: ignore[arg-type]
    assert len(busy.world.audit.of(AuditEvent.RECORD_HEAD)) == 2


def test_the_chain_by_hand(busy: Office) -> None:
    digest = START
    for *values, stored in rows(busy.path):
        digest = link(digest, values)
        assert digest == stored


def test_an_old_database_and_a_new_server(tmp_path: Path) -> None:
    path = tmp_path / "caucase.sqlite"
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        migrate_schema(connection, 0, 1)
    Database(path).close()
    assert problems(path) == []
