"""``caucased-manage --status``: it tells all, and changes nothing."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from caucase.authority import Authority
from caucase.cli.manage.status import document, text
from caucase.errors import StoreError
from caucase.store import Database
from tests.authority.world import ADDRESS, BOSS, World, renew, revocation

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from caucase.cli.manage import main; sys.exit(main())"


def manage(
    folder: Path, *arguments: str, at: str | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TZ": "UTC", **({} if at is None else moved(at))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def moved(moment: str) -> dict[str, str]:
    """What makes a process believe that it starts at that moment, its monotonic clock left alone.

    Not by the command faketime: a semaphore of one that was killed fails the next with that process id.
    """
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    whole = moment if " " in moment else f"{moment} 00:00:00"
    return {"LD_PRELOAD": str(library), "FAKETIME": f"@{whole}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture
def folder(tmp_path: Path, make_csr) -> Path:
    """With an authority in it, made in 2030."""
    (tmp_path / "alice.csr").write_bytes(make_csr("alice"))
    (tmp_path / "caucased.yaml").write_text("netloc: ca.example.com:8009\nkey_type: ec:P-256\n")
    manage(
        *(tmp_path, "--config", "caucased.yaml", "--sign-user-csr", "alice.csr", "alice.crt"),
        at="2030-01-01 12:00:00",
    )
    return tmp_path


def contents(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        for path in folder.iterdir()
    }


# Nothing is changed


@pytest.mark.parametrize("at", ["2030-01-01 13:00:00", "2030-08-01", "2045-01-01", "2029-01-01"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_it_changes_nothing(folder: Path, at: str, form: list[str]) -> None:
    """Not even when everything is due, or has ended, or is of the future."""
    before = contents(folder)
    done = manage(folder, "--config", "caucased.yaml", "--status", *form, at=at)
    assert done.stderr == ""
    assert "ca.example.com:8009" in done.stdout
    assert contents(folder) == before


def test_backups(folder: Path) -> None:
    at, backups = "2030-01-02", folder / "backups"
    backups.mkdir()
    with (folder / "caucased.yaml").open("a") as config:
        config.write(f"backup_directory: {backups}\n")
    assert "There is no backup." in manage(folder, "--config", "caucased.yaml", "--status", at=at).stdout
    manage(folder, "--config", "caucased.yaml", "--backup", str(backups), at=at)
    shown = manage(folder, "--config", "caucased.yaml", "--status", at="2030-01-03").stdout
    assert "The newest backup was made on 2030-01-02" in shown
    assert "opened by 1 key." in shown
    document = json.loads(
        manage(folder, "--config", "caucased.yaml", "--status", "--json", at="2030-01-03").stdout
    )
    assert document["backups"]["readers"] == 1
    assert document["backups"]["newest"]["made_at"].startswith("2030-01-02T00:00")
    # Alice's certificate has ended by then.
    late = manage(folder, "--config", "caucased.yaml", "--status", at="2030-08-01").stdout
    assert "and nobody could open a new one." in late


def test_it_needs_no_netloc(folder: Path) -> None:
    """The database knows."""
    at = "2030-01-02"
    without = manage(folder, "--status", at=at).stdout
    assert without == manage(folder, "--config", "caucased.yaml", "--status", at=at).stdout
    refused = manage(folder, "--netloc", "elsewhere", "--status", status=78)
    assert "made for netloc ca.example.com:8009" in refused.stderr


def test_beside_somebody_who_writes(folder: Path) -> None:
    with Database(folder / "caucase.sqlite") as database:
        database.write(lambda transaction: transaction.execute("DELETE FROM crl"))
        status = json.loads(manage(folder, "--status", "--json", at="2030-01-02").stdout)
    assert [authority["lists"] for authority in status["authorities"]] == [[], [], []]


def test_no_database(tmp_path: Path) -> None:
    done = manage(tmp_path, "--status", status=1)
    assert done.stderr == (
        "caucased-manage: There is no database caucase.sqlite. "
        "A server makes it when it first answers, once netloc is set.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_no_authority_in_the_database(tmp_path: Path) -> None:
    path = tmp_path / "caucase.sqlite"
    path.touch(0o600)
    assert "is empty, or was made by an older release" in manage(tmp_path, "--status", status=1).stderr
    assert path.read_bytes() == b""
    Database(path).close()
    before = contents(tmp_path)
    assert "There is no authority in caucase.sqlite yet" in manage(tmp_path, "--status", status=1).stderr
    assert contents(tmp_path) == before


def test_not_a_database_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "caucase.sqlite"
    path.touch(0o600)
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE cauca (x)")
    other.close()
    before = contents(tmp_path)
    assert "not a database of this release" in manage(tmp_path, "--status", status=1).stderr
    assert contents(tmp_path) == before


def test_a_read_only_database_refuses_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "caucase.sqlite"
    Database(path).close()
    with Database(path, read_only=True) as database, pytest.raises(StoreError, match="readonly"):
        database.write(lambda transaction: transaction.execute("DELETE FROM ca"))


# What it tells


@pytest.fixture
def world(tmp_path: Path, clock, keys, make_csr):
    made = World(tmp_path / "caucase.sqlite", clock, keys, make_csr)
    yield made
    made.stop()


@pytest.fixture
def authority(world: World) -> Authority:
    """With a successor, users, and something that waits."""
    authority = world.start()
    authority.maintain()
    world.clock.advance(days=190)
    authority.maintain()
    keys = [world.keys("ec:P-256", number) for number in range(4)]
    world.issue(authority.users, "zoe", keys[0])
    alice = world.issue(authority.users, "al\nice", keys[1])
    renew(authority.users, world.renewal(alice, keys[1], keys[2]))
    gone = world.issue(authority.users, "gone", keys[3])
    authority.users.revocations.revoke(revocation(gone), by=BOSS, address=ADDRESS)
    authority.services.requests.submit(world.make_csr(), address=ADDRESS)
    authority.maintain()
    return authority


def test_document(authority: Authority, world: World) -> None:
    found = document(authority.status())
    assert list(found) == ["netloc", "now", "authorities", "https", "users"]
    assert (found["netloc"], found["now"]) == ("ca.example.com:8009", "2030-07-10T12:00:00Z")
    cau, cas, https = found["authorities"]
    assert [each["name"] for each in (cau, cas, https)] == ["cau", "cas", "https"]
    assert [each["pending"] for each in (cau, cas, https)] == [0, 1, None]
    old, new = cas["cas"]
    assert list(old) == ["subject", "serial", "key_id", "phase", "not_before", "not_after", "phases"]
    assert (old["phase"], new["phase"]) == ("signs", "known")
    assert old["phases"] == [
        {"phase": "signs", "start": "2030-01-01T11:59:50Z", "end": "2030-10-11T11:59:50Z"},
        {"phase": "trusted", "start": "2030-10-11T11:59:50Z", "end": "2031-01-08T11:59:50Z"},
    ]
    assert new["not_before"] == "2030-07-10T11:59:50Z"
    assert cas["successor_due"] == "2031-01-12T11:59:50Z"
    assert [row["issuer"] for row in cas["lists"]] == [old["key_id"], new["key_id"]]
    [first, _] = cas["lists"]
    assert list(first) == ["issuer", "number", "this_update", "next_update", "refresh_due"]
    dates = [datetime.fromisoformat(first[name]) for name in ("this_update", "refresh_due", "next_update")]
    assert all(date.tzinfo == UTC for date in dates)
    assert abs((dates[1] - dates[0]) / (dates[2] - dates[0]) - 0.3) < 1e-6
    assert found["https"] == {"not_after": "2030-10-11T11:59:50Z", "renewal_due": "2030-09-10T11:59:50Z"}
    assert [user["subject"] for user in found["users"]] == ["CN=al\nice", "CN=al\nice", "CN=zoe"]
    assert list(found["users"][0]) == ["subject", "serial", "key_id", "not_before", "not_after"]
    json.dumps(found)


def test_before_anything_was_made(world: World) -> None:
    found = document(world.start().status())
    assert found["https"] == {"not_after": None, "renewal_due": None}
    assert [each["successor_due"] for each in found["authorities"]] == [None] * 3
    assert "HTTPS certificate  none" in "\n".join(text(world.start().status(), width=80))


def test_text(authority: Authority) -> None:
    lines = text(authority.status(), width=71)
    assert lines[:8] == [
        "ca.example.com:8009 at 2030-07-10 12:00 UTC",
        "",
        "          2030-01-01          ^ now 2030-07-10               2031-07-17",
        "CAU ca 1  [============signs============|-trusted-]",
        "CAU ca 2                      [..known..|============signs============]",
        "CAS ca 1  [============signs============|-trusted-]",
        "CAS ca 2                      [..known..|============signs============]",
        "",
    ]
    table = "\n".join(" ".join(line.split()) for line in lines[8:])
    assert (
        table
        == """\
