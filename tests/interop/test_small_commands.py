"""caucase-probe, caucase-rerequest and caucase-key-id, of both implementations."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from .desk import Desk
from .material import key_id, make_request, openssl, read_key
from .programs import IMPLEMENTATIONS, Programs

COMMANDS = ("caucased", "caucase", "caucase-probe", "caucase-rerequest", "caucase-key-id")


@pytest.fixture(params=list(IMPLEMENTATIONS))
def programs(request: pytest.FixtureRequest) -> Programs:
    return IMPLEMENTATIONS[request.param]()


def test_probe(desk: Desk) -> None:
    desk.command("caucase-probe", desk.server.url).expect(0)
    assert desk.command("caucase-probe", "http://127.0.0.1:1").code != 0


def test_rerequest(programs: Programs, tmp_path: Path) -> None:
    asked = ("subjectAltName=DNS:www.example,IP:192.0.2.1", "keyUsage=critical,digitalSignature")
    template = make_request(tmp_path, "www", extensions=asked)
    arguments = ("--template", template.csr, "--csr", "new.csr", "--key", "new.key", "--key-len", "3072")
    programs.run("caucase-rerequest", *arguments, cwd=tmp_path).expect(0)

    old = x509.load_pem_x509_csr(template.csr_pem)
    new = x509.load_pem_x509_csr((tmp_path / "new.csr").read_bytes())
    assert new.is_signature_valid
    assert new.subject == old.subject
    assert list(new.extensions) == list(old.extensions)
    key = read_key(tmp_path / "new.key")
    assert key.public_key().public_numbers() == new.public_key().public_numbers()  # type: ignore[union-attr]
    assert key.key_size == 3072
    assert (tmp_path / "new.key").stat().st_mode & 0o777 == 0o600
    assert openssl("req", "-in", "new.csr", "-verify", "-noout", cwd=tmp_path).returncode == 0


def test_rerequest_of_what_is_no_request(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("not a request\n")
    arguments = ("--template", "note.txt", "--csr", "new.csr", "--key", "new.key")
    assert programs.run("caucase-rerequest", *arguments, cwd=tmp_path).code != 0
    assert not (tmp_path / "new.csr").exists()


def test_key_id(programs: Programs, tmp_path: Path) -> None:
    one, two = make_request(tmp_path, "one"), make_request(tmp_path, "two")
    printed = programs.run("caucase-key-id", "--private-key", one.key, two.key, cwd=tmp_path).expect(0).out
    ids = [f"{made.key} {_written(programs, key_id(made.key_path))}" for made in (one, two)]
    assert printed.splitlines() == ids


def test_key_id_of_what_is_no_key(programs: Programs, tmp_path: Path) -> None:
    made = make_request(tmp_path, "www")
    assert programs.run("caucase-key-id", "--private-key", made.csr, cwd=tmp_path).code != 0


@pytest.mark.parametrize("command", COMMANDS)
def test_version_and_help(programs: Programs, tmp_path: Path, command: str) -> None:
    assert programs.run(command, "--version", cwd=tmp_path).expect(0).out.strip()
    assert "usage" in programs.run(command, "--help", cwd=tmp_path).expect(0).out.lower()
    assert programs.run(command, "--no-such-option", cwd=tmp_path).code != 0


def _written(programs: Programs, identifier: str) -> str:
    """The peer prints the id as Python writes bytes; ours prints the id."""
    return identifier if programs.ours else f"b'{identifier}'"
