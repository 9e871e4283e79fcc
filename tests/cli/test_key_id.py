"""caucase-key-id: keys and backups by the same identifier, for people and for programs."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from caucase.cli.key_id import main
from caucase.core.backup import Secrets, Writer, seal_secrets
from caucase.core.backup.header import IV_SIZE
from caucase.core.spki import key_id
from caucase.core.x509 import dump_private_key


@pytest.fixture
def files(tmp_path: Path, keys) -> tuple[Path, Path, str]:
    """A key, a backup that it opens, and its identifier."""
    key, backup = tmp_path / "key.pem", tmp_path / "a.caucased"
    key.write_bytes(dump_private_key(keys()))
    fresh = Secrets.fresh(bytes)
    content = io.BytesIO()
    entries = [seal_secrets(fresh, keys().public_key())]
    writer = Writer(content, fresh, entries, iv=bytes(IV_SIZE))
    writer.write(f"{datetime.now(UTC)}".encode())
    writer.close()
    backup.write_bytes(content.getvalue())
    return key, backup, key_id(keys().public_key()).hex()


def test_for_people(files: tuple[Path, Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    key, backup, identifier = files
    assert main(["--private-key", str(key), "--backup", str(backup)]) == 0
    assert capsys.readouterr().out == f"{key} {identifier}\n{backup}\n  {identifier}\n"


def test_for_programs(files: tuple[Path, Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    key, backup, identifier = files
    assert main(["--json", "--private-key", str(key), "--backup", str(backup)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "keys": [{"path": str(key), "key_id": identifier}],
        "backups": [{"path": str(backup), "key_ids": [identifier]}],
    }
    assert main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"keys": [], "backups": []}


def test_one_that_is_none_spoils_it_all(
    files: tuple[Path, Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    key, _, _ = files
    assert main(["--json", "--backup", str(key)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert str(key) in said.err
