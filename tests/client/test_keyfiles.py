"""Keys and certificates in files: nothing is lost, nothing is readable by others, whatever happens in between."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from cryptography import x509

from caucase.client import (
    keyfiles,
    load_pair,
    make_request,
    replace_pair,
    save_certificate,
    save_new_key,
    save_request,
)
from caucase.core.keys import PrivateKey
from caucase.core.spki import spki
from caucase.core.x509 import dump_pem, dump_private_key, public_key
from caucase.errors import Conflict, Malformed
from caucase.host.files import write_atomic

from .simulator import Authority, new_key


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Test CAS")


def _made(authority: Authority, key: PrivateKey) -> x509.Certificate:
    csr = make_request(key, x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www")]), [])
    return x509.load_pem_x509_certificate(authority.sign(csr, dump_pem(csr)))


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_pair_in_one_file(folder: Path, authority: Authority) -> None:
    key, path = new_key(), folder / "www.pem"
    certificate = _made(authority, key)
    path.write_bytes(dump_pem(certificate) + dump_private_key(key))
    pair = load_pair(path, folder / "missing")
    assert pair.certificate == certificate
    assert (pair.crt_path, pair.key_path) == (path, path)
    assert "PRIVATE" not in repr(pair)


@pytest.mark.parametrize(
    "wrong", ["no key", "other key", "two keys", "two certificates", "passphrase", "no certificate"]
)
def test_pair_that_is_none(folder: Path, authority: Authority, wrong: str) -> None:
    key = new_key()
    crt, private = dump_pem(_made(authority, key)), dump_private_key(key)
    other = dump_private_key(new_key())
    contents = {
        "no key": (crt, b""),
        "other key": (crt, other),
        "two keys": (crt, private + other),
        "two certificates": (crt + crt, private),
        "passphrase": (crt, private.replace(b"PRIVATE", b"ENCRYPTED PRIVATE")),
        "no certificate": (private, private),
    }[wrong]
    for name, content in zip(("www.crt", "www.key"), contents, strict=True):
        (folder / name).write_bytes(content)
    with pytest.raises(Malformed, match=r"www\."):
        load_pair(folder / "www.crt", folder / "www.key")


def test_replacing_one_file_keeps_all_else(folder: Path, authority: Authority) -> None:
    key, new, path = new_key(), new_key(), folder / "www.pem"
    parts = (
        b"# of the web server\n",
        dump_private_key(key),
        b"-- between --\n",
        dump_pem(_made(authority, key)).rstrip(),
    )
    path.write_bytes(b"".join(parts))
    path.chmod(0o640)
    renewed = _made(authority, new)
    replace_pair(load_pair(path, path), renewed, new)
    assert path.read_bytes() == b"".join((parts[0], dump_private_key(new), parts[2], dump_pem(renewed)))
    assert _mode(path) == 0o640
    assert [item.name for item in folder.iterdir()] == ["www.pem"]


def test_replacing_two_files(folder: Path, authority: Authority) -> None:
    crt, private, key, new = folder / "www.crt", folder / "www.key", new_key(), new_key()
    crt.write_bytes(dump_pem(_made(authority, key)))
    private.write_bytes(dump_private_key(key))
    private.chmod(0o600)
    replace_pair(load_pair(crt, private), _made(authority, new), new)
    assert spki(load_pair(crt, private).key.public_key()) == spki(new.public_key())
    assert _mode(private) == 0o600
    assert _mode(crt) == 0o644
    assert {path.name for path in folder.iterdir()} == {"www.crt", "www.key"}


@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize("stop", range(7))
def test_interrupted_replacement(
    folder: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, stop: int, files: int
) -> None:
    """Before each change of the disk in turn, the power fails: afterwards there is a pair that fits."""
    key, new = new_key(), new_key()
    crt, private = folder / "www.crt", folder / ("www.key" if files == 2 else "www.crt")
    private.write_bytes(dump_private_key(key))
    with crt.open("ab") as file:
        file.write(dump_pem(_made(authority, key)))
    changes = 0

    def count() -> None:
        nonlocal changes
        changes += 1
        if changes > stop:
            raise KeyboardInterrupt

    def failing_write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
        count()
        write_atomic(path, data, mode=mode)

    unlink = Path.unlink

    def failing_unlink(path: Path, missing_ok: bool = False) -> None:
        if path.exists():
            count()
        unlink(path, missing_ok)

    pair = load_pair(crt, private)
    with monkeypatch.context() as patched:
        patched.setattr(keyfiles, "write_atomic", failing_write)
        patched.setattr(Path, "unlink", failing_unlink)
        renewed = _made(authority, new)
        with contextlib.suppress(KeyboardInterrupt):
            replace_pair(pair, renewed, new)

    after = load_pair(crt, private)
    assert spki(public_key(after.certificate)) == spki(after.key.public_key())
    finished = 1 if files == 1 else 2
    assert (after.certificate == renewed) == (stop >= finished)
    for path in folder.glob(".*"):
        assert _mode(path) == 0o600
    # And whatever was left behind does not disturb the next one.
    last = new_key()
    replace_pair(after, _made(authority, last), last)
    assert spki(load_pair(crt, private).key.public_key()) == spki(last.public_key())
    assert not list(folder.glob(".*"))


def test_certificate_beside_its_key(folder: Path, authority: Authority) -> None:
    key, path = new_key(), folder / "www.key"
    path.write_bytes(dump_private_key(key).rstrip())
    path.chmod(0o600)
    certificate = _made(authority, key)
    save_certificate(path, certificate)
    assert path.read_bytes() == dump_private_key(key) + dump_pem(certificate)
    assert _mode(path) == 0o600
    before = path.stat().st_ino
    save_certificate(path, certificate)
    assert path.stat().st_ino == before
    with pytest.raises(Conflict):
        save_certificate(path, _made(authority, key))


def test_certificate_in_a_file_of_its_own(folder: Path, authority: Authority) -> None:
    certificate = _made(authority, new_key())
    save_certificate(folder / "www.crt", certificate)
    assert (folder / "www.crt").read_bytes() == dump_pem(certificate)


@pytest.mark.parametrize("keys", [0, 1, 2])
def test_certificate_beside_something_else(folder: Path, authority: Authority, keys: int) -> None:
    path = folder / "www.key"
    content = b"text\n" + dump_private_key(new_key()) * keys
    path.write_bytes(content)
    with pytest.raises(Malformed, match=r"www\.key"):
        save_certificate(path, _made(authority, new_key()))
    assert path.read_bytes() == content


def test_new_key(folder: Path) -> None:
    save_new_key(folder / "new.key", new_key())
    assert _mode(folder / "new.key") == 0o600
    with pytest.raises(FileExistsError):
        save_new_key(folder / "new.key", new_key())


def test_requests_are_appended(folder: Path) -> None:
    csr = make_request(new_key(), x509.Name([]), [])
    for _ in range(2):
        save_request(folder / "www.csr", csr)
    assert (folder / "www.csr").read_bytes() == dump_pem(csr) * 2
