"""Making backups: for whom, where, how many, and what stays when it fails."""

from __future__ import annotations

import fcntl
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from caucase.core.backup import read_blocks, read_key_ids
from caucase.core.spki import key_id
from caucase.core.x509 import load_private_key_der
from caucase.errors import Conflict, StoreError
from caucase.host.events import EVENTS
from caucase.jobs.backup import BackupEvent, back_up, is_due, state
from caucase.jobs.restore import RestoreEvent
from caucase.store import cas, snapshot
from tests.authority.world import ADDRESS, BOSS, renew, revocation

from .office import Office


def identifiers(path: Path) -> set[bytes]:
    with path.open("rb") as file:
        return set(read_key_ids(file))


def ids(*keys) -> set[bytes]:
    return {key_id(key.public_key()) for key in keys}


def test_every_event_has_an_entry() -> None:
    assert {event.value for kind in (BackupEvent, RestoreEvent) for event in kind} <= set(EVENTS)


def test_a_backup_is_for_every_valid_user(office: Office, keys, clock) -> None:
    elliptic, rsa, gone, old, new = (
        keys("ec:P-384", 1),
        keys("rsa:2048", 1),
        keys(number=2),
        keys(number=3),
        keys(number=4),
    )
    expired = keys(number=5)
    office.user("expired", expired)
    clock.advance(days=94)
    for name, key in (("e", elliptic), ("r", rsa)):
        office.user(name, key)
    office.authority.users.revocations.revoke(
        revocation(office.user("gone", gone), gone), by=None, address=ADDRESS
    )
    renewed = renew(office.authority.users, office.world.renewal(office.user("old", old), old, new))
    office.service("no user")
    assert renewed.subject.rfc4514_string() == "CN=old"

    made = office.back_up()

    assert made is not None
    # The renewed certificate's predecessor is still valid: whoever has its key is the same person.
    assert identifiers(made.path) == set(made.key_ids) == ids(elliptic, rsa, old, new)
    assert made.path.name == f"{clock():%Y%m%d%H%M%S}.caucased"
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert made.size == made.path.stat().st_size
    assert office.reports.entries[0] == (
        "backup_written",
        {"file": str(made.path), "size": made.size, "keys": 4},
    )
    assert office.reports.names[1:] == ["record_head", "record_head"]


def test_there_is_nothing_to_read_without_a_key(office: Office, keys) -> None:
    office.user("u", keys())
    content = office.made().read_bytes()
    with office.authority._database.read() as transaction:
        (row,) = cas.select_all(transaction, "cas")
        private = cas.private_key(transaction, "cas", row.key_id)
    assert private is not None
    load_private_key_der(private)
    assert private[40:60] not in content
    assert private.hex()[80:120].encode() not in content
    assert snapshot.MARK not in content


def test_nobody_to_encrypt_for(office: Office, keys, clock) -> None:
    office.user("u", keys())
    old = office.made()
    clock.advance(days=200)
    assert office.back_up() is None
    assert office.names() == [old.name]
    assert office.reports.names == ["backup_written", "record_head", "backup_without_reader"]
    assert EVENTS["backup_without_reader"].priority == 4
    found = state(office.authority._database, office.backups, clock=clock)
    assert found.readers == 0
    assert found.newest is not None
    assert "nobody could open" in str(found)


def test_one_unusable_user_prevents_nothing(office: Office, keys) -> None:
    office.user("u", keys())
    broken = office.user("broken", keys(number=8))
    signer = office.user("signs only", keys(number=9))
    assert broken != signer

    def spoil(transaction) -> None:
        transaction.execute(
            "UPDATE request SET certificate = x'3000' WHERE key_id = ?",
            (key_id(keys(number=8).public_key()),),
        )

    office.authority._database.write(spoil)
    made = office.back_up()
    assert made is not None
    assert set(made.key_ids) == ids(keys(), keys(number=9))
    assert office.reports.entries[0] == (
        "backup_user_left_out",
        {
            "key_id": key_id(keys(number=8).public_key()).hex(),
            "reason": "The certificate is not well-formed.",
        },
    )
    assert EVENTS["backup_user_left_out"].priority == 4


def test_a_user_whose_key_only_signs(office: Office, keys) -> None:
    """No request of that kind is taken; one may come with a migrated database."""
    key = keys("ed25519")
    csr = office.world.make_csr("signs", key=key)
    services = office.authority.services.requests
    request_id = services.submit(csr, address=ADDRESS)
    services.sign(request_id, by=BOSS, address=ADDRESS)
    office.authority._database.write(
        lambda transaction: transaction.execute(
            "UPDATE request SET context = 'cau' WHERE id = ?", (request_id,)
        )
    )
    office.user("u", keys())
    made = office.back_up()
    assert made is not None
    assert set(made.key_ids) == ids(keys())
    name, fields = office.reports.entries[0]
    assert name == "backup_user_left_out"
    assert fields["key_id"] == key_id(key.public_key()).hex()
    assert "CN=signs" in str(fields["reason"])


