"""Backups across implementations: the peer's opened and rewritten here, ours listed and opened by the peer's programs."""

from __future__ import annotations

import secrets
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from caucase.core.backup import BLOCK_SIZE, Secrets, Writer, read_blocks, read_key_ids, seal_secrets
from caucase.core.backup.header import IV_SIZE
from caucase.core.x509 import load_private_key

from .material import key_id, make_request, openssl, read_certificate, same_key
from .programs import Programs, ours, peer
from .servers import running
from .wire import become_user

SECONDS = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="module")
def peers_backup(folder: Path) -> Path:
    """Made by the peer's server, which makes one when it starts and there is a user."""
    state = folder / "server"
    state.mkdir()
    made = make_request(folder, "user")
    with running(peer(), state, "--user-auto-approve-count", "1") as server:
        (folder / "user.crt.pem").write_bytes(become_user(server, made.csr_pem))
        port = server.port
    options = ["--netloc", f"127.0.0.1:{port}", "--bind", "127.0.0.1", "--backup-directory", str(folder)]
    process = subprocess.Popen(
        [peer().path("caucased"), *options],
        cwd=state, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + SECONDS
        while not (found := list(folder.glob("*.sql.caucased"))):
            assert time.monotonic() < deadline, "the peer makes no backup"
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(SECONDS)
    return found[0]


@pytest.fixture(scope="module")
def dump(folder: Path, peers_backup: Path) -> bytes:
    """What the peer's backup holds, read here with a user's key."""
    key = load_private_key((folder / "user.key.pem").read_bytes())
    with peers_backup.open("rb") as file:
        return b"".join(read_blocks(file, key))


def write(path: Path, content: bytes, *keys: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> None:
    fresh = Secrets.fresh(secrets.token_bytes)
    with path.open("wb") as file:
        writer = Writer(
            file, fresh, [seal_secrets(fresh, key) for key in keys], iv=secrets.token_bytes(IV_SIZE)
        )
        writer.write(content)
        writer.close()


def users_key(folder: Path) -> rsa.RSAPublicKey:
    public = load_private_key((folder / "user.key.pem").read_bytes()).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    return public


def others() -> Iterator[ec.EllipticCurvePublicKey]:
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        yield ec.generate_private_key(curve).public_key()


def test_our_reader_opens_the_peers_backup(dump: bytes) -> None:
    assert dump.startswith(b"BEGIN TRANSACTION;\0")
    assert dump.endswith(b"COMMIT;\0")


@pytest.mark.parametrize("programs", [ours, peer], ids=["ours", "peer"])
def test_the_peers_backup_is_listed(
    programs: Callable[[], Programs], folder: Path, peers_backup: Path
) -> None:
    said = programs().run("caucase-key-id", "--backup", peers_backup.name, cwd=folder).expect(0).out
    assert key_id(folder / "user.key.pem") in said


@pytest.mark.parametrize("blocks", [None, 1, 2], ids=["short", "a_whole_block", "two_whole_blocks"])
def test_the_peer_restores_what_our_writer_made_of_its_dump(
    blocks: int | None, dump: bytes, folder: Path, tmp_path: Path
) -> None:
    """Also where it is for EC users too, whose entries the peer does not know; and of whole blocks alone."""
    if blocks is not None:
        end = dump.rindex(b"COMMIT;")
        filling = b"/*" + b"x" * (blocks * BLOCK_SIZE - len(dump) - 4) + b"*/"
        dump = dump[:end] + filling + dump[end:]
        assert len(dump) == blocks * BLOCK_SIZE
    first, *rest = others()
    write(tmp_path / "ours.sql.caucased", dump, first, users_key(folder), *rest)
    listed = peer().run("caucase-key-id", "--backup", "ours.sql.caucased", cwd=tmp_path).expect(0).out
    assert key_id(folder / "user.key.pem") in listed
    with (tmp_path / "ours.sql.caucased").open("rb") as file:
        assert [identifier.hex() in listed for identifier in read_key_ids(file)] == [True] * 4
    make_request(tmp_path, "new")

    peer().run(
        *("caucased-manage", "--restore-backup", "ours.sql.caucased", str(folder / "user.key.pem")),
        *("new.csr.pem", "new.crt.pem"),
        cwd=tmp_path,
    ).expect(0)

    certificate = read_certificate(tmp_path / "new.crt.pem")
    assert certificate.subject == read_certificate(folder / "user.crt.pem").subject
    assert same_key(tmp_path / "new.key.pem", certificate)
    with closing(sqlite3.connect(tmp_path / "caucase.sqlite")) as connection:
        (restored,) = connection.execute("SELECT crt FROM cauca").fetchone()
    with closing(sqlite3.connect(folder / "server" / "caucase.sqlite")) as connection:
        assert connection.execute("SELECT crt FROM cauca").fetchone() == (restored,)


def test_ours_is_listed_by_the_peer(folder: Path, peers_backup: Path, tmp_path: Path) -> None:
    """With the entries of EC users; ours open it with either kind of key."""
    options = ["--netloc", "localhost:8009", "--sign-user-csr"]
    ours().run(
        "caucased-manage", *options, str(folder / "user.csr.pem"), "user.crt.pem", cwd=tmp_path
    ).expect(0)
    elliptic = openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"),
        *("-keyout", "ec.key.pem", "-out", "ec.csr.pem", "-subj", "/CN=ec"),
        cwd=tmp_path,
    )
    assert elliptic.returncode == 0, elliptic.stderr
    ours().run("caucased-manage", *options, "ec.csr.pem", "ec.crt.pem", cwd=tmp_path).expect(0)
    ours().run("caucased-manage", "--backup", ".", cwd=tmp_path).expect(0)
    (backup,) = tmp_path.glob("*.caucased")
    for program in (ours(), peer()):
        said = program.run("caucase-key-id", "--backup", backup.name, cwd=tmp_path).expect(0).out
        public = load_private_key((tmp_path / "ec.key.pem").read_bytes()).public_key()
        assert key_id(folder / "user.key.pem") in said
        assert x509.SubjectKeyIdentifier.from_public_key(public).digest.hex() in said
    for key in (str(folder / "user.key.pem"), "ec.key.pem"):
        said = ours().run("caucased-manage", "--drill", backup.name, key, cwd=tmp_path).expect(0).out
        assert "All is well" in said
