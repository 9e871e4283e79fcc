"""Renewing where the machine fails: killed at any moment, on a full disk, without rights; and whose the files are then."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.client.keyfiles import load_pair
from caucase.core.keys import key_type
from caucase.core.spki import spki
from caucase.core.x509 import dump_private_key, load_certificate, public_key
from tests.small_disk import fill, mounted

from .conftest import Desk
from .kills import kill_points
from .material import is_pair, make_request, pair_in

DUE = ("--threshold", "100")


def renew(crt: Path, key: Path | None = None) -> tuple[str | Path, ...]:
    return (*DUE, "--renew-crt", crt, key or crt)


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"])
def test_the_new_key_is_of_the_same_type(desk: Desk, kind: str) -> None:
    path = desk.pair(kind)
    old = pair_in(path)
    desk.run(*renew(path)).expect(0)
    new = pair_in(path)
    assert new.subject == old.subject
    assert spki(public_key(new)) != spki(public_key(old))
    assert key_type(public_key(new)) == key_type(public_key(old))


def test_the_old_format_of_keys(desk: Desk) -> None:
    """As ``openssl ecparam -genkey`` writes them, parameters before the key."""
    path = desk.folder / "www.pem"
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", path],
        check=True,
        capture_output=True,
    )
    csr = subprocess.run(
        ["openssl", "req", "-new", "-key", path, "-subj", "/CN=www"], check=True, stdout=subprocess.PIPE
    ).stdout
    csr_id = next(iter(desk.run("--send-csr", _written(desk.folder / "csr.pem", csr)).expect(0).out.split()))
    desk.server.cas.certificates[csr_id] = desk.server.cas.sign(make_request().csr, csr)
    desk.run("--get-crt", csr_id, path).expect(0)
    desk.run(*renew(path)).expect(0)
    assert b"EC PARAMETERS" in path.read_bytes()
    pair_in(path)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o644])
def test_modes_stay(desk: Desk, mode: int) -> None:
    path = desk.pair()
    path.chmod(mode)
    desk.run(*renew(path)).expect(0)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_new_files(desk: Desk) -> None:
    desk.run().expect(0)
    for name in ("cas.crt.pem", "cas.crl.pem"):
        assert stat.S_IMODE((desk.folder / name).stat().st_mode) == 0o644


@pytest.mark.root("give a file to somebody else")
def test_owners_stay(desk: Desk) -> None:
    crt, key = split(desk)
    os.chown(key, 65534, 65533)
    os.chown(crt, 65532, 65531)
    desk.run(*renew(crt, key)).expect(0)
    assert (key.stat().st_uid, key.stat().st_gid) == (65534, 65533)
    assert (crt.stat().st_uid, crt.stat().st_gid) == (65532, 65531)


def test_a_link_stays(desk: Desk) -> None:
    path = desk.pair()
    link = desk.folder / "link.pem"
    link.symlink_to(path.name)
    desk.run(*renew(link)).expect(0)
    assert link.is_symlink()
    pair_in(path)


def test_what_else_is_in_the_file_stays(desk: Desk) -> None:
    path = desk.pair()
    other = b"-----BEGIN DH PARAMETERS-----\nMEYCQQ==\n-----END DH PARAMETERS-----\n"
    path.write_bytes(b"# of the web server\n" + path.read_bytes() + other + b"no end of line")
    desk.run(*renew(path)).expect(0)
    data = path.read_bytes()
    assert data.startswith(b"# of the web server\n-----BEGIN PRIVATE KEY-----")
    assert data.endswith(other + b"no end of line\n")
    pair_in(path)


def split(desk: Desk) -> tuple[Path, Path]:
    bundle = desk.pair()
    crt, key = desk.folder / "www.crt", desk.folder / "www.key"
    data = bundle.read_bytes()
    cut = data.index(b"-----BEGIN CERTIFICATE")
    key.touch(mode=0o600)
    key.write_bytes(data[:cut])
    crt.write_bytes(data[cut:])
    bundle.unlink()
    return crt, key


def clean(folder: Path) -> bool:
    """Whether nothing is left that somebody would have to remove."""
    return not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("files", [1, 2])
def test_killed_at_any_moment(desk: Desk, tmp_path: Path, files: int) -> None:
    """There is a pair always: in place or, between the replacements of two files, with its key in a hidden file, where
    the next run finds it; and so does the command ``caucase``.
    """
    crt, key = split(desk) if files == 2 else (desk.pair(),) * 2
    desk.run().expect(0)
    before, copy = tmp_path / "before", tmp_path / "copy"
    shutil.copytree(desk.folder, before)
    old = load_certificate(crt.read_bytes())
    seen, recovered = set(), set()
    for _ in kill_points(
        desk.sh, tmp_path / "kills", "--ca-url", desk.server.url, *renew(crt, key), cwd=desk.folder
    ):
        fits = is_pair(crt.read_bytes(), key.read_bytes())
        seen.add((fits, load_certificate(crt.read_bytes()) == old))
        for path in (key, *desk.folder.glob(".*.renewed")):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for path in desk.folder.glob(".caucase-sh-*"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        shutil.copytree(desk.folder, copy)
        load_pair(copy / crt.name, copy / key.name)
        shutil.rmtree(copy)
        kinds = frozenset(path.name.split("-")[0] for path in desk.folder.glob(".*"))
        if (fits, kinds) not in recovered:
            recovered.add((fits, kinds))
            # Not due, so that it only puts things right.
            desk.run("--renew-crt", crt, key).expect(0)
            assert is_pair(crt.read_bytes(), key.read_bytes())
            desk.run(*renew(crt, key)).expect(0)
            assert is_pair(crt.read_bytes(), key.read_bytes())
            assert clean(desk.folder)
        shutil.rmtree(desk.folder)
        shutil.copytree(before, desk.folder)
    assert is_pair(crt.read_bytes(), key.read_bytes())
    assert clean(desk.folder)
    moments = {(True, True), (True, False)}
    assert seen == moments | ({(False, False)} if files == 2 else set()), "each was met"


@pytest.fixture
def disk(desk: Desk) -> Iterator[Path]:
    """In the folder of the desk."""
    with mounted(desk.folder / "disk", pages=96) as folder:
        yield folder


@pytest.mark.root("mount the small disk that this needs")
@pytest.mark.parametrize("leave", range(6))
def test_a_full_disk(desk: Desk, disk: Path, leave: int) -> None:
    """Where the files are."""
    (desk.folder / "cas").symlink_to(disk)
    old = desk.pair()
    path = disk / "www.pem"
    shutil.copy2(old, path)
    files = ("--ca-crt", disk / "cas.crt.pem", "--crl", disk / "cas.crl.pem")
    desk.run(*files).expect(0)
    desk.server.cas.roll_over()
    desk.server.cas.number += 1
    fill(disk, leave=leave)
    done = desk.run(*files, *renew(path))
    pair_in(path)
    assert done.code == 0 or path.read_bytes() == old.read_bytes()
    if leave == 0:
        assert done.code == 1
    (disk / "filler").unlink()
    desk.run(*files, *renew(path)).expect(0)
    assert pair_in(path) != load_certificate(old.read_bytes())
    assert clean(disk)


@pytest.mark.root("mount the small disk that this needs")
@pytest.mark.parametrize("leave", [0, 1, 2, 4, 8, 16, 24, 32, 40])
def test_a_full_disk_for_temporary_files(
    desk: Desk, disk: Path, leave: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.pair()
    desk.run().expect(0)
    desk.server.cas.roll_over()
    desk.server.cas.number += 1
    before = {file: data for file, data in desk.files().items() if not file.startswith("disk/")}
    fill(disk, leave=leave)
    monkeypatch.setenv("TMPDIR", str(disk))
    done = desk.run(*renew(path))
    pair_in(path)
    if done.code != 0:
        assert done.err
        after = {file: data for file, data in desk.files().items() if not file.startswith("disk/")}
        for name in before:
            # Either of the files may have been replaced before there was no more space, as a whole.
            assert after[name].count(b"-----BEGIN") == after[name].count(b"-----END") > 0
    (disk / "filler").unlink()
    desk.run(*renew(path)).expect(0)
    assert os.listdir(disk) == []  # noqa: PTH208


@pytest.mark.parametrize(
    "wrong", ["another key", "no key", "two keys", "passphrase", "two certificates", "cut off", "no file"]
)
def test_a_pair_that_is_none(desk: Desk, wrong: str) -> None:
    path = desk.pair()
    data = path.read_bytes()
    cut = data.index(b"-----BEGIN CERTIFICATE")
    key, crt = data[:cut], data[cut:]
    other = dump_private_key(make_request().key)
    encrypted = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-passout", "pass:secret"],
        input=key,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    path.write_bytes({
        "another key": other + crt,
        "no key": crt,
        "two keys": key + other + crt,
        "passphrase": encrypted + crt,
        "two certificates": key + crt + crt,
        "cut off": key + crt[:-30],
        "no file": b"",
    }[wrong])  # fmt: skip
    if wrong == "no file":
        path.unlink()
    before = path.read_bytes() if path.exists() else b""
    done = desk.run(*renew(path)).expect(1)
    assert "www.pem: " in done.err or "www.pem is not" in done.err
    assert "secret" not in done.err
    assert (path.read_bytes() if path.exists() else b"") == before
    assert clean(desk.folder)
    assert ("PUT", "/cas/crt/renew") not in desk.server.seen