WHAT STATE UNTIL NEXT
CAU ca 1 signs 2031-01-08 11:59 trusted 2030-10-11 11:59
CAU ca 2 known 2031-07-17 11:59 successor made 2031-01-12 11:59
CAU list of ca 1 valid, number 3 2030-08-10 04:33 made again 2030-07-19 16:57
CAU list of ca 2 valid, number 3 2030-08-10 04:33 made again 2030-07-19 16:57
CAU requests none waiting
CAS ca 1 signs 2031-01-08 11:59 trusted 2030-10-11 11:59
CAS ca 2 known 2031-07-17 11:59 successor made 2031-01-12 11:59
CAS list of ca 1 valid, number 2 2030-08-10 04:33 made again 2030-07-19 16:57
CAS list of ca 2 valid, number 2 2030-08-10 04:33 made again 2030-07-19 16:57
CAS requests 1 waiting a user signs or rejects
HTTPS ca 1 signs 2040-03-09 11:59 successor made 2039-09-05 11:59
HTTPS certificate valid 2030-10-11 11:59 renewed 2030-09-10 11:59
user CN=al\\nice valid 2030-10-11 11:59 renewed by its holder
user CN=al\\nice valid 2030-10-11 11:59 renewed by its holder
user CN=zoe valid 2030-10-11 11:59 renewed by its holder"""
    )


def test_text_when_all_is_late(authority: Authority, world: World) -> None:
    world.clock.advance(days=1000)
    table = "\n".join(" ".join(line.split()) for line in text(authority.status(), width=80))
    assert "CAS ca 1 expired 2031-01-08 11:59 forgotten" in table
    assert "CAS ca 2 expired 2031-07-17 11:59 successor made now" in table
    assert "HTTPS certificate EXPIRED 2030-10-11 11:59 renewed now: due since 2030-09-10 11:59" in table
    assert "list" not in table
    assert "user" not in table.replace("a user signs", "")
