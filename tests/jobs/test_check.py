"""Each line of the check: what it says when all is well, and when it is not. It changes nothing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from caucase.authority import Authority
from caucase.config.schema import ServerConfig
from caucase.core.keys import KeyType
from caucase.core.netloc import NetLoc
from caucase.core.x509 import dump_private_key, dump_private_key_der
from caucase.jobs.check import HTTP_UNIT, HTTPS_UNIT, Finding, Verdict, check
from tests.authority.world import PERIOD, POLICY, World, lists


class Site:
    """A server's folder, complete and right, for a test to spoil."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.ports: dict[str, set[int]] = {HTTP_UNIT: {8009}, HTTPS_UNIT: {8010}}
        self.config_path: Path | None = folder.parent / "caucased.yaml"
        self.config_path.write_text("netloc: ca.example.com:8009\n")
        self.config_path.chmod(0o644)
        self.config = ServerConfig(
            db=world.path, server_key=folder / "server.key.pem", cors_key_store=folder / "cors.key",
            netloc=POLICY.netloc, key_type=POLICY.key_type,
        )  # fmt: skip
        authority = world.start()
        authority.maintain()
        self.authority = authority
        assert world.https_file.content is not None
        for path, content in (
            (self.config.server_key, world.https_file.content),
            (self.config.cors_key_store, b"x"),
        ):
            path.write_bytes(content)
            path.chmod(0o600)

    def findings(self) -> list[Finding]:
        before = self.state()
        found = list(check(self.config, self.config_path, clock=self.world.clock, listening=self.ports.get))
        assert self.state() == before, "it changed something"
        return found

    def state(self) -> dict[str, object]:
        files = [path for path in self.folder.iterdir() if not path.name.endswith(("-shm", "-wal"))]
        return {path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_uid) for path in files}

    def wrong(self) -> list[str]:
        return [finding.what for finding in self.findings() if finding.verdict is Verdict.WRONG]

    def notes(self) -> list[str]:
        return [finding.what for finding in self.findings() if finding.verdict is Verdict.NOTE]

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.config.db)) as connection:
            connection.execute(statement, values)
            connection.commit()

    def configure(self, **options: object) -> None:
        self.config = replace(self.config, **options)  # type: ignore[arg-type]


@pytest.fixture
def site(tmp_path: Path, clock, keys, make_csr):
    folder = tmp_path / "caucased"
    folder.mkdir(mode=0o700)
    world = World(folder / "caucase.sqlite", clock, keys, make_csr)
    yield Site(world, folder)
    world.stop()


def test_all_is_well(site: Site) -> None:
    found = [str(finding) for finding in site.findings()]
    assert {finding.verdict for finding in site.findings()} == {Verdict.OK}
    for beginning in (
        "ok    configuration: netloc is ca.example.com:8009",
        "ok    configuration: ",
        "ok    files: ",
        "ok    database: of schema ",
        "ok    database: whole; ",
        "ok    database: made for netloc ca.example.com:8009",
        "ok    CA of cau: a successor is made on 2030-07-06",
        "ok    CA of cas: ",
        "ok    CA of https: ",
        "ok    HTTPS: ",
        "ok    sockets: caucased.socket listens on port 8009",
        "ok    sockets: caucased-https.socket listens on port 8010",
    ):
        assert any(line.startswith(beginning) for line in found), (beginning, found)
    assert all("\n" not in line for line in found)


def test_what_cannot_be_looked_at_is_a_line_and_not_the_end(site: Site) -> None:
    site.configure(cors_key_store=site.folder / ("x" * 300))
    (what,) = site.wrong()
    assert what.endswith(": File name too long")
    assert any("database: whole" in finding.what for finding in site.findings())


def test_one_that_is_not_running_is_left_as_it_was(site: Site) -> None:
    site.world.stop()
    names = sorted(path.name for path in site.folder.iterdir())
    assert site.wrong() == []
    assert sorted(path.name for path in site.folder.iterdir()) == names


def other_ca(site: Site, context: str, **columns: object) -> None:
    for name, value in columns.items():
        site.sql(f"UPDATE ca SET {name} = ? WHERE context = ?", value, context)


def with_successor(site: Site) -> Authority:
    site.world.clock.advance(seconds=(2.5 * PERIOD).total_seconds())
    site.authority.maintain()
    site.config.server_key.write_bytes(site.world.https_file.content or b"")
    return site.authority


def backups_for_all(site: Site) -> None:
    folder = site.folder.parent / "backups"
    folder.mkdir()
    folder.chmod(0o777)
    site.configure(backup_directory=folder)


def no_link(site: Site) -> None:
    with_successor(site)
    site.sql("UPDATE ca SET link = NULL WHERE context = 'cas'")


def other_link(site: Site) -> None:
    with_successor(site)
    site.sql(
        "UPDATE ca SET link = (SELECT link FROM ca WHERE context = 'cau' AND link IS NOT NULL)"
        " WHERE context = 'cas' AND link IS NOT NULL"
    )


