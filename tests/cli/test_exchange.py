"""``caucased-manage`` with CAs and lists from elsewhere: what is said, asked and written."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from caucase.clock import now
from caucase.core import crl, profile
from caucase.core.issue import Signer, Validity, issue_ca, random_serial
from caucase.core.material import dump_encrypted
from caucase.core.netloc import NetLoc
from caucase.core.pem import CRL, to_pem
from caucase.core.x509 import Serial, dump_pem, dump_private_key

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from caucase.cli.manage import main; sys.exit(main(sys.argv[1:]))"
ADDRESS = ("--netloc", "localhost:8009")


def manage(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *ADDRESS, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    return done


@pytest.fixture(scope="module")
def ca(keys) -> Signer:
    return issue_ca(
        keys("ec:P-256", 30),
        subject=profile.ca_subject("Elsewhere", NetLoc.parse("example.com")),
        extensions=profile.ca_extensions(),
        validity=Validity.starting(now() - timedelta(days=100), timedelta(days=400)),
        serial=random_serial(),
    )


@pytest.fixture
def folder(tmp_path: Path, ca: Signer) -> Path:
    """With the CA in ``ca.crt``, ``ca.key`` and ``ca.secret``, whose passphrase is ``secret``, and its list."""
    (tmp_path / "ca.crt").write_bytes(dump_pem(ca.certificate))
    (tmp_path / "ca.key").write_bytes(dump_private_key(ca.key))
    (tmp_path / "ca.secret").write_bytes(dump_encrypted(ca.key, b"secret"))
    entries = crl.revocation_entry(Serial(11), now())
    der = crl.build_crl(ca, entries, number=7, this_update=now(), next_update=now() + timedelta(days=9))
    (tmp_path / "list.pem").write_bytes(to_pem(der, CRL))
    (tmp_path / "list.der").write_bytes(der)
    return tmp_path


def test_what_is_imported_is_said(folder: Path, ca: Signer, make_csr) -> None:
    (folder / "csr").write_bytes(make_csr())
    done = manage(folder, "--import-ca", "csr", "ca.key", "--import-ca", "ca.crt")
    assert done.returncode == 0, done.stderr
    assert f"{ca.key_id.hex()} CN=Elsewhere at example.com, until " in done.stdout
    assert done.stdout.endswith(": imported\n")
    assert "skipped: csr, block 1: CERTIFICATE REQUEST" in done.stderr
    again = manage(folder, "--import-ca", "ca.crt", "ca.key")
    assert again.returncode == 0
    assert again.stdout.endswith(": was there already\n")


def test_nothing_imported_is_an_error_and_makes_nothing(folder: Path) -> None:
    done = manage(folder, "--import-ca", "ca.crt")
    assert done.returncode == 1
    assert "No CA was imported." in done.stderr
    assert "there is no key for it" in done.stderr
    assert not (folder / "caucase.sqlite").exists()


def test_a_passphrase_from_standard_input(folder: Path) -> None:
    wrong = manage(folder, "--import-ca", "ca.crt", "ca.secret", typed="wrong\n")
    assert (wrong.returncode, "passphrase is wrong" in wrong.stderr) == (1, True)
    none = manage(folder, "--import-ca", "ca.crt", "ca.secret")
    assert (none.returncode, "standard input has none" in none.stderr) == (1, True)
    assert not (folder / "caucase.sqlite").exists()
    assert manage(folder, "--import-ca", "ca.crt", "ca.secret", typed="secret\n").returncode == 0


def on_terminal(folder: Path, *arguments: str, typed: bytes) -> tuple[int, bytes]:
    """Exit status, and all that the terminal showed."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *ADDRESS, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        shown = b""
        for line in typed.splitlines(keepends=True):
            while not shown.endswith(b": "):
                shown += os.read(controller, 1000)
            os.write(controller, line)
            shown += b"\n"
        try:
            while more := os.read(controller, 1000):
                shown += more
        except OSError:  # EIO: nobody holds the other end any more
            pass
        os.close(controller)
        return process.wait(60), shown


