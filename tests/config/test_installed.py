"""The installed server's file is read as the package wants it; any other file is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from caucase.config import installed
from caucase.config.load import load_server_config


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "caucased.yaml"
    path.write_text("")
    monkeypatch.setattr(installed, "FILE", path)
    monkeypatch.setattr(installed, "FOLDER", Path("/state"))
    return path


def test_an_empty_file(file: Path) -> None:
    config = load_server_config(file, {})
    assert config.netloc is None
    assert (config.user_auto_approve_count, config.service_auto_approve_count) == (0, 0)
    assert config.db == Path("/state/caucase.sqlite")
    assert config.server_key == Path("/state/server.key.pem")
    assert config.cors_key_store == Path("/state/cors.key")
    assert config.backup_directory == Path("/var/backups/caucase")


@pytest.mark.parametrize("written", ["caucased.yaml", "./caucased.yaml", "../{}/caucased.yaml"])
def test_however_its_name_is_written(file: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.chdir(file.parent)
    config = load_server_config(Path(written.format(file.parent.name)), {})
    assert config.db == Path("/state/caucase.sqlite")
    assert config.user_auto_approve_count == 0


def test_what_the_file_says_goes_first(file: Path) -> None:
    file.write_text("user_auto_approve_count: 3\ndb: other/caucase.sqlite\nserver_key: /elsewhere/key.pem\n")
    config = load_server_config(file, {})
    assert config.user_auto_approve_count == 3
    assert config.db == Path("/state/other/caucase.sqlite")
    assert config.server_key == Path("/elsewhere/key.pem")


def test_the_command_line_is_relative_to_where_it_is_typed(file: Path) -> None:
    config = load_server_config(file, {"db": "here.sqlite", "user_auto_approve_count": "2"})
    assert config.db == Path("here.sqlite")
    assert config.user_auto_approve_count == 2


def test_any_other_file(file: Path) -> None:
    other = file.with_name("other.yaml")
    other.write_text("")
    config = load_server_config(other, {})
    assert config.db == Path("caucase.sqlite")
    assert config.user_auto_approve_count == 1
