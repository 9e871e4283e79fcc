"""Private keys in PEM: they come back, whoever wrote them, and what is not one of ours is refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed448

from caucase.core import x509 as core
from caucase.core.spki import spki
from caucase.errors import Malformed, NotAcceptable

from . import der
from .der import pem

CERTIFICATE = pem("CERTIFICATE", der.certificate())


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"])
def test_private_keys_come_back(kind: str, keys) -> None:
    key = keys(kind)
    for again in (
        core.load_private_key(core.dump_private_key(key)),
        core.load_private_key(CERTIFICATE + core.dump_private_key(key).replace(b"\n", b"\r\n")),
        core.load_private_key_der(core.dump_private_key_der(key)),
    ):
        assert spki(again.public_key()) == spki(key.public_key())


def test_traditional_private_keys_are_read(keys) -> None:
    for kind in ("rsa:2048", "ec:P-256"):
        form = serialization.PrivateFormat.TraditionalOpenSSL
        data = keys(kind).private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        assert spki(core.load_private_key(data).public_key()) == spki(keys(kind).public_key())


def test_not_one_private_key(keys) -> None:
    key = core.dump_private_key(keys())
    for data in (b"", key + key, key[:-20], CERTIFICATE, pem("PRIVATE KEY", b"zz")):
        with pytest.raises(Malformed):
            core.load_private_key(data)
    with pytest.raises(NotAcceptable):
        core.load_private_key(core.dump_private_key(ed448.Ed448PrivateKey.generate()))


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_private_key_with_a_passphrase(form: str, keys) -> None:
    data = keys("rsa:2048").private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(Malformed, match="passphrase"):
        core.load_private_key(data)
