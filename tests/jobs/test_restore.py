"""Getting the database back: complete, brought up to the present, and never over anything."""

from __future__ import annotations

import stat
import tempfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509

from caucase.core.backup import Secrets, Writer, seal_secrets
from caucase.core.netloc import NetLoc
from caucase.core.spki import spki
from caucase.core.x509 import crl_number, dump_der, load_crls, not_after, public_key, revocation_date
from caucase.errors import (
    CertificateInvalid,
    ConfigError,
    Conflict,
    Malformed,
    NotAcceptable,
    NotAuthenticated,
    NotConfigured,
    Untrusted,
)
from caucase.jobs.backup import back_up
from caucase.jobs.restore import drill
from caucase.store import Database, revocations, settings
from caucase.store.snapshot import MARK
from tests.authority.world import (
    ADDRESS,
    POLICY,
    World,
    at_once,
    lists,
    number,
    renew,
    revocation,
    serials,
)

from .office import Office


@pytest.fixture
def alice(office: Office, keys) -> x509.Certificate:
    return office.user("alice", keys(number=1))


def counter(office: Office, context: str) -> int:
    with Database(office.restored_path(), create=False) as database, database.read() as transaction:
        return settings.counter(transaction, context, settings.CRL_NUMBER)


def traces(office: Office) -> list[str]:
    return sorted(path.name for path in office.restored_path().parent.iterdir())


def test_everything_is_there_again(office: Office, alice, keys, clock) -> None:
    service = office.service("www")
    waiting = office.authority.services.requests.submit(office.world.make_csr("waiting"), address=ADDRESS)
    revoked = office.service("revoked")
    office.authority.services.revocations.revoke(revocation(revoked, keys()), by=None, address=ADDRESS)
    backup = office.made()
    clock.advance(hours=1)

    certificate = office.restore(backup, keys(number=1), keys(number=2))

    assert traces(office) == ["caucase.sqlite"]
    assert stat.S_IMODE(office.restored_path().stat().st_mode) == 0o600
    restored = office.restored()
    assert restored.users.ca_certificates() == office.authority.users.ca_certificates()
    assert restored.services.ca_certificates() == office.authority.services.ca_certificates()
    assert [one.id for one in restored.services.requests.pending()] == [waiting]
    (crl,) = lists(restored.services).values()
    assert serials(crl) == {revoked.serial_number}
    renewed = renew(restored.services, office.world.renewal(service, keys(), keys(number=3)))
    assert renewed.subject == service.subject
    # The one who opened it: a new certificate for the new key, with the old one's name; the old one is worth nothing.
    assert certificate.subject == alice.subject
    assert spki(public_key(certificate)) == spki(keys(number=2).public_key())
    assert restored.authenticate(der(certificate), address=ADDRESS).subject == "CN=alice"
    with pytest.raises(NotAuthenticated, match="revoked"):
        restored.authenticate(der(alice), address=ADDRESS)
    (user_list,) = lists(restored.users).values()
    assert serials(user_list) == {alice.serial_number}
    assert office.reports.names[-1] == "database_restored"
    assert {"certificate_renewed", "certificate_revoked", "crl_published"} <= set(office.reports.names)
    # Its next backup is for the new key, no more for the old one.
    clock.advance(minutes=1)
    assert office.back_up() is not None


def der(certificate: x509.Certificate) -> bytes:
    return dump_der(certificate)


def test_numbers_of_lists_jump_ahead(office: Office, alice, keys, clock) -> None:
    backup = office.made()
    clock.advance(days=3)
    for index in range(20):
        office.authority.services.revocations.revoke(
            revocation(office.service(f"s{index}"), keys()), by=None, address=ADDRESS
        )
    (published,) = lists(office.authority.services).values()
    office.restore(backup, keys(number=1), keys(number=2))
    restored = office.restored()
    for context in (restored.services, restored.users):
        (crl,) = lists(context).values()
        # 1,000 for each second, and for a day more.
        assert number(crl) > number(published) + 3 * 86_400 * 1000


