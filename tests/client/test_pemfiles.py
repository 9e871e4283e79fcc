"""Where CA certificates and lists are kept: every layout, whatever else is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from caucase.client import CA_ENDING, CRL_ENDING, PemFiles

ITEMS = {"00ff": b"one\n", "ff00": b"two\n"}
LIMIT = 100


def _files(path: Path) -> PemFiles:
    return PemFiles(path=path, ending=CA_ENDING)


@pytest.mark.parametrize("name", ["ca.pem", "ca.d", "x.y.z"])
def test_extension_makes_a_file(folder: Path, name: str) -> None:
    files = _files(folder / name)
    assert files.read_own(limit=LIMIT) == []
    assert files.replace(ITEMS)
    assert (folder / name).read_bytes() == b"one\ntwo\n"
    assert files.read_own(limit=LIMIT) == files.read_all(limit=LIMIT) == [b"one\ntwo\n"]


@pytest.mark.parametrize("name", ["ca", ".ca"])
def test_no_extension_makes_a_folder(folder: Path, name: str) -> None:
    files = _files(folder / name)
    assert files.read_all(limit=LIMIT) == []
    assert files.replace(ITEMS)
    assert {path.name: path.read_bytes() for path in (folder / name).iterdir()} == {
        "00ff.ca.pem": b"one\n",
        "ff00.ca.pem": b"two\n",
    }
    assert files.read_own(limit=LIMIT) == [b"one\n", b"two\n"]


def test_what_exists_stays_what_it_is(folder: Path) -> None:
    (folder / "folder.pem").mkdir()
    (folder / "file").touch()
    for name in ("folder.pem", "file"):
        _files(folder / name).replace(ITEMS)
    assert len(list((folder / "folder.pem").iterdir())) == 2
    assert (folder / "file").read_bytes() == b"one\ntwo\n"


def test_only_our_files_go(folder: Path) -> None:
    for name in ("old.ca.pem", "old.crl.pem", "README", "ca.pem"):
        (folder / name).write_bytes(b"x")
    (folder / "folder.ca.pem").mkdir()
    (folder / "broken.ca.pem").symlink_to("nowhere")
    (folder / "link.ca.pem").symlink_to("README")
    assert _files(folder).read_own(limit=LIMIT) == [b"x", b"x"]
    assert _files(folder).replace(ITEMS)
    assert {path.name for path in folder.iterdir()} == {
        *("00ff.ca.pem", "ff00.ca.pem", "folder.ca.pem", "README", "ca.pem", "old.crl.pem")
    }
    assert PemFiles(path=folder, ending=CRL_ENDING).read_own(limit=LIMIT) == [b"x"]


def test_other_files_are_read_unless_they_are_large(folder: Path) -> None:
    (folder / "own.ca.pem").write_bytes(b"own")
    (folder / "other.crt").write_bytes(b"other")
    (folder / "video").write_bytes(b"x" * (LIMIT + 1))
    assert _files(folder).read_all(limit=LIMIT) == [b"own", b"other"]
    (folder / "own.ca.pem").write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(OSError, match="larger"):
        _files(folder).read_all(limit=LIMIT)


@pytest.mark.parametrize("name", ["file.pem", "folder"])
def test_unchanged_files_are_not_written(folder: Path, name: str) -> None:
    files = _files(folder / name)
    files.replace(ITEMS)
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert not files.replace(ITEMS)
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before
    assert files.replace({"00ff": b"one\n"})


def test_broken_link(folder: Path) -> None:
    (folder / "list.pem").symlink_to("new.pem")
    (folder / "lists").symlink_to("new")
    for name in ("list.pem", "lists"):
        files = _files(folder / name)
        assert files.read_all(limit=LIMIT) == []
        assert files.replace(ITEMS)
        assert (folder / name).is_symlink()
    assert (folder / "new.pem").read_bytes() == b"one\ntwo\n"
    assert (folder / "new" / "00ff.ca.pem").is_file()


def test_no_parent(folder: Path) -> None:
    for name in ("missing/ca", "missing/ca.pem"):
        with pytest.raises(FileNotFoundError):
            _files(folder / name).replace(ITEMS)
