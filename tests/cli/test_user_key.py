"""``--user-key`` with what is no user's key, against a real server: one sentence, which says that it is about the key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from caucase.store import Database
from tests.server.harness import running
from tests.server.material import foreign, make

from .desk import CAUCASE, Desk, open_desk, run


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("user-key")) as made:
        yield made


def service(desk: Desk) -> Path:
    made = make("www")
    return made.bundle(desk.folder / "www.pem", desk.server.client.issue(made.csr_pem, desk.user))


def stranger(desk: Desk) -> Path:
    made, crt_pem = foreign("stranger")
    return made.bundle(desk.folder / "stranger.pem", crt_pem)


@pytest.mark.parametrize("somebody", [service, stranger])
@pytest.mark.parametrize(
    "action", [("--list-csr",), ("--list-crt",), ("--sign-csr", "1"), ("--reject-csr", "1")]
)
def test_not_accepted(desk: Desk, somebody, action: tuple[str, ...]) -> None:
    options = ("--ca-url", desk.server.origin, "--user-key", str(somebody(desk)))
    _assert_about_the_certificate(desk.folder, *options, *action)


def test_expired(tmp_path: Path) -> None:
    with Database(tmp_path / "caucase.sqlite") as database, running(tmp_path) as server:
        server.clock.ahead = -timedelta(days=300)
        server.configure(database)
        made = make("boss")
        user = made.bundle(tmp_path / "user.pem", server.client.become_user(made.csr_pem))
        server.clock.ahead = timedelta()
        assert server.authority is not None
        server.authority.maintain()
        options = ("--ca-url", server.origin, "--user-key", str(user), "--list-csr")
        _assert_about_the_certificate(tmp_path, *options)
        assert "this certificate ended on 20" in run(CAUCASE, tmp_path, *options).stderr


@pytest.mark.parametrize(("days", "is_told"), [(0, False), (70, True)])
def test_a_user_is_reminded(days: int, is_told: bool, tmp_path: Path) -> None:
    with Database(tmp_path / "caucase.sqlite") as database, running(tmp_path) as server:
        server.clock.ahead = -timedelta(days=days)
        server.configure(database)
        made = make("boss")
        user = made.bundle(tmp_path / "my user.pem", server.client.become_user(made.csr_pem))
        server.clock.ahead = timedelta()
        done = run(CAUCASE, tmp_path, "--ca-url", server.origin, "--user-key", str(user), "--list-csr")
    assert done.returncode == 0
    if is_told:
        assert f"warning: {user}: this certificate ends on 20" in done.stderr
        assert f"--renew-crt '{user}' '{user}'" in done.stderr
    else:
        assert done.stderr == ""


def _assert_about_the_certificate(folder: Path, *arguments: str) -> None:
    done = run(CAUCASE, folder, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    *reminder, told = done.stderr.splitlines()
    assert all("warning: " in line and "this certificate end" in line for line in reminder)
    assert "accept the user's certificate. Is it a user's certificate of this server, still valid" in told
    assert "HTTP." not in told


@pytest.mark.parametrize(
    "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
def test_passphrase(desk: Desk, form: serialization.PrivateFormat) -> None:
    """In one file, as --user-key has it; in both formats of encrypted keys."""
    key = make("boss").key
    protected = key.private_bytes(
        serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret")
    )
    crt_pem = desk.user.read_bytes()
    crt_pem = crt_pem[crt_pem.index(b"-----BEGIN CERTIFICATE") :]
    assert x509.load_pem_x509_certificate(crt_pem)
    path = desk.folder / "protected.pem"
    path.touch(mode=0o600)
    path.write_bytes(protected + crt_pem)
    done = run(CAUCASE, desk.folder, "--ca-url", desk.server.origin, "--user-key", path.name, "--list-csr")
    assert done.returncode == 1
    assert done.stderr == (
        "caucase: protected.pem: The private key is protected by a passphrase. Give it without one.\n"
    )


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o640, False), (0o644, True), (0o660, True)])
def test_a_key_that_others_can_read(desk: Desk, mode: int, is_told: bool, tmp_path: Path) -> None:
    user = tmp_path / "alice.pem"
    user.write_bytes(desk.user.read_bytes())
    user.chmod(mode)
    done = run(CAUCASE, tmp_path, "--ca-url", desk.server.origin, "--user-key", str(user), "--list-csr")
    assert done.returncode == 0
    told = f"caucase: warning: {user} holds a private key and is open to others. Run: chmod 600 {user}"
    assert done.stderr.startswith(told) is is_told
    assert is_told or not done.stderr