def test_the_newest_few_are_kept(office: Office, keys, clock) -> None:
    office.user("u", keys())
    strangers = ["20300101000000.sql.caucased", "notes.txt", "2030.caucased", "20300101000000.caucased.old"]
    for name in strangers:
        (office.backups / name).write_text("foreign")
    (office.backups / "20200101000000.caucased").mkdir()
    made = []
    for _ in range(5):
        clock.advance(minutes=1)
        made.append(office.made())
        office.back_up(keep=3)
    assert office.names() == sorted(
        [*strangers, "20200101000000.caucased", *(path.name for path in made[-3:])]
    )


def test_the_one_just_made_is_kept_although_the_clock_went_back(office: Office, keys, clock) -> None:
    office.user("u", keys())
    for _ in range(3):
        office.made()
        clock.advance(days=1)
    clock.moment -= timedelta(days=2, hours=1)
    made = office.back_up(keep=1)
    assert made is not None
    assert office.names() == [made.path.name]


def test_when_the_next_one_is_due(office: Office, keys, clock) -> None:
    """A backup that a wrong clock has dated into the future makes no difference."""
    office.user("alice", keys(number=1))
    day = timedelta(days=1)
    assert is_due(office.backups, day, clock())
    clock.advance(days=50)
    assert office.back_up() is not None
    clock.advance(days=-50)
    assert is_due(office.backups, day, clock())
    office.back_up()
    for hours, due in ((0, False), (23, False), (1, True)):
        clock.advance(hours=hours)
        assert is_due(office.backups, day, clock()) is due


def test_what_an_interrupted_one_left_goes(office: Office, keys) -> None:
    office.user("u", keys())
    (office.backups / ".caucase-partial-abc").write_text("half")
    folder = office.backups / ".caucase-partial-folder"
    folder.mkdir()
    (folder / "x").write_text("half")
    (office.backups / ".caucase-partial-link").symlink_to(office.path)
    made = office.made()
    assert office.names() == [made.name]
    assert office.path.exists()


def test_one_at_a_time(office: Office, keys) -> None:
    office.user("u", keys())
    other = os.open(office.backups, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="Another backup"):
            office.back_up()
    finally:
        os.close(other)
    assert office.names() == []
    office.made()


def test_no_database_no_folder(office: Office, keys, clock) -> None:
    with pytest.raises(StoreError, match="no database"):
        back_up(office.folder / "none.sqlite", office.backups, keep=1, clock=clock, audit=office.reports)  # type: ignore[arg-type]
    assert not (office.folder / "none.sqlite").exists()
    office.user("u", keys())
    with pytest.raises(FileNotFoundError):
        back_up(office.path, office.folder / "none", keep=1, clock=clock, audit=office.reports)  # type: ignore[arg-type]


def test_a_failure_leaves_the_old_ones(office: Office, keys, clock) -> None:
    office.user("u", keys())
    old = office.made()
    before = old.read_bytes()
    clock.advance(minutes=1)
    office.authority._database.write(
        lambda transaction: transaction.execute(
            "INSERT INTO setting VALUES ('large', ?)", ("x" * snapshot.LINE_LIMIT,)
        )
    )
    with pytest.raises(StoreError, match="too large"):
        office.back_up(keep=1)
    assert office.names() == [old.name]
    assert old.read_bytes() == before


def test_content_is_a_snapshot(office: Office, keys) -> None:
    office.user("u", keys())
    with office.made().open("rb") as file:
        content = b"".join(read_blocks(file, keys()))
    assert content.startswith(snapshot.MARK)


def test_state(office: Office, keys, clock) -> None:
    assert state(office.authority._database, office.backups, clock=clock).newest is None
    assert (
        str(state(office.authority._database, None, clock=clock))
        == "There is no backup, and nobody could open a new one."
    )
    office.user("u", keys())
    assert (
        str(state(office.authority._database, office.folder / "none", clock=clock)) == "There is no backup."
    )
    office.made()
    clock.advance(hours=1)
    made = office.made()
    (office.backups / "20400101000000.caucased").write_text("foreign")
    found = state(office.authority._database, office.backups, clock=clock)
    assert found.readers == 1
    assert found.newest is not None
    assert found.newest.path == made
    assert found.newest.made_at == clock()
    assert found.newest.size == made.stat().st_size
    assert set(found.newest.key_ids) == ids(keys())
    assert str(found).endswith("opened by 1 key.")


def test_digits_that_are_no_date_are_somebody_elses_file(tmp_path: Path, clock) -> None:
    (tmp_path / "20269999999999.caucased").write_bytes(b"")
    assert is_due(tmp_path, timedelta(days=1), clock())
    (tmp_path / f"{clock():%Y%m%d%H%M%S}.caucased").write_bytes(b"")
    assert not is_due(tmp_path, timedelta(days=1), clock())
