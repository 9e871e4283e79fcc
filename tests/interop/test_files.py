"""Where a client keeps CA certificates and revocation lists: files or folders, there or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from .desk import Desk
from .material import authority_key_id, read_certificates, read_crls

OPTIONS = ("--ca-crt", "--user-ca-crt", "--crl", "--user-crl")


def test_defaults(desk: Desk) -> None:
    desk.caucase().expect(0)
    assert _names(desk.folder) == {"cas.crt.pem", "cas.crl.pem"}
    desk.caucase("--update-user").expect(0)
    assert _names(desk.folder) == {"cas.crt.pem", "cas.crl.pem", "cau.crt.pem", "cau.crl.pem"}


def test_path_with_an_extension_becomes_a_file(desk: Desk) -> None:
    desk.caucase("--update-user", *_paths("ca.crt", "users.crt", "ca.crl", "users.crl")).expect(0)
    for name in ("ca.crt", "users.crt"):
        assert len(read_certificates(desk.folder / name)) == 1
    for name in ("ca.crl", "users.crl"):
        assert len(read_crls(desk.folder / name)) == 1


def test_path_without_an_extension_becomes_a_folder(desk: Desk) -> None:
    desk.caucase("--update-user", *_paths("ca", "users", "lists", "user-lists")).expect(0)
    _assert_one_certificate(desk.folder / "ca")
    _assert_one_certificate(desk.folder / "users")
    _assert_one_list(desk.folder / "lists")
    _assert_one_list(desk.folder / "user-lists")


def test_one_folder_holds_certificates_and_lists(desk: Desk) -> None:
    (desk.folder / "both").mkdir()
    desk.caucase("--ca-crt", "both", "--crl", "both").expect(0)
    _assert_one_certificate(desk.folder / "both")
    _assert_one_list(desk.folder / "both")
    assert len(_names(desk.folder / "both")) == 2


def test_folder_with_an_extension_stays_a_folder(desk: Desk) -> None:
    (desk.folder / "ca.pem").mkdir()
    desk.caucase("--ca-crt", "ca.pem").expect(0)
    _assert_one_certificate(desk.folder / "ca.pem")


def test_file_without_an_extension_stays_a_file(desk: Desk) -> None:
    (desk.folder / "authorities").write_text("")
    desk.caucase("--ca-crt", "authorities").expect(0)
    assert len(read_certificates(desk.folder / "authorities")) == 1


def test_strangers_in_a_folder(desk: Desk) -> None:
    """What is named like ours and is not wanted any more goes; all else stays, whatever it is."""
    folder = desk.folder / "ca"
    (folder / "subfolder").mkdir(parents=True)
    (folder / "README").write_text("foreign\n")
    (folder / "foreign.pem").write_text("foreign\n")
    (folder / "link").symlink_to("nowhere")
    (folder / "00ff.ca.pem").write_text("outdated\n")
    (folder / "00ff.crl.pem").write_text("outdated\n")

    desk.caucase("--ca-crt", "ca", "--crl", "ca").expect(0)

    _assert_one_certificate(folder)
    _assert_one_list(folder)
    assert (folder / "subfolder").is_dir()
    assert (folder / "README").read_text() == "foreign\n"
    assert (folder / "foreign.pem").read_text() == "foreign\n"
    assert (folder / "link").is_symlink()


def test_broken_links_are_survived(desk: Desk) -> None:
    folder = desk.folder / "ca"
    folder.mkdir()
    (folder / "broken.ca.pem").symlink_to("nowhere")
    (desk.folder / "list.pem").symlink_to("new-list")

    desk.caucase("--ca-crt", "ca", "--crl", "list.pem").expect(0)

    (only,) = (path for path in folder.glob("*.ca.pem") if path.exists())
    assert len(read_certificates(only)) == 1
    assert len(read_crls(desk.folder / "list.pem")) == 1


@pytest.mark.parametrize("layout", ["files", "folders"])
def test_unchanged_files_are_not_written(desk: Desk, layout: str) -> None:
    names = ("ca", "users", "lists", "user-lists")
    paths = _paths(*names) if layout == "folders" else _paths(*(f"{name}.pem" for name in names))
    desk.caucase("--update-user", *paths).expect(0)
    before = _stamps(desk.folder)
    desk.caucase("--update-user", *paths).expect(0)
    assert len(before) == 4
    assert _stamps(desk.folder) == before


def _paths(*values: str) -> list[str]:
    return [part for pair in zip(OPTIONS, values, strict=True) for part in pair]


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


def _assert_one_certificate(folder: Path) -> None:
    (path,) = folder.glob("*.ca.pem")
    (certificate,) = read_certificates(path)
    assert path.name == f"{authority_key_id(certificate).hex()}.ca.pem"


def _assert_one_list(folder: Path) -> None:
    (path,) = folder.glob("*.crl.pem")
    (crl,) = read_crls(path)
    assert path.name == f"{authority_key_id(crl).hex()}.crl.pem"
