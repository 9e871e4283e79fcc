"""``caucased-manage`` on a machine where the server is installed: it works on that server unless told otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from caucase.cli.manage import main
from caucase.config import installed
from caucase.errors import EX_CONFIG

from ..conftest import MakeCsr


@pytest.fixture
def request_file(tmp_path: Path, make_csr: MakeCsr, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "etc").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "etc" / "caucased.yaml").write_text("netloc: localhost:8009\nkey_type: ec:P-256\n")
    monkeypatch.setattr(installed, "FILE", tmp_path / "etc" / "caucased.yaml")
    monkeypatch.setattr(installed, "FOLDER", tmp_path / "state")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alice.csr.pem").write_bytes(make_csr("alice"))
    return "alice.csr.pem"


def test_without_a_file_it_is_the_installed_server(tmp_path: Path, request_file: str) -> None:
    assert main(["--sign-user-csr", request_file, "alice.crt.pem"]) == 0
    assert (tmp_path / "state" / "caucase.sqlite").exists()
    assert (tmp_path / "alice.crt.pem").exists()


def test_another_database_is_another_server(
    tmp_path: Path, request_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--db", "other.sqlite", "--sign-user-csr", request_file, "alice.crt.pem"]) == EX_CONFIG
    assert "netloc" in capsys.readouterr().err
    assert list((tmp_path / "state").iterdir()) == []
