"""client.yaml: with it ``caucase --list-csr`` is enough. Which file counts, and that scripts with --ca-url notice nothing."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from caucase.cli import caucase as command
from caucase.cli import probe, updater
from caucase.cli.defaults import where
from caucase.config import client
from tests.server.material import make

from .desk import Desk, open_desk

CAS_FILES = {"cas.crt.pem", "cas.crl.pem"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("client-yaml")) as made:
        made.submit(make("waiting").csr_pem)
        yield made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of somebody who is somewhere else at the moment."""
    made, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    made.mkdir()
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(made))
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(client, "SYSTEM_FILE", tmp_path / "etc" / "client.yaml")
    monkeypatch.chdir(elsewhere)
    return made


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def call(*arguments: str, main: Callable[[Sequence[str]], int] = command.main) -> int:
    """The exit code."""
    try:
        return main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)


def here() -> set[str]:
    return {path.name for path in Path().iterdir()}


def test_list_csr_alone(
    desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(desk.user, home / "me.pem")
    write(home / ".config/caucase/client.yaml", f"ca_url: {desk.server.origin}", "user_key: ~/me.pem")
    assert call("--list-csr") == 0
    assert "CN=waiting" in capsys.readouterr().out
    # What is known of the CA is where it is found the next time, wherever that is.
    assert {path.name for path in (home / ".local/share/caucase").iterdir()} == CAS_FILES
    assert here() == set()
    monkeypatch.chdir("/")
    assert call("--list-csr") == 0
    assert call("--status") == 0
    assert desk.server.origin in capsys.readouterr().out


def test_the_systems_file_and_mine(desk: Desk, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = home / "store"
    write(client.SYSTEM_FILE, f"ca_url: {desk.server.origin}", f"directory: {store}", "ca_crt: trusted")
    assert call("--list-csr") == 1
    said = capsys.readouterr().err
    assert "--user-key" in said
    assert str(client.SYSTEM_FILE) in said
    assert not store.exists()
    write(home / ".config/caucase/client.yaml", f"user_key: {desk.user}")
    assert call("--list-csr") == 0
    assert {path.name for path in store.iterdir()} == {"trusted", "cas.crl.pem"}
    assert [path.suffix for path in (store / "trusted").iterdir()] == [".pem"]


def test_xdg(
    desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "c"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "d"))
    write(home / "c/caucase/client.yaml", f"ca_url: {desk.server.origin}")
    assert call() == 0
    assert {path.name for path in (home / "d/caucase").iterdir()} == CAS_FILES
    assert str(home / "c") in where()


def test_the_folder_is_closed_to_others(desk: Desk, home: Path) -> None:
    """Whoever could write there would choose the CAs that are trusted."""
    write(home / ".config/caucase/client.yaml", f"ca_url: {desk.server.origin}")
    before = os.umask(0)
    try:
        assert call() == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((home / ".local/share/caucase").stat().st_mode) == 0o700


def test_only_the_directory_is_made(desk: Desk, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder elsewhere has an owner and a mode that whoever names it has to choose."""
    write(
        home / ".config/caucase/client.yaml",
        f"ca_url: {desk.server.origin}",
        "directory: ~/kept",
        "crl: ~/elsewhere/cas.crl.pem",
    )
    assert call() == 1
    said = capsys.readouterr().err
    assert str(home / "elsewhere") in said
    assert "No such file" in said
    assert {path.name for path in (home / "kept").iterdir()} == {"cas.crt.pem"}
    assert not (home / "elsewhere").exists()
    (home / "elsewhere").mkdir()
    assert call() == 0


def test_options_go_first(desk: Desk, home: Path) -> None:
    write(home / ".config/caucase/client.yaml", f"ca_url: {desk.server.origin}", "user_key: /nowhere.pem")
    options = ("--user-key", str(desk.user), "--ca-crt", "here.pem", "--crl", "here.crl.pem")
    assert call(*options, "--list-csr") == 0
    assert here() == {"here.crl.pem", "here.pem"}
    assert list((home / ".local/share/caucase").iterdir()) == []


def test_whoever_names_a_ca_says_all_about_it(
    desk: Desk, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As before there was such a file, which here even has mistakes."""
    write(
        home / ".config/caucase/client.yaml",
        "ca_url: http://other.example.com",
        f"user_key: {desk.user}",
        "x: y",
    )
    assert call("--ca-url", desk.server.origin) == 0
    assert here() == CAS_FILES
    assert call("--ca-url", desk.server.origin, "--list-csr") == 1
    said = capsys.readouterr().err
    assert said.rstrip().endswith("give --user-key. See caucase --help.")


def test_mistakes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(home / ".config/caucase/client.yaml", "ca_ulr: http://ca.example.com", "user_key: me.pem")
    assert call("--status") == 1
    said = capsys.readouterr().err
    assert f"{file}:1: 'ca_ulr': there is no such key; did you mean ca_url?\n" in said
    assert f"{file}:2: user_key: 'me.pem' would be another file in each folder" in said
    assert said.rstrip().endswith("then it is not read.")
    # caucase-probe has no --ca-url: the advice has to be one that each command understands.
    assert call(main=probe.main) == 1
    assert "--ca-url" not in capsys.readouterr().err


def test_without_any(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for main, arguments in ((command.main, []), (probe.main, []), (updater.main, ["--cas-ca", "a"])):
        assert call(*arguments, main=main) == 1
        assert str(home / ".config/caucase/client.yaml") in capsys.readouterr().err
    assert call("--status") == 0  # of the files in this folder


def test_the_other_commands(desk: Desk, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(client.SYSTEM_FILE, f"ca_url: {desk.server.origin}")
    assert call(main=probe.main) == 0
    assert call("http://127.0.0.1:1", main=probe.main) == 1
    assert (
        call("--cas-ca", "cas.crt.pem", "--ca", "cas.crt.pem", "--crl", "cas.crl.pem", main=updater.main) == 0
    )
    assert here() > CAS_FILES


def test_the_example_as_it_is_installed_changes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = Path(__file__).parents[2] / "etc" / "client.yaml"
    write(client.SYSTEM_FILE, example.read_text())
    assert call("--list-csr") == 1
    assert "--user-key" in capsys.readouterr().err
    assert call() == 1
    assert "--ca-url is needed" in capsys.readouterr().err