def test_a_passphrase_on_the_terminal_is_not_shown(folder: Path) -> None:
    status, shown = on_terminal(folder, "--import-ca", "ca.crt", "ca.secret", typed=b"secret\n")
    assert status == 0, shown
    assert b"Passphrase of ca.secret, block 1: " in shown
    assert b"secret\n" not in shown.replace(b"ca.secret", b"").replace(b"\r", b"")


def test_a_new_passphrase_is_typed_twice(folder: Path) -> None:
    manage(folder, "--import-ca", "ca.crt", "ca.key")
    status, shown = on_terminal(folder, "--export-ca", "out.pem", typed=b"one\ntwo\n")
    assert status == 1
    assert b"differ" in shown
    assert not (folder / "out.pem").exists()
    status, shown = on_terminal(folder, "--export-ca", "out.pem", typed=b"one\none\n")
    assert status == 0, shown
    assert b"out.pem, again: " in shown


def test_export(folder: Path, ca: Signer) -> None:
    manage(folder, "--import-ca", "ca.crt", "ca.key")
    assert manage(folder, "--export-ca", "out.pem", typed="\n").returncode == 1
    assert manage(folder, "--export-ca", "out.pem").returncode == 1
    assert not (folder / "out.pem").exists()
    done = manage(folder, "--export-ca", "out.pem", typed="secret\n")
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((folder / "out.pem").stat().st_mode) == 0o600
    content = (folder / "out.pem").read_bytes()
    assert (
        content.count(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") == content.count(b"PRIVATE KEY-----") / 2 == 1
    )
    assert dump_pem(ca.certificate) in content
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]

    again = manage(folder, "--export-ca", "out.pem", typed="secret\n")
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    (folder / "dangling").symlink_to("nowhere")
    assert manage(folder, "--export-ca", "dangling", typed="secret\n").returncode == 1
    assert not (folder / "nowhere").exists()
    assert (folder / "out.pem").read_bytes() == content

    (folder / "other").mkdir()
    done = manage(folder / "other", "--import-ca", "../out.pem", typed="secret\n")
    assert done.returncode == 0, done.stderr


def test_nothing_to_export(folder: Path) -> None:
    done = manage(folder, "--export-ca", "out.pem", typed="secret\n")
    assert (done.returncode, "no CA" in done.stderr) == (1, True)
    assert not (folder / "out.pem").exists()


@pytest.mark.parametrize("name", ["list.pem", "list.der"])
def test_lists(folder: Path, name: str) -> None:
    manage(folder, "--import-ca", "ca.crt", "ca.key")
    done = manage(folder, "--import-crl", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 entries")


def test_both_at_once(folder: Path) -> None:
    done = manage(folder, "--import-ca", "ca.crt", "ca.key", "--import-crl", "list.pem")
    assert done.returncode == 0, done.stderr
    assert "1 entries" in done.stdout


def test_a_list_of_another_ca(folder: Path) -> None:
    done = manage(folder, "--import-crl", "list.pem")
    assert (done.returncode, "not signed by a CA of this server" in done.stderr) == (1, True)


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "/dev/null"])
def test_no_list(folder: Path, name: str) -> None:
    done = manage(folder, "--import-crl", name)
    assert (done.returncode, name in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--check", "--export-ca", "x"], "not allowed together: --export-ca, --check"),
        (["--import-crl", "list.pem", "--migrate", "x"], "not allowed together: --migrate, --import-crl"),
        (["--import-bad-ca"], "one of these is required"),
        (["--import-ca", "x", "--json"], "--json goes with --status, --drill, --check, --verify-record"),
        (["--status", "--keep", "3"], "--keep goes with --backup"),
        (["--export-ca", "x", "--import-bad-ca"], "--import-bad-ca goes with --import-ca"),
    ],
)
def test_one_action_at_a_time(folder: Path, arguments: list[str], said: str) -> None:
    done = manage(folder, *arguments)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