def test_numbers_never_fall_whichever_backups_are_restored(office: Office, alice, keys, clock) -> None:
    """First the older one, then one of the server that this has become, then the older one again."""

    def restored(backup: Path, key: int, name: str) -> Path:
        clock.advance(seconds=5)
        path = office.folder / name / "caucase.sqlite"
        path.parent.mkdir()
        office.restore(backup, keys(number=key), keys(number=key + 1), at=path)
        return path

    def numbers(path: Path) -> set[int]:
        with Database(path) as database, database.read() as transaction:
            return {one.number for one in revocations.select_lists(transaction, "cas")}

    old = office.made()
    first = restored(old, 1, "first")
    new = back_up(first, office.backups, keep=30, clock=clock, audit=office.reports)  # type: ignore[arg-type]
    assert new is not None
    second = restored(new.path, 2, "second")
    third = restored(old, 1, "third")
    assert max(numbers(first)) < min(numbers(second)) <= max(numbers(second)) < min(numbers(third))


def test_what_published_lists_add(office: Office, alice, keys, clock) -> None:
    known, bob = office.service("known"), office.user("bob", keys(number=5))
    early = office.service("early")
    office.authority.services.revocations.revoke(revocation(early, keys()), by=None, address=ADDRESS)
    backup = office.made()
    clock.advance(days=1)
    later = office.service("later")
    for one in (known, later):
        office.authority.services.revocations.revoke(revocation(one, keys()), by=None, address=ADDRESS)
    office.authority.users.revocations.revoke(revocation(bob, keys(number=5)), by=None, address=ADDRESS)
    published = [
        *load_crls(office.authority.services.lists.newest().all.body),
        *load_crls(office.authority.users.lists.newest().all.body),
    ]
    clock.advance(days=1)

    office.restore(backup, keys(number=1), keys(number=2), published=published)

    restored = office.restored()
    (crl,) = lists(restored.services).values()
    assert serials(crl) == {one.serial_number for one in (early, known, later)}
    dates = {entry.serial_number: revocation_date(entry) for entry in crl}
    (before,) = lists(office.authority.services).values()
    assert dates == {entry.serial_number: revocation_date(entry) for entry in before}
    (users,) = lists(restored.users).values()
    assert serials(users) == {bob.serial_number, alice.serial_number}
    with pytest.raises(CertificateInvalid):
        renew(restored.services, office.world.renewal(known, keys(), keys(number=6)))
    # An entry stays as long as its certificate could be used, also one that nobody knows of here.
    clock.moment = not_after(later)
    (crl,) = lists(restored.services).values()
    assert later.serial_number in serials(crl)


def test_an_absurdly_high_published_number_is_passed(office: Office, alice, keys) -> None:
    backup = office.made()
    office.authority._database.write(
        lambda transaction: settings.raise_counter(transaction, "cas", settings.CRL_NUMBER, 10**15)
    )
    published = load_crls(office.authority.services.lists.newest().all.body)
    assert crl_number(published[0]) > 10**15 - 1
    office.restore(backup, keys(number=1), keys(number=2), published=published)
    (crl,) = lists(office.restored().services).values()
    assert number(crl) > crl_number(published[0])


def test_a_number_out_of_range(office: Office, alice, keys) -> None:
    backup = office.made()
    office.authority._database.write(
        lambda transaction: settings.raise_counter(transaction, "cas", settings.CRL_NUMBER, 2**62 + 1)
    )
    published = load_crls(office.authority.services.lists.newest().all.body)
    with pytest.raises(Malformed, match="is higher than"):
        office.restore(backup, keys(number=1), keys(number=2), published=published)
    assert traces(office) == []


def test_a_list_of_somebody_else(office: Office, alice, keys, tmp_path: Path) -> None:
    backup = office.made()
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other" / "x.sqlite", office.world.clock, keys, office.world.make_csr)
    foreign = load_crls(other.start().services.lists.newest().all.body)
    other.stop()
    with pytest.raises(Untrusted, match="not signed by a CA of this server"):
        office.restore(backup, keys(number=1), keys(number=2), published=foreign)
    assert traces(office) == []
    assert office.delivered == []


