"""``caucase.sh`` under dash and under busybox, with the servers of both: the scenarios of the command ``caucase``.

They are those of the other modules, run once more; what does not depend on the server is in ``tests/shell``. What users decide in them is done with this project's ``caucase``,
because ``caucase.sh`` does not do it.
"""

# ruff: noqa: F401 - imported is what pytest is to collect here

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.shell.shells import NAMES, Shell

from .desk import Desk
from .material import read_certificate, same_key, verify
from .programs import Programs, Result, ours, peer
from .servers import Server
from .test_files import (
    test_broken_links_are_survived,
    test_defaults,
    test_one_folder_holds_certificates_and_lists,
    test_path_without_an_extension_becomes_a_folder,
    test_strangers_in_a_folder,
    test_unchanged_files_are_not_written,
)
from .test_refused import (
    test_no_server,
    test_renewing_a_revoked_certificate,
    test_request_with_a_wrong_signature,
    test_second_revocation,
)
from .test_renewal import (
    DUE,
    test_key_length_of_the_new_key,
    test_nothing_happens_before_the_threshold,
    test_on_renew_is_called_after_a_renewal,
    test_on_renew_that_fails_is_told_after_the_renewal,
    test_renewal_in_one_file,
    test_renewal_in_two_files,
)
from .test_revocation import test_revoked_service_is_on_the_list
from .test_service_request import (
    test_request_waits_until_it_is_signed,
    test_several_at_once,
)


@dataclass(frozen=True, kw_only=True)
class WithShell(Programs):
    """``caucase`` is ``caucase.sh``, except for users who decide; all else is this project's."""

    shell: Shell

    def run(self, program: str, *arguments: str, cwd: Path) -> Result:
        if program != "caucase" or "--user-key" in arguments:
            return super().run(program, *arguments, cwd=cwd)
        done = self.shell.run(*arguments, cwd=cwd)
        return Result(command=("caucase.sh", *arguments), code=done.code, out=done.out, err=done.err)


@pytest.fixture(
    params=[
        pytest.param((server, shell), id=f"server_{server}-{shell}")
        for server in ("ours", "peer")
        for shell in NAMES
    ]
)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    server_and_shell: tuple[str, str] = request.param
    return server_and_shell


@pytest.fixture
def desk(
    pair: tuple[str, str],
    shared_servers: Callable[[str], Server],
    shells: Callable[[str], Shell],
    tmp_path: Path,
) -> Desk:
    server, shell = pair
    programs = WithShell(name="ours", folder=ours().folder, shell=shells(shell))
    return Desk(folder=tmp_path, server=shared_servers(server), programs=programs)


@pytest.mark.parametrize("other", [ours, peer], ids=["ours", "peer"])
def test_taking_turns_with_the_command(desk: Desk, other: Callable[[], Programs]) -> None:
    """What one has written the other goes on with: files, pairs, renewals."""
    bundle = desk.service("www", desk.user("signer"), "subjectAltName=DNS:www.example")
    command = Desk(folder=desk.folder, server=desk.server, programs=other())
    serials = {read_certificate(desk.folder / bundle).serial_number}
    for party in (desk, command, desk):
        party.caucase(*DUE, "--renew-crt", bundle, "unused").expect(0)
        certificate = read_certificate(desk.folder / bundle)
        assert same_key(desk.folder / bundle, certificate)
        assert verify(desk.folder, bundle, crl="cas.crl.pem") == ""
        serials.add(certificate.serial_number)
    assert len(serials) == 4
    crt, key = desk.split(bundle)
    for party in (command, desk, command):
        party.caucase(*DUE, "--renew-crt", crt, key).expect(0)
        assert same_key(desk.folder / key, read_certificate(desk.folder / crt))
    # As if neither had been there: nothing is written that is the same.
    before = {path.name: path.stat().st_mtime_ns for path in desk.folder.glob("cas.*")}
    desk.caucase().expect(0)
    command.caucase().expect(0)
    assert {path.name: path.stat().st_mtime_ns for path in desk.folder.glob("cas.*")} == before
