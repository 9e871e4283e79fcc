"""A year and a half between the two implementations, in steps of some weeks: certificates are renewed, CAs roll over
until the first two are gone, and nobody is needed after the first signature. Every process sees the date that it is
said to be, openssl as well.
"""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from .desk import Desk
from .material import read_certificate, read_certificates, same_key, verify
from .moved_clock import MovedClock
from .programs import COMMAND_TIMEOUT_SECONDS, environment, ours, peer
from .servers import Server, running

# Shorter than the 31 days in which a certificate is renewed, and than the life of a revocation list.
STEP = timedelta(days=30)
# A CA lives for 372 days, and the next one is made when somebody asks after 186 of them: on days 0, 210 and 420. On day
# 600 the first two are gone.
STEPS = 21
WAKE_UP = re.compile(r"^Next wake-up at (.*)$")


@pytest.fixture
def moved_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    folder = tmp_path / "clock"
    folder.mkdir()
    return MovedClock(folder, monkeypatch)


class Party:
    """A service, and what it knows: three files in a folder."""

    def __init__(self, folder: Path, bundle: str) -> None:
        self.folder, self.bundle = folder, bundle
        self.serials: set[int] = set()
        self.cas: list[bytes] = []  # fingerprints of those it has ever trusted

    def note(self) -> None:
        certificate = read_certificate(self.folder / self.bundle)
        assert same_key(self.folder / self.bundle, certificate)
        self.serials.add(certificate.serial_number)
        self.cas.extend(ca for ca in self.trusted() if ca not in self.cas)

    def trusted(self) -> list[bytes]:
        return [ca.fingerprint(SHA256()) for ca in read_certificates(self.folder / "cas.crt.pem")]

    def accepts(self, other: Party) -> str:
        """Empty, or why it does not."""
        return verify(self.folder, str(other.folder / other.bundle), crl="cas.crl.pem")

    def flags(self, url: str) -> list[str]:
        """What either updater has to be told."""
        files = (
            "--cas-ca",
            "cas.crt.pem",
            "--ca",
            "cas.crt.pem",
            "--crl",
            "cas.crl.pem",
            "--crt",
            self.bundle,
        )
        return ["--ca-url", url, *files]


def enrol(tmp_path: Path, server: Server, names: tuple[str, ...]) -> list[Party]:
    """Services with their first certificates, signed by a user."""
    parties = []
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        desk = Desk(folder=folder, server=server, programs=peer())
        if not parties:
            user, first = desk.user("user"), desk
        else:
            (folder / user).write_bytes((first.folder / user).read_bytes())
        parties.append(Party(folder, desk.service(name, user)))
    return parties


def check(parties: list[Party], now: datetime) -> None:
    for party in parties:
        party.note()
    for party in parties:
        for other in parties:
            refusal = party.accepts(other)
            assert refusal == "", f"{party.bundle} refuses {other.bundle} at {now}: {refusal}"


def check_years(parties: list[Party]) -> None:
    """The first two CAs are gone, and there were certificates in due number."""
    for party in parties:
        assert len(party.cas) >= 3
        assert not set(party.cas[:2]) & set(party.trusted())
        assert len(party.serials) >= STEPS * STEP / timedelta(days=93)


def one_round_of_the_peers_updater(party: Party, url: str, clock: MovedClock) -> None:
    """Run it until it goes to sleep, and end it then."""
    command = [peer().path("caucase-updater"), *party.flags(url)]
    process = subprocess.Popen(
        command,
        cwd=party.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    watch = Timer(COMMAND_TIMEOUT_SECONDS, process.kill)
    watch.start()
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            wake_up = WAKE_UP.match(line)
            if wake_up and _date(wake_up[1]) > clock.now + timedelta(hours=1):
                break
        else:
            pytest.fail(f"the peer's updater ended by itself: {said}")
        process.terminate()
    watch.cancel()


def _date(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)


def test_our_server_and_the_peers_clients(tmp_path: Path, moved_clock: MovedClock) -> None:
    data = tmp_path / "server"
    data.mkdir()
    with running(ours(), data) as server:
        by_command, by_updater = parties = enrol(tmp_path, server, ("command", "updater"))
        for _step in range(STEPS):
            desk = Desk(folder=by_command.folder, server=server, programs=peer())
            desk.caucase("--renew-crt", by_command.bundle, "unused").expect(0)
            one_round_of_the_peers_updater(by_updater, server.url, moved_clock)
            check(parties, moved_clock.now)
            moved_clock.advance(STEP)
    check_years(parties)


def test_our_updater_and_the_peers_server(tmp_path: Path, moved_clock: MovedClock) -> None:
    data = tmp_path / "server"
    data.mkdir()
    with running(peer(), data) as server:
        parties = enrol(tmp_path, server, ("one", "two"))
        for _step in range(STEPS):
            for party in parties:
                ours().run("caucase-updater", *party.flags(server.url), cwd=party.folder).expect(0)
            check(parties, moved_clock.now)
            moved_clock.advance(STEP)
    check_years(parties)