def test_the_key_was_revoked_since(office: Office, alice, keys, clock) -> None:
    office.user("bob", keys(number=5))
    backup = office.made()
    office.authority.users.revocations.revoke(revocation(alice, keys(number=1)), by=None, address=ADDRESS)
    published = load_crls(office.authority.users.lists.newest().all.body)
    with pytest.raises(CertificateInvalid, match="revoked after the backup"):
        office.restore(backup, keys(number=1), keys(number=2), published=published)
    assert traces(office) == []
    office.restore(backup, keys(number=5), keys(number=2), published=published)


@pytest.mark.parametrize("days", [100, 500])
def test_the_certificate_or_even_its_ca_has_expired(office: Office, alice, keys, clock, days: int) -> None:
    """Nobody could renew while there was no server."""
    backup = office.made()
    clock.advance(days=days)
    certificate = office.restore(backup, keys(number=1), keys(number=2))
    restored = office.restored()
    assert restored.authenticate(der(certificate), address=ADDRESS).subject == "CN=alice"


def test_a_renewed_user(office: Office, alice, keys, clock) -> None:
    clock.advance(days=50)
    renewed = renew(office.authority.users, office.world.renewal(alice, keys(number=1), keys(number=3)))
    backup = office.made()
    with pytest.raises(NotAcceptable, match="with the key that opens"):
        office.restore(backup, keys(number=3), keys(number=3))
    certificate = office.restore(backup, keys(number=3), keys(number=4))
    (crl,) = lists(office.restored().users).values()
    assert serials(crl) == {renewed.serial_number}
    assert certificate.subject == alice.subject


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_what_is_there_is_never_replaced(office: Office, alice, keys, suffix: str) -> None:
    there = Path(f"{office.restored_path()}{suffix}")
    there.write_text("precious")
    with pytest.raises(Conflict, match="exists already"):
        office.restore(office.made(), keys(number=1), keys(number=2))
    assert there.read_text() == "precious"
    there.unlink()
    there.symlink_to("nowhere")
    with pytest.raises(Conflict, match="exists already"):
        office.restore(office.made(), keys(number=1), keys(number=2))


def test_one_of_two_restorations_wins(office: Office, alice, keys) -> None:
    backup = office.made()
    results = at_once(
        lambda: office.restore(backup, keys(number=1), keys(number=2)),
        lambda: office.restore(backup, keys(number=1), keys(number=3)),
    )
    assert sum(isinstance(one, x509.Certificate) for one in results) == 1
    assert sum(isinstance(one, Conflict) for one in results) == 1
    assert traces(office) == ["caucase.sqlite"]


def test_something_appears_in_the_meantime(office: Office, alice, keys) -> None:
    class Slow(list):
        def append(self, pem: bytes) -> None:
            office.restored_path().write_text("precious")

    office.delivered = Slow()
    with pytest.raises(Conflict):
        office.restore(office.made(), keys(number=1), keys(number=2))
    assert office.restored_path().read_text() == "precious"


def test_the_certificate_cannot_be_written(office: Office, alice, keys) -> None:
    class Full(list):
        def append(self, pem: bytes) -> None:
            raise OSError(28, "No space left on device")

    office.delivered = Full()
    reported = len(office.reports.entries) + 2  # the backup, and how far its record reaches
    with pytest.raises(OSError, match="No space"):
        office.restore(office.made(), keys(number=1), keys(number=2))
    assert traces(office) == []
    assert len(office.reports.entries) == reported


def test_a_wrong_key(office: Office, alice, keys) -> None:
    with pytest.raises(Malformed, match="does not open"):
        office.restore(office.made(), keys(number=7), keys(number=2))
    assert traces(office) == []


def test_a_request_that_is_none(office: Office, alice, keys, make_csr, monkeypatch) -> None:
    monkeypatch.setattr(office.world, "make_csr", lambda *_, **__: b"nothing")
    with pytest.raises(Malformed):
        office.restore(office.made(), keys(number=1), keys(number=2))
    assert traces(office) == []


