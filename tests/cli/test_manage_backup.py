"""caucased-manage --backup, --drill, --restore-backup: the commands as they are typed, also by root."""

from __future__ import annotations

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.cli.manage import main
from caucase.core.keys import KeyType
from caucase.core.x509 import dump_pem, dump_private_key, load_certificate
from caucase.errors import EX_CONFIG
from caucase.store import Database

ROOT = Path(__file__).parents[2]
# Also where the package is not installed: the tests run with several versions of cryptography.
PROGRAM = "import sys; from caucase.cli.manage import main; sys.exit(main())"
SERVICE = 64_123  # a user id without a name


@pytest.fixture
def home(keys, make_csr) -> Iterator[Path]:
    """Who works here: a folder that other users can reach, with keys and requests of two users."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for user in ("alice", "new"):
            key = KeyType.parse("ec:P-256").generate()
            private = folder / f"{user}.key.pem"
            private.touch(mode=0o600)
            private.write_bytes(dump_private_key(key))
            (folder / f"{user}.csr.pem").write_bytes(make_csr(user, key=key))
        yield folder


def manage(home: Path, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def first_user(home: Path, state: Path) -> list[str]:
    """Makes a database with one user; the options that name it."""
    (home / "caucased.yaml").write_text(
        f"netloc: localhost:8009\nkey_type: ec:P-256\ndb: {state}/caucase.sqlite\nserver_key: {state}/server.key.pem\n"
    )
    manage(home, "--config", "caucased.yaml", "--sign-user-csr", "alice.csr.pem", "alice.crt.pem")
    return ["--config", "caucased.yaml"]


def test_a_day_of_disaster(home: Path) -> None:
    (home / "state").mkdir(mode=0o700)
    (home / "backups").mkdir(mode=0o700)
    options = first_user(home, home / "state")

    said = manage(home, *options, "--backup", "backups", "--keep", "3").stdout
    (backup,) = (home / "backups").iterdir()
    assert said == f"backups/{backup.name}: {backup.stat().st_size} bytes; 1 user can open it.\n"

    assert manage(home, *options, "--backup", "none", code=1).stderr.endswith(
        "none: No such file or directory. Is the name right?\n"
    )

    said = manage(home, *options, "--drill", backup, "alice.key.pem").stdout
    assert "also by: nobody else." in said
    assert "All is well" in said
    document = json.loads(manage(home, *options, "--drill", backup, "alice.key.pem", "--json").stdout)
    own = document.pop("opened_by")
    assert document.pop("key_ids") == [own]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", document.pop("made_at"))
    assert document.pop("problems") == []
    assert [(one["name"], one["cas"], one["kept"]) for one in document.pop("authorities")] == [
        ("cau", 1, 1), ("cas", 1, 0), ("https", 1, 0)
    ]  # fmt: skip
    assert document == {}

    refused = manage(
        home, *options, "--restore-backup", backup, "alice.key.pem", "new.csr.pem", "new.crt.pem", code=1
    )
    assert "exists already" in refused.stderr
    for path in (home / "state").iterdir():
        path.unlink()
    wrong = manage(
        home, *options, "--restore-backup", backup, "new.key.pem", "alice.csr.pem", "new.crt.pem", code=1
    )
    assert wrong.stderr.count("\n") == 1
    assert "does not open" in wrong.stderr
    assert list((home / "state").iterdir()) == []

    manage(home, *options, "--restore-backup", backup, "alice.key.pem", "new.csr.pem", "new.crt.pem")
    assert [path.name for path in (home / "state").iterdir()] == ["caucase.sqlite"]
    assert load_certificate((home / "new.crt.pem").read_bytes()).subject.rfc4514_string() == "CN=alice"


def test_nobody_could_open_it(home: Path) -> None:
    (home / "state").mkdir(mode=0o700)
    (home / "backups").mkdir(mode=0o700)
    options = first_user(home, home / "state")
    with sqlite3.connect(home / "state" / "caucase.sqlite") as connection:
        connection.execute("UPDATE request SET keep_until = 1")
    connection.close()
    done = manage(home, *options, "--backup", "backups")
    assert done.stdout == ""
    assert "warning No backup, for nobody could open it" in done.stderr
    assert list((home / "backups").iterdir()) == []


def test_a_server_that_nobody_has_connected_to_yet(home: Path) -> None:
    """The timer comes every day, and there is nothing wrong."""
    (home / "backups").mkdir(mode=0o700)
    (home / "caucased.yaml").write_text("netloc: localhost:8009\n")
    done = manage(home, "--config", "caucased.yaml", "--backup", "backups")
    assert done.stdout == "There is nothing to back up yet: no database caucase.sqlite.\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--backup", ".", "--keep", "0"], 78, "backup-keep"),
        (["--db", "none", "--backup", "."], 1, "There is no database none"),
        (["--drill", "none", "alice.key.pem"], 1, "none: No such file"),
        (["--drill", "alice.csr.pem", "none"], 1, "none: No such file"),
        (["--drill", "alice.csr.pem", "alice.csr.pem"], 1, "alice.csr.pem: exactly one private key"),
        (["--drill", "alice.csr.pem", "alice.key.pem"], 1, "not a caucase backup"),
        (["--drill", "/dev/null", "alice.key.pem"], 1, "not a caucase backup"),
        (["--db", "x", "--restore-backup", "alice.csr.pem", "alice.key.pem", "new.csr.pem", "c"], 1, "not a caucase backup"),
        (["--db", "x", "--restore-backup", "alice.csr.pem", "alice.key.pem", "alice.csr.pem", "c"], 1, "another key|new key"),
        (["--db", "x", "--restore-backup", "alice.csr.pem", "alice.key.pem", "none", "c"], 1, "none: No such file"),
        (["--db", "x", "--restore-backup", "alice.csr.pem", "alice.key.pem", "new.csr.pem", "c",
          "--import-crl", "new.csr.pem"], 1, "no revocation list"),
        (["--backup", ".", "--drill", "a", "b"], 1, "not allowed"),
    ],
)  # fmt: skip
def test_mistakes(
    arguments: list[str], code: int, sentence: str, home: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(home)
    with Database(home / "caucase.sqlite"):
        pass
    before = sorted(home.iterdir())
    try:
        found = main(arguments)
    except SystemExit as error:  # argparse's way
        found = error.code  # type: ignore[assignment]
    said = capfd.readouterr().err
    assert found == code
    assert re.search(sentence, said)
    # Mistakes of a configuration have a line each, and what to do about them another one.
    assert said.count("\n") == (2 if code == EX_CONFIG else 1)
    assert sorted(home.iterdir()) == before


def test_a_key_with_a_passphrase(home: Path) -> None:
    (home / "state").mkdir(mode=0o700)
    (home / "backups").mkdir(mode=0o700)
    options = first_user(home, home / "state")
    manage(home, *options, "--backup", "backups")
    (backup,) = (home / "backups").iterdir()
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", "alice.key.pem", "-out", "locked.pem", "-passout", "pass:geheim ä"],
        cwd=home, check=True, capture_output=True,
    )  # fmt: skip
    refused = manage(home, *options, "--drill", backup, "locked.pem", code=1)
    assert "needs a passphrase" in refused.stderr
    assert "All is well" in typed(home, "geheim ä", *options, "--drill", str(backup), "locked.pem")
    said = typed(home, "falsch", *options, "--drill", str(backup), "locked.pem")
    assert "locked.pem, block 1: The passphrase is wrong, or the key is damaged." in said
    assert "falsch" not in said


def typed(home: Path, line: str, *arguments: str) -> str:
    """What is on the terminal after that line was typed where it asked for a passphrase."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(home)
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, *arguments])
    shown = b""
    asked = False
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
        if b"Passphrase" in shown and not asked:
            asked = True
            os.write(terminal, line.encode() + b"\n")
    os.close(terminal)
    os.waitpid(process, 0)
    assert asked, shown
    return shown.decode()


