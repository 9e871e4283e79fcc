"""CAs and lists go from one implementation to the other, both ways, each with its own command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from caucase.core.material import read_material

from .material import openssl, read_certificates
from .programs import IMPLEMENTATIONS, Programs, environment

SECRET = "correct horse"
SECONDS = 60


def manage(programs: Programs, folder: Path, *arguments: str) -> str:
    """Run its ``caucased-manage``; it may ask for the passphrase as often as it likes."""
    netloc = ("--netloc", "localhost:8009") if programs.ours else ()
    done = subprocess.run(
        [programs.path("caucased-manage"), *netloc, *arguments],
        cwd=folder, env=environment(), input=f"{SECRET}\n" * 20, timeout=SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two CAs of openssl's, an RSA and an EC one, and a list of the first."""
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name, key in (("rsa", ("rsa:2048",)), ("ec", ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"))):
        done = openssl(
            *("req", "-x509", "-newkey", *key, "-noenc", "-keyout", f"{name}.key", "-out", f"{name}.crt"),
            *("-subj", f"/CN={name}", "-days", "500", *usage),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
    (tmp_path / "index").touch()
    (tmp_path / "number").write_text("2A\n")
    (tmp_path / "cnf").write_text(
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=30\n"
        "crl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n"
    )
    revoke = ("ca", "-config", "cnf", "-keyfile", "rsa.key", "-cert", "rsa.crt")
    for arguments in (("-revoke", "ec.crt"), ("-gencrl", "-out", "crl.pem")):
        done = openssl(*revoke, *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.mark.parametrize(("source", "target"), [("ours", "peer"), ("peer", "ours"), ("ours", "ours")])
def test_export_and_import(folder: Path, source: str, target: str) -> None:
    """EC keys too: the peer takes them in, whatever it does with them then."""
    manage(IMPLEMENTATIONS[source](), folder, "--import-ca", "rsa.key", "--import-ca", "rsa.crt")
    manage(IMPLEMENTATIONS[source](), folder, "--import-ca", "ec.crt", "--import-ca", "ec.key")
    manage(IMPLEMENTATIONS[source](), folder, "--export-ca", "out.pem")
    new = folder / "new"
    new.mkdir()
    manage(IMPLEMENTATIONS[target](), new, "--import-ca", "../out.pem")
    manage(IMPLEMENTATIONS[target](), new, "--export-ca", "again.pem")
    subjects = {one.subject.rfc4514_string() for one in read_certificates(new / "again.pem")}
    assert subjects == {"CN=rsa", "CN=ec"}
    found = read_material("again", (new / "again.pem").read_bytes(), lambda _: SECRET.encode())
    assert len(found.keys) == 2


@pytest.mark.parametrize("name", ["ours", "peer"])
def test_a_list_of_openssl(folder: Path, name: str) -> None:
    manage(
        IMPLEMENTATIONS[name](), folder,
        "--import-ca", "rsa.key", "--import-ca", "rsa.crt", "--import-crl", "crl.pem",
    )  # fmt: skip


def test_what_the_peer_imported_is_migrated(folder: Path) -> None:
    """Its database then has no table of users, and the CA twice."""
    for _ in range(2):
        manage(IMPLEMENTATIONS["peer"](), folder, "--import-ca", "rsa.key", "--import-ca", "rsa.crt")
    manage(IMPLEMENTATIONS["peer"](), folder, "--import-crl", "crl.pem")
    new = folder / "new"
    new.mkdir()
    said = manage(IMPLEMENTATIONS["ours"](), new, "--migrate", "../caucase.sqlite")
    assert "1 CA certificates" in said
    assert "1 revocations" in said