def test_damage_is_found_before_anything_is_written(office: Office, alice, keys, monkeypatch) -> None:
    """Not even the private folder is made."""
    backup = office.made()
    content = bytearray(backup.read_bytes())
    content[-40] ^= 1
    backup.write_bytes(content)
    monkeypatch.setattr("caucase.jobs.restore.staging_folder", None)
    with pytest.raises(Malformed, match="damaged"):
        office.restore(backup, keys(number=1), keys(number=2))
    assert traces(office) == []
    monkeypatch.setattr("caucase.jobs.restore.passing_folder", None)
    with backup.open("rb") as file, pytest.raises(Malformed, match="damaged"):
        drill(file, keys(number=1), beside=office.backups, clock=office.world.clock)


@pytest.mark.parametrize("content", [b"", b"hello", MARK, b"BEGIN TRANSACTION;\0ATTACH 'x' AS y;\0COMMIT;\0"])
def test_an_authentic_backup_of_something_else(content: bytes, office: Office, keys, tmp_path: Path) -> None:
    secrets = Secrets(hmac_key=bytes(32), aes_key=bytes(32))
    with (tmp_path / "other").open("wb") as file:
        writer = Writer(file, secrets, [seal_secrets(secrets, keys().public_key())], iv=bytes(16))
        writer.write(content)
        writer.close()
    with pytest.raises((Malformed, NotAcceptable)):
        office.restore(tmp_path / "other", keys(), keys(number=2))
    assert traces(office) == []


def test_a_clock_that_went_back(office: Office, alice, keys, clock) -> None:
    backup = office.made()
    clock.moment -= timedelta(days=2)
    with pytest.raises(NotAcceptable, match="in the future"):
        office.restore(backup, keys(number=1), keys(number=2))
    assert traces(office) == []


@pytest.mark.parametrize("statement", [
    "UPDATE counter SET value = 9223372036854775807 WHERE name = 'crl_number' AND context = 'cas'",
    "UPDATE counter SET value = -9 WHERE name = 'crl_number' AND context = 'cas'",
    "UPDATE ca SET link = 'é' WHERE context = 'cas'",
])  # fmt: skip
def test_what_no_server_would_have_stored(statement: str, office: Office, alice, keys) -> None:
    """Whoever knows the key of a user's certificate can make a backup for it, with anything in it."""
    office.authority._database.write(lambda transaction: transaction.execute(statement))
    with pytest.raises(Malformed):
        office.restore(office.made(), keys(number=1), keys(number=2))
    assert traces(office) == []


def test_the_address_comes_with_the_backup_and_is_held_to(office: Office, alice, keys) -> None:
    backup = office.made()
    other = NetLoc.parse("other.example.com:8009")
    with pytest.raises(ConfigError, match="was made for netloc"):
        office.restore(backup, keys(number=1), keys(number=2), netloc=other)
    assert traces(office) == []
    office.authority._database.write(lambda transaction: transaction.execute("DELETE FROM setting"))
    office.world.clock.advance(minutes=1)
    without = office.made()
    with pytest.raises(NotConfigured):
        office.restore(without, keys(number=1), keys(number=2))
    office.restore(without, keys(number=1), keys(number=2), netloc=POLICY.netloc)


def test_the_life_of_the_new_certificate(office: Office, alice, keys, clock) -> None:
    certificate = office.restore(
        office.made(), keys(number=1), keys(number=2), user_crt_validity=timedelta(days=40)
    )
    assert not_after(certificate) - clock() < timedelta(days=40)


def test_what_an_interrupted_one_left_goes(office: Office, alice, keys) -> None:
    folder = office.restored_path().parent / ".caucase-partial-xyz"
    folder.mkdir(mode=0o700)
    (folder / "caucase.sqlite").write_text("half")
    office.restore(office.made(), keys(number=1), keys(number=2))
    assert traces(office) == ["caucase.sqlite"]