@pytest.mark.root("become somebody else")
def test_root_leaves_nothing_of_its_own_behind(home: Path) -> None:
    for name in ("state", "backups"):
        (home / name).mkdir(mode=0o700)
        os.chown(home / name, SERVICE, SERVICE)
    home.chmod(0o711)
    options = first_user(home, home / "state")
    assert owners(home / "state") == {SERVICE}
    assert owners(home / "alice.crt.pem") == {0}

    manage(home, *options, "--backup", "backups")
    (backup,) = (home / "backups").iterdir()
    manage(home, *options, "--drill", backup, "alice.key.pem")
    for path in (home / "state").iterdir():
        path.unlink()
    # Neither the backup nor the key is the service's to read.
    mine = home / "mine.caucased"
    mine.touch(mode=0o600)
    mine.write_bytes(backup.read_bytes())
    manage(home, *options, "--restore-backup", mine, "alice.key.pem", "new.csr.pem", "new.crt.pem")

    assert owners(home / "state") | owners(home / "backups") == {SERVICE}
    assert owners(home / "new.crt.pem") == {0}
    assert (home / "state" / "caucase.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.root("become somebody else")
def test_a_folder_that_only_root_can_write_to(home: Path) -> None:
    (home / "state").mkdir(mode=0o700)
    os.chown(home / "state", SERVICE, SERVICE)
    options = first_user(home, home / "state")
    (home / "mine").mkdir(mode=0o700)
    refused = manage(home, *options, "--backup", home / "mine", code=1)
    assert f"{home / 'mine'}: Permission denied. Started by root this works as the owner" in refused.stderr
    assert refused.stderr.count("\n") == 1
    # What is named as a file is root's, wherever it is.
    exported = subprocess.run(
        [sys.executable, "-c", PROGRAM, *options, "--export-ca", home / "mine" / "cas.pem"],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=b"secret\n",
        capture_output=True,
        check=False,
    )
    assert exported.returncode == 0, exported.stderr
    assert owners(home / "mine" / "cas.pem") == {0}


def owners(path: Path) -> set[int]:
    """Of a file, or of a folder with all in it."""
    return {one.stat().st_uid for one in (path, *path.rglob("*"))} | {
        one.stat().st_gid for one in (path, *path.rglob("*"))
    }


def test_the_certificate_is_written_beside_its_key(home: Path) -> None:
    """As --get-crt of the client does: a file that holds the new key gets the certificate."""
    (home / "state").mkdir(mode=0o700)
    options = first_user(home, home / "state")
    manage(home, *options, "--backup", ".")
    (backup,) = home.glob("*.caucased")
    for path in (home / "state").iterdir():
        path.unlink()
    manage(home, *options, "--restore-backup", backup, "alice.key.pem", "new.csr.pem", "new.key.pem")
    pem = (home / "new.key.pem").read_bytes()
    assert b"PRIVATE KEY" in pem
    assert dump_pem(load_certificate(pem)) in pem
