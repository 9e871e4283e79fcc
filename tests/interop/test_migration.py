"""Moving from the peer: its database is migrated, or its backup restored, and every client goes on untouched.

The clients are the peer's own commands, with the files that they had.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .former import Former, make_former
from .material import (
    authority_key_id,
    crl_number,
    make_request,
    openssl,
    read_certificate,
    read_crls,
    revoked_serials,
    verify,
)
from .programs import IMPLEMENTATIONS, Result, environment
from .servers import Server, resumed
from .wire import request, submit

DUE = ("--threshold", "100")
UPDATER_SECONDS = 30


@pytest.fixture(scope="session")
def former(tmp_path_factory: pytest.TempPathFactory) -> Former:
    return make_former(IMPLEMENTATIONS["peer"](), tmp_path_factory.mktemp("former"))


class Move:
    """Our server in the place of the former one, and the peer's commands with a copy of the clients' files."""

    def __init__(self, former: Former, folder: Path) -> None:
        self.former = former
        self.data = folder / "ours"
        self.data.mkdir()
        self.clients = folder / "clients"
        shutil.copytree(former.clients, self.clients)
        self.user = "user1.pem"

    def manage(self, *arguments: str) -> Result:
        netloc = ("--netloc", self.former.server.netloc)
        return IMPLEMENTATIONS["ours"]().run("caucased-manage", *netloc, *arguments, cwd=self.data)

    def caucase(self, *arguments: str) -> Result:
        url = ("--ca-url", self.former.server.url)
        return IMPLEMENTATIONS["peer"]().run("caucase", *url, "--update-user", *arguments, cwd=self.clients)

    @contextmanager
    def running(self) -> Iterator[Server]:
        with resumed(self.former.server, IMPLEMENTATIONS["ours"](), self.data) as server:
            yield server


def migrated(move: Move) -> None:
    before = move.former.database.read_bytes()
    move.manage("--migrate", str(move.former.database)).expect(0)
    assert move.former.database.read_bytes() == before
    assert [path.name for path in move.data.iterdir()] == ["caucase.sqlite"]


def restored(move: Move) -> None:
    make_request(move.data, "new0")
    user, backup = str(move.clients / "user0.pem"), str(move.former.backup)
    move.manage("--drill", backup, user).expect(0)
    published = str(move.clients / "cas.crl.pem")
    move.manage(
        *("--restore-backup", backup, user, "new0.csr.pem", "new0.crt.pem", "--import-crl", published)
    ).expect(0)
    (move.clients / "new0.pem").write_bytes(
        (move.data / "new0.key.pem").read_bytes() + (move.data / "new0.crt.pem").read_bytes()
    )


@pytest.mark.parametrize("way", [migrated, restored])
def test_every_client_goes_on(former: Former, tmp_path: Path, way) -> None:
    move = Move(former, tmp_path)
    way(move)
    move.manage("--check").expect(0)
    before = {name: (move.clients / name).read_bytes() for name in ("cas.crt.pem", "cau.crt.pem")}
    old_lists = {authority_key_id(one): one for one in read_crls(move.clients / "cas.crl.pem")}
    assert revoked_serials(move.clients / "cas.crl.pem") == former.revoked
    old_number = {key: crl_number(one) for key, one in old_lists.items()}

    with move.running() as server:
        _trust_is_unchanged_and_lists_grow(move, before, old_lists, old_number)
        _what_was_pending_or_kept_is_there(move, server)
        _renewal_and_revocation_work(move)
        _the_updater_renews(move)
        _counts_go_on(move, server)
        if way is restored:
            move.caucase("--user-key", "user0.pem", "--list-csr").expect(1)
            move.caucase("--user-key", "new0.pem", "--list-csr").expect(0)
    move.manage("--check").expect(0)


def _trust_is_unchanged_and_lists_grow(move: Move, before, old_lists, old_number) -> None:
    move.caucase().expect(0)
    assert {name: (move.clients / name).read_bytes() for name in before} == before
    new_lists = {authority_key_id(one): one for one in read_crls(move.clients / "cas.crl.pem")}
    assert new_lists.keys() == old_lists.keys()
    for key, one in new_lists.items():
        assert crl_number(one) > old_number[key]
        assert one.last_update >= old_lists[key].last_update
        assert {entry.serial_number: entry.revocation_date for entry in old_lists[key]}.items() <= {
            entry.serial_number: entry.revocation_date for entry in one
        }.items()
    for context in ("cas", "cau"):
        done = openssl(
            *("crl", "-in", f"{context}.crl.pem", "-CAfile", f"{context}.crt.pem", "-noout"), cwd=move.clients
        )
        assert "verify OK" in done.stderr
    assert verify(move.clients, "service50.pem", crl="cas.crl.pem") == ""
    assert "revoked" in verify(move.clients, "service1.pem", crl="cas.crl.pem")
    assert "revoked" in verify(move.clients, "service101.pem", crl="cas.crl.pem")  # after the backup


def _what_was_pending_or_kept_is_there(move: Move, server: Server) -> None:
    former, clients = move.former, move.clients
    kept_id, kept_serial = former.unread
    (clients / "kept.pem").write_bytes((clients / "shared.key.pem").read_bytes())
    move.caucase("--get-crt", kept_id, "kept.pem").expect(0)
    assert read_certificate(clients / "kept.pem").serial_number == kept_serial

    move.caucase("--get-csr", former.pending, "again.csr.pem").expect(0)
    assert (clients / "again.csr.pem").read_bytes() == (clients / "pending.csr.pem").read_bytes()
    assert submit(server, "cas", (clients / "pending.csr.pem").read_bytes()) == former.pending
    assert former.pending in move.caucase("--user-key", move.user, "--list-csr").expect(0).out
    move.caucase("--user-key", move.user, "--sign-csr", former.pending).expect(0)
    move.caucase("--get-crt", former.pending, "pending.key.pem").expect(0)
    assert verify(clients, "pending.key.pem", crl="cas.crl.pem") == ""


def _renewal_and_revocation_work(move: Move) -> None:
    clients = move.clients
    old = read_certificate(clients / "service60.pem")
    move.caucase(*DUE, "--renew-crt", "service60.pem", "").expect(0)
    assert read_certificate(clients / "service60.pem").serial_number != old.serial_number
    assert verify(clients, "service60.pem", crl="cas.crl.pem") == ""
    move.caucase(*DUE, "--renew-crt", "service150.pem", "").expect(0)  # renewed once before the move
    move.caucase("--mode", "user", *DUE, "--renew-crt", "user2.pem", "").expect(0)
    move.caucase("--user-key", "user2.pem", "--list-csr").expect(0)

    # The one that asks for an old list sees it grow once more.
    serials = [str(read_certificate(clients / f"service{number}.pem").serial_number) for number in (70, 71)]
    move.caucase("--revoke-crt", "service70.pem", "").expect(0)
    move.caucase("--user-key", move.user, "--revoke-serial", serials[1]).expect(0)
    move.caucase(*DUE, "--renew-crt", "service70.pem", "").expect(1)
    assert {int(serial) for serial in serials} | move.former.revoked <= revoked_serials(
        clients / "cas.crl.pem"
    )


def _the_updater_renews(move: Move) -> None:
    """It is a process that never ends by itself, so it is watched until it has done what it is there for."""
    path = move.clients / "service80.pem"
    old = path.read_bytes()
    command = [
        IMPLEMENTATIONS["peer"]().path("caucase-updater"),
        *("--ca-url", move.former.server.url, "--cas-ca", "cas.crt.pem", "--ca", "updater.ca.pem"),
        *("--crl", "updater.crl.pem", "--crt", "service80.pem", "--key", "service80.pem", *DUE),
    ]
    with subprocess.Popen(
        command, cwd=move.clients, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as updater:
        try:
            deadline = time.monotonic() + UPDATER_SECONDS
            while path.read_bytes() == old and updater.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            updater.terminate()
        said, _ = updater.communicate(timeout=UPDATER_SECONDS)
    assert path.read_bytes() != old, said.decode()
    assert verify(move.clients, "service80.pem", crl="cas.crl.pem") == ""
    assert move.former.revoked <= revoked_serials(move.clients / "updater.crl.pem")


def _counts_go_on(move: Move, server: Server) -> None:
    """No request is signed automatically: the locked counts were used up, whatever the defaults are here."""
    for context, name in (("cas", "late-service"), ("cau", "late-user")):
        csr_id = submit(server, context, make_request(move.clients, name).csr_pem)
        request(server, "GET", f"/{context}/crt/{csr_id}").expect(404)