def test_drill(office: Office, alice, keys, clock, monkeypatch) -> None:
    used: list[Path] = []

    def remembered(**options: object) -> str:
        name = tempfile.mkdtemp(**options)  # type: ignore[call-overload]
        used.append(Path(name))
        return name

    office.user("bob", keys(number=5))
    office.service("www")
    office.authority.services.requests.submit(office.world.make_csr("waiting"), address=ADDRESS)
    backup = office.made()
    clock.advance(days=5, hours=1)
    monkeypatch.setattr("caucase.host.staging.tempfile", SimpleNamespace(mkdtemp=remembered))
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in office.folder.rglob("*")}

    with backup.open("rb") as file:
        result = drill(file, keys(number=1), beside=office.restored_path().parent, clock=clock)

    office.restored_path().parent.rmdir()
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in office.folder.rglob("*")
    } == before
    (folder,) = used
    assert folder.parent == Path("/dev/shm")
    assert not folder.exists()
    assert result.age == timedelta(days=5, hours=1)
    assert len(result.key_ids) == 2
    assert result.examination.problems == ()
    users, services, https = result.examination.contents
    assert (users.cas, users.signed, users.pending) == (1, 2, 0)
    assert (services.cas, services.signed, services.pending, services.list_number) == (1, 1, 1, 1)
    assert (https.cas, https.signed) == (1, 0)


def test_drill_beside_the_database_where_there_is_no_room_in_memory(
    office: Office, alice, keys, clock, monkeypatch
) -> None:
    monkeypatch.setattr("caucase.host.staging._ROOM", 1 << 60)
    backup = office.made()
    (office.backups / ".caucase-partial-old").write_text("half")
    with backup.open("rb") as file:
        result = drill(file, keys(number=1), beside=office.backups, clock=clock)
    assert result.examination.problems == ()
    assert office.names() == [backup.name]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("UPDATE ca SET private_key = (SELECT private_key FROM ca WHERE context = 'cau') WHERE context = 'cas'", "another key"),
        ("UPDATE ca SET private_key = x'00' WHERE context = 'cas'", "cannot be used"),
        ("UPDATE ca SET certificate = x'3000' WHERE context = 'cau'", "cannot be used"),
        ("UPDATE ca SET key_id = x'00' WHERE context = 'https'", "another name"),
        ("UPDATE ca SET link = '{}' WHERE link IS NOT NULL", "does not vouch"),
        ("UPDATE ca SET link = replace(link, 'a', 'b') WHERE link IS NOT NULL", "does not vouch"),
        ("UPDATE ca SET link = (SELECT b.link FROM ca b WHERE b.context = 'cas' AND b.link IS NOT NULL)"
         " WHERE context = 'cau' AND link IS NOT NULL", "does not vouch"),
    ],
)  # fmt: skip
def test_drill_finds(damage: str, problem: str, office: Office, keys, clock) -> None:
    clock.advance(days=200)
    office.authority.maintain()
    office.user("alice", keys(number=1))
    assert len(office.authority.users.keyring.snapshot().cas) == 2

    def spoil(transaction) -> None:
        assert transaction.execute(damage).rowcount > 0

    with office.made().open("rb") as file:
        assert drill(file, keys(number=1), beside=office.backups, clock=clock).examination.problems == ()
    office.authority._database.write(spoil)
    clock.advance(minutes=1)
    with office.made().open("rb") as file:
        problems = drill(file, keys(number=1), beside=office.backups, clock=clock).examination.problems
    assert any(problem in one for one in problems)


def test_two_generations_of_cas(office: Office, keys, clock) -> None:
    """Their order, their links and their lists are what they were."""
    clock.advance(days=200)
    office.authority.maintain()
    office.user("alice", keys(number=1))
    backup = office.made()
    office.restore(backup, keys(number=1), keys(number=2))
    restored = office.restored()
    assert restored.services.ca_chain().body == office.authority.services.ca_chain().body
    assert restored.services.ca_certificate().body == office.authority.services.ca_certificate().body
    assert set(lists(restored.services)) == set(lists(office.authority.services))
    assert len(lists(restored.services)) == 2
