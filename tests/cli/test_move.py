"""``caucased-manage --migrate`` and ``--check`` as they are typed, also by root."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.cli.manage import main
from caucase.clock import now
from tests.former import FormerDatabase

SERVICE = 64_123  # a user id without a name


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that other users can reach, with one for the server's files in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "state").mkdir(mode=0o700)
        yield folder


@pytest.fixture
def former(keys) -> FormerDatabase:
    made = FormerDatabase(now(), keys)
    made.add_all_cas()
    return made


@pytest.fixture
def manage(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(home / "state")
    (home / "caucased.yaml").write_text("netloc: ca.example.com:8009\n")

    def run(*arguments: str | Path) -> int:
        return main(["--config", str(home / "caucased.yaml"), *map(str, arguments)])

    return run


def test_migrate_and_check(home: Path, former: FormerDatabase, manage, capsys) -> None:
    former.add_request("cas", 5, b"nonsense")
    former.revoke("cas", 7)
    old = former.save(home / "old.sqlite")
    assert manage("--migrate", old) == 0
    said = capsys.readouterr()
    assert said.out == (
        "caucase.sqlite: 3 CA certificates, 0 pending requests, 0 kept certificates and 1 revocations taken over.\n"
    )
    assert "left out: cas request 5: " in said.err
    assert manage("--check") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.startswith(("ok   ", "note ")) for line in lines)

    assert manage("--check", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert [f"{one['verdict']:<5} {one['what']}" for one in document["findings"]] == lines

    assert manage("--migrate", old) == 1
    assert "already" in capsys.readouterr().err


def test_check_fails_if_something_is_wrong(home: Path, manage, capsys) -> None:
    assert manage("--check") == 1
    assert "WRONG database: There is no database" in capsys.readouterr().out
    assert manage("--check", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert [one["what"][:28] for one in document["findings"] if one["verdict"] == "wrong"] == [
        "database: There is no databa"
    ]
    assert list((home / "state").iterdir()) == []


def test_check_of_a_configuration_with_mistakes(home: Path, manage, capsys) -> None:
    (home / "caucased.yaml").write_text("netloc: ca.example.com\nnonsense: 1\n")
    assert manage("--check") == 78
    assert "caucased.yaml:2: 'nonsense'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--migrate", "gone"], 1, "gone cannot be read: No such file or directory."),
        (["--migrate", "/dev/null"], 1, "/dev/null"),
        (["--netloc", "other.example.com", "--migrate", "{old}"], 78, "this is the CA of another address"),
        (["--service-crt-validity", "200", "--migrate", "{old}"], 1, "at least 3 periods"),
    ],
)
def test_mistakes(
    home: Path, former: FormerDatabase, manage, capsys, arguments, status: int, said: str
) -> None:
    old = former.save(home / "old.sqlite")
    assert manage(*(str(argument).format(old=old) for argument in arguments)) == status
    assert said in capsys.readouterr().err
    assert list((home / "state").iterdir()) == []


@pytest.mark.root("become somebody else")
def test_root_leaves_nothing_of_its_own(
    home: Path, former: FormerDatabase, manage, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What root alone can read is read as root, and what is made belongs to the server."""
    old = former.save(home / "old.sqlite")
    old.chmod(0o600)
    state = home / "state"
    os.chown(state, SERVICE, SERVICE)
    assert manage("--migrate", old) == 0
    assert manage("--check") == 0
    for path in state.iterdir():
        assert (path.stat().st_uid, path.stat().st_gid) == (SERVICE, SERVICE), path
    capsys.readouterr()

    # A file that root names is root's, also where it is written.
    (home / "roots").mkdir(mode=0o700)
    crt, key = home / "roots" / "ca.crt", home / "roots" / "ca.key"
    signer = former.add_ca("cas", number=9)
    rows = former.rows["casca"][-1]
    key.write_bytes(rows[1])
    crt.write_bytes(rows[2])
    key.chmod(0o600)
    assert manage("--import-ca", crt, key) == 0
    assert signer.key_id.hex() in capsys.readouterr().out
    exported = home / "roots" / "exported.pem"
    with (home / "roots" / "passphrase").open("w+") as typed:
        typed.write("secret\n")
        typed.seek(0)
        monkeypatch.setattr("sys.stdin", typed)
        assert manage("--export-ca", exported) == 0
    assert (exported.stat().st_uid, exported.stat().st_mode & 0o777) == (0, 0o600)
    assert {path.stat().st_uid for path in state.iterdir()} == {SERVICE}
    assert os.geteuid() == 0
