"""The day of the disaster, with real programs: a server is lost and restored, and clients of both kinds go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .desk import Desk
from .material import crl_number, make_request, read_certificate, read_crls, revoked_serials, verify
from .programs import Programs, ours, peer
from .servers import resumed, running

CAS_CRL, CAU_CRL = "cas.crl.pem", "cau.crl.pem"


@pytest.mark.parametrize("programs", [ours, peer], ids=["client_ours", "client_peer"])
def test_clients_go_on(programs: Callable[[], Programs], tmp_path: Path) -> None:
    state, work, backups = (tmp_path / name for name in ("state", "work", "backups"))
    for folder in (state, work, backups):
        folder.mkdir(mode=0o700)
    with running(ours(), state) as server:
        desk = Desk(folder=work, server=server, programs=programs())
        user = desk.user("alice")
        names = ("kept", "early", "late")
        kept, early, late = (desk.service(name, user) for name in names)
        serials = {name: read_certificate(work / f"{name}.pem").serial_number for name in names}
        old_user = read_certificate(work / user).serial_number
        desk.caucase("--revoke-crt", early, "unused").expect(0)
        waiting = desk.caucase("--send-csr", desk.request("waiting").csr).expect(0).out.split()[0]
        # Beside the server, which goes on.
        ours().run(
            "caucased-manage", "--db", str(state / "caucase.sqlite"), "--backup", str(backups), cwd=work
        ).expect(0)
        desk.caucase("--revoke-crt", late, "unused").expect(0)
        desk.caucase("--update-user").expect(0)
        before = {name: _number(work / name) for name in (CAS_CRL, CAU_CRL)}

    shutil.rmtree(state)
    state.mkdir(mode=0o700)
    (backup,) = backups.iterdir()
    new = make_request(work, "new")
    ours().run(
        *("caucased-manage", "--db", str(state / "caucase.sqlite"), "--restore-backup", str(backup), user),
        *(new.csr, new.key, "--import-crl", CAS_CRL, "--import-crl", CAU_CRL),
        cwd=work,
    ).expect(0)

    with resumed(server, ours(), state) as again:
        desk = Desk(folder=work, server=again, programs=programs())
        desk.caucase("--update-user").expect(0)
        for name, number in before.items():
            assert _number(work / name) > number
        assert revoked_serials(work / CAS_CRL) == {serials["early"], serials["late"]}
        assert revoked_serials(work / CAU_CRL) == {old_user}
        assert verify(work, kept, crl=CAS_CRL) == ""
        # Nobody had to be touched: a service renews, the opener of the backup signs with the new certificate.
        desk.caucase("--threshold", "100", "--renew-crt", kept, "unused").expect(0)
        assert read_certificate(work / kept).serial_number != serials["kept"]
        desk.caucase("--user-key", new.key, "--sign-csr", waiting).expect(0)
        desk.caucase("--get-crt", waiting, "waiting.key.pem").expect(0)
        assert verify(work, "waiting.key.pem", crl=CAS_CRL) == ""
        assert desk.caucase("--user-key", user, "--list-csr").code != 0
        desk.command("caucase-probe", again.url).expect(0)


def _number(path: Path) -> int:
    (only,) = read_crls(path)
    return crl_number(only)
