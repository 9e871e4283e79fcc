"""Keys and certificates in the formats that openssl writes, encrypted or not, and what is neither."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caucase.core.material import Material, dump_encrypted, read_material
from caucase.core.spki import spki
from caucase.core.x509 import public_key
from caucase.errors import CaucaseError, Malformed

SECRET = b"correct horse"


class Asked:
    """Answers with the secret, and remembers what it was asked about."""

    def __init__(self, answer: bytes = SECRET) -> None:
        self.answer = answer
        self.places: list[str] = []

    def __call__(self, place: str) -> bytes:
        self.places.append(place)
        return self.answer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What openssl makes of an RSA and an EC key with their certificates."""
    folder = tmp_path_factory.mktemp("openssl")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, timeout=60, capture_output=True)

    ec = ("-pkeyopt", "ec_paramgen_curve:P-256")
    for kind, options in (("rsa", ("-newkey", "rsa:2048")), ("ec", ("-newkey", "ec", *ec))):
        openssl(
            "req",
            "-x509",
            *options,
            "-noenc",
            "-keyout",
            f"{kind}.pkcs8",
            "-out",
            f"{kind}.crt",
            "-subj",
            "/CN=x",
        )
        openssl("pkey", "-in", f"{kind}.pkcs8", "-traditional", "-out", f"{kind}.traditional")
        openssl("pkey", "-in", f"{kind}.pkcs8", "-outform", "DER", "-out", f"{kind}.der")
        openssl("x509", "-in", f"{kind}.crt", "-outform", "DER", "-out", f"{kind}.crt.der")
        secret = ("-aes256", "-passout", f"pass:{SECRET.decode()}")
        openssl("pkey", "-in", f"{kind}.pkcs8", *secret, "-out", f"{kind}.encrypted")
        both = ("-v2", "aes256", "-passout", f"pass:{SECRET.decode()}", "-outform", "DER")
        openssl("pkcs8", "-topk8", "-in", f"{kind}.pkcs8", *both, "-out", f"{kind}.encrypted.der")
        openssl(
            kind,
            "-in",
            f"{kind}.traditional",
            *(("-traditional",) if kind == "rsa" else ()),
            *secret,
            "-out",
            f"{kind}.old",
        )
        both = ("-inkey", f"{kind}.pkcs8", "-in", f"{kind}.crt")
        openssl("pkcs12", "-export", *both, "-out", f"{kind}.p12", "-passout", f"pass:{SECRET.decode()}")
        openssl(
            "pkcs12",
            "-export",
            *both,
            "-out",
            f"{kind}.open.p12",
            "-passout",
            "pass:",
            "-keypbe",
            "NONE",
            "-certpbe",
            "NONE",
            "-nomac",
        )
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", "ec.parameters")
    return folder  # fmt: skip


def read(path: Path, ask: Asked) -> Material:
    return read_material(path.name, path.read_bytes(), ask)


@pytest.mark.parametrize("kind", ["rsa", "ec"])
@pytest.mark.parametrize(
    ("form", "encrypted"),
    [("pkcs8", False), ("traditional", False), ("der", False), ("encrypted", True), ("encrypted.der", True), ("old", True)],
)  # fmt: skip
def test_a_key(made: Path, kind: str, form: str, encrypted: bool) -> None:
    ask = Asked()
    found = read(made / f"{kind}.{form}", ask)
    (certificate,) = read(made / f"{kind}.crt", ask).certificates
    (key,) = found.keys
    assert spki(key.key.public_key()) == spki(public_key(certificate.certificate))
    assert found.certificates == found.skipped == ()
    assert len(ask.places) == encrypted
    assert "PrivateKey" not in repr(found)


@pytest.mark.parametrize("kind", ["rsa", "ec"])
@pytest.mark.parametrize(("form", "asked"), [("p12", ["{}.p12"]), ("open.p12", [])])
def test_pkcs12(made: Path, kind: str, form: str, asked: list[str]) -> None:
    ask = Asked()
    found = read(made / f"{kind}.{form}", ask)
    assert (len(found.keys), len(found.certificates)) == (1, 1)
    assert ask.places == [place.format(kind) for place in asked]


def test_a_certificate_in_der(made: Path) -> None:
    assert len(read(made / "ec.crt.der", Asked()).certificates) == 1


def test_everything_in_one_file(made: Path) -> None:
    parts = ["ec.encrypted", "rsa.crt", "ec.parameters", "rsa.old", "ec.crt", "rsa.pkcs8"]
    ask = Asked()
    found = read_material("all", b"# a comment\n".join((made / part).read_bytes() for part in parts), ask)
    assert len(found.certificates) == 2
    assert [key.place for key in found.keys] == [f"all, block {number}" for number in (1, 4, 5, 7)]
    assert ask.places == ["all, block 1", "all, block 5"]
    assert found.skipped == ()


@pytest.mark.parametrize("form", ["encrypted", "encrypted.der", "old", "p12"])
def test_a_wrong_passphrase(made: Path, form: str) -> None:
    for answer in (b"wrong", b""):
        with pytest.raises(Malformed, match="passphrase is wrong") as caught:
            read(made / f"rsa.{form}", Asked(answer))
        assert f"rsa.{form}" in str(caught.value)


def test_other_blocks_are_skipped_and_named(made: Path, make_csr) -> None:
    found = read_material("x", make_csr() + (made / "ec.crt").read_bytes(), Asked())
    assert len(found.certificates) == 1
    assert found.skipped == ("x, block 1: CERTIFICATE REQUEST is neither a key nor a certificate.",)


@pytest.mark.parametrize("algorithm", ["x25519", "ed448"])
def test_a_kind_of_key_that_is_of_no_use(tmp_path: Path, algorithm: str) -> None:
    for form in ("PEM", "DER"):
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", algorithm, "-outform", form, "-out", form],
            cwd=tmp_path, check=True, timeout=60,
        )  # fmt: skip
        found = read(tmp_path / form, Asked())
        assert found.keys == ()
        assert "not supported" in found.skipped[0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN ",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n",
        b"0",
        b"0\x00",
        b"0\x82\xff\xff\x02\x01\x03",
        b"0\x03\x02\x01\x03",
        b"0\x03\x02\x01\x00",
        b"0\xff" + b"\xff" * 127,
    ],
    ids=range(14),
)
def test_nothing_of_use(data: bytes) -> None:
    with pytest.raises(CaucaseError) as caught:
        read_material("the file", data, Asked())
    assert "the file" in str(caught.value)


@settings(deadline=None)  # a busy machine is no failure
@given(data=st.binary(max_size=200), place=st.integers(0, 2000))
def test_changed_anywhere(made: Path, data: bytes, place: int) -> None:
    for name in ("ec.p12", "ec.crt", "ec.encrypted.der"):
        whole = (made / name).read_bytes()
        try:
            read_material("x", whole[:place] + data + whole[place + len(data) :], Asked())
        except CaucaseError as error:
            assert str(error).startswith("x")


def test_what_is_exported_is_encrypted_well(keys) -> None:
    for kind in ("rsa:2048", "ec:P-256"):
        pem = dump_encrypted(keys(kind), SECRET)
        assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        (found,) = read_material("x", pem, Asked()).keys
        assert spki(found.key.public_key()) == spki(keys(kind).public_key())
        shown = subprocess.run(
            ["openssl", "asn1parse"], input=pem, capture_output=True, check=True, timeout=60
        ).stdout  # fmt: skip
        for part in (b"PBES2", b"PBKDF2", b"hmacWithSHA256", b"aes-256-cbc"):
            assert part in shown