def damaged(site: Site) -> None:
    site.world.stop()
    data = bytearray(site.config.db.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    site.config.db.write_bytes(bytes(data))


def other_key(site: Site) -> None:
    other_ca(site, "cas", private_key=dump_private_key_der(KeyType.parse("ec:P-256").generate()))


def number_ahead(site: Site) -> None:
    lists(site.authority.services)
    site.sql("UPDATE counter SET value = 0 WHERE context = 'cas' AND name = 'crl_number'")


def https_key(site: Site) -> None:
    other = dump_private_key(KeyType.parse("ec:P-256").generate())
    content = site.config.server_key.read_bytes()
    site.config.server_key.write_bytes(other + content[content.index(b"-----BEGIN CERTIFICATE") :])


def unlisted(ports: set[int]) -> Callable[[Site], None]:
    return lambda site: site.ports.update({HTTP_UNIT: ports})


SPOILED = [
    (lambda site: site.configure(netloc=None), "configuration: netloc is not set"),
    (lambda site: site.config_path.chmod(0o664), "caucased.yaml can be changed by others"),
    (lambda site: site.config_path.chmod(0o646), "caucased.yaml can be changed by others"),
    (lambda site: site.folder.chmod(0o770), "others can replace files in"),
    (lambda site: site.folder.chmod(0o707), "others can replace files in"),
    (backups_for_all, "others can replace files in"),
    (lambda site: site.configure(backup_directory=site.folder / "nowhere"), "nowhere: No such file or directory"),
    (lambda site: site.config.server_key.chmod(0o640), "server.key.pem is open to others"),
    (lambda site: site.config.cors_key_store.chmod(0o604), "cors.key is open to others"),
    (lambda site: (site.folder / "caucase.sqlite-wal").chmod(0o644), "caucase.sqlite-wal is open to others"),
    (lambda site: site.config.db.unlink(), "database: There is no database"),
    (lambda site: site.sql("PRAGMA user_version=99"), "is not a database of this release"),
    (lambda site: site.sql("PRAGMA application_id=99"), "is not a database of this release"),
    (damaged, "database: "),
    (other_key, "has another key than its certificate says"),
    (lambda site: other_ca(site, "cas", certificate=b"x"), "cannot be used"),
    (no_link, "is not vouched for by the one before it"),
    (other_link, "does not vouch for"),
    (number_ahead, "is newer than the last number"),
    (lambda site: site.configure(netloc=NetLoc.parse("x.example.com:8009")), "made for netloc ca.example.com:8009"),
    (lambda site: site.world.clock.advance(days=400), "CA of cas: the last one expired on 2031-01-08"),
    (lambda site: site.configure(service_crt_validity=timedelta(days=200)), "CA of cas: A CA that lives for 372"),
    (https_key, "does not hold a key with its certificate"),
    (lambda site: site.config.server_key.write_bytes(b"x"), "HTTPS: "),
    (lambda site: site.world.clock.advance(days=100), "HTTPS: "),
    (unlisted({9999}), "caucased.socket listens on port 9999, and netloc or base_port means 8009"),
    (unlisted(set()), "caucased.socket listens on port none"),
    (lambda site: site.configure(base_port=8080), "caucased.socket listens on port 8009, and netloc or base_port means 8080"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), SPOILED)
def test_what_is_wrong(site: Site, spoil: Callable[[Site], object], said: str) -> None:
    assert site.wrong() == []
    spoil(site)
    assert any(said in what for what in site.wrong()), [str(finding) for finding in site.findings()]


only_root = pytest.mark.root("give files away")


@only_root
@pytest.mark.parametrize("name", ["server.key.pem", "cors.key", "caucase.sqlite-wal"])
def test_of_another_owner(site: Site, name: str) -> None:
    os.chown(site.folder / name, 12345, -1)
    assert [what for what in site.wrong() if name in what and "12345" in what]


@only_root
def test_a_folder_of_another_owner(site: Site) -> None:
    os.chown(site.folder, 12345, -1)
    assert [what for what in site.wrong() if "belongs to 12345" in what]


def test_a_database_that_is_open_to_others(site: Site) -> None:
    site.config.db.chmod(0o640)
    assert any("caucase.sqlite is open to others" in what for what in site.wrong())
    assert any(what.startswith("database: ") and "open to others" in what for what in site.wrong())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda site: site.config.server_key.unlink(), "server.key.pem is not there yet"),
        (lambda site: site.config.cors_key_store.unlink(), "cors.key is not there yet"),
        (lambda site: site.sql("DELETE FROM ca"), "CA of cas: there is none yet"),
        (lambda site: site.sql("PRAGMA user_version=0"), "of schema 0, which the server's next start makes"),
        (lambda site: site.ports.clear(), "caucased.socket not checked: no systemd, or no such unit"),
    ],
)
def test_what_is_no_fault(site: Site, change: Callable[[Site], object], said: str) -> None:
    change(site)
    assert any(said in what for what in site.notes())
    assert site.wrong() == []


def test_a_successor_that_is_due(site: Site) -> None:
    site.world.clock.advance(days=190)
    assert any("CA of cas: a successor is due since 2030-07-06" in what for what in site.notes())


def test_the_configuration_cannot_be_looked_at(site: Site) -> None:
    assert site.config_path is not None
    site.config_path.unlink()
    assert any("not checked: No such file" in what for what in site.notes())
    site.config_path = None
    assert site.wrong() == []
