"""Public keys out of certificates and requests: the quick way, and the same as the library's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from caucase.core import der
from caucase.core.keys import PublicKey
from caucase.core.spki import key_id, key_id_of, load_spki, spki, usual_spki
from caucase.core.x509 import dump_private_key, load_private_key
from tests.conftest import Keys

KINDS = ("rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519")

_RSA_ENCRYPTION = der.oid(x509.ObjectIdentifier("1.2.840.113549.1.1.1"))
_ID_EC = der.oid(x509.ObjectIdentifier("1.2.840.10045.2.1"))


def info(algorithm: bytes, bits: bytes) -> bytes:
    """A SubjectPublicKeyInfo."""
    return der.tlv(der.SEQUENCE, der.tlv(der.SEQUENCE, algorithm), der.bit_string(bits))


def compressed(key: ec.EllipticCurvePublicKey, curve: str) -> bytes:
    """RFC 5480 section 2.2: a point without its second coordinate."""
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    return info(_ID_EC + der.oid(x509.ObjectIdentifier(curve)), point)


@pytest.mark.parametrize("kind", KINDS)
def test_as_the_library_has_it(kind: str, keys: Keys) -> None:
    key = keys(kind).public_key()
    written = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert spki(load_spki(written)) == usual_spki(written) == written
    assert key_id(key) == key_id_of(written) == x509.SubjectKeyIdentifier.from_public_key(key).digest


@pytest.mark.parametrize(
    ("kind", "curve"), [("ec:P-256", "1.2.840.10045.3.1.7"), ("ec:P-384", "1.3.132.0.34")]
)
def test_a_key_has_one_form_and_one_identifier_however_it_is_written(
    kind: str, curve: str, keys: Keys
) -> None:
    """No user may have two entries for one key by writing it in another way."""
    key: PublicKey = keys(kind).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    written = compressed(key, curve)
    assert written != spki(key)
    assert usual_spki(written) == spki(load_spki(written)) == spki(key)
    assert key_id_of(usual_spki(written)) == key_id(key)


def test_a_private_key_with_a_compressed_point_belongs_to_its_certificate(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(dump_private_key(keys("ec:P-384")))
    command = ["openssl", "ec", "-in", "key.pem", "-conv_form", "compressed", "-out", "compressed.pem"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    again = load_private_key((tmp_path / "compressed.pem").read_bytes()).public_key()
    assert spki(again) == spki(keys("ec:P-384").public_key())


def test_an_rsa_key_with_more_zeros_than_it_needs_is_the_same_key_or_none(keys: Keys) -> None:
    key = keys("rsa:2048").public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    numbers = key.public_numbers()
    modulus = der.tlv(der.INTEGER, b"\x00" + numbers.n.to_bytes(257, "big"))
    written = info(
        _RSA_ENCRYPTION + der.tlv(der.NULL), der.tlv(der.SEQUENCE, modulus, der.integer(numbers.e))
    )
    try:
        usual = usual_spki(written)
    except ValueError:
        return
    assert usual == spki(key)


def test_what_is_not_on_the_curve_is_no_key(keys: Keys) -> None:
    written = spki(keys("ec:P-256").public_key())
    with pytest.raises(ValueError, match=r"."):
        load_spki(written[:-1] + bytes([written[-1] ^ 1]))
