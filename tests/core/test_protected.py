"""Private keys with a passphrase: recognised, opened with the right one alone."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, PrivateFormat

from caucase.core.protected import is_protected, load_protected_key
from caucase.core.x509 import dump_private_key, spki
from caucase.errors import Malformed, NotAcceptable

FORMATS = [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL]


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256"])
@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_protected(form: PrivateFormat, kind: str, keys) -> None:
    key = keys(kind)
    pem = key.private_bytes(serialization.Encoding.PEM, form, BestAvailableEncryption("gehéim".encode()))
    assert is_protected(pem)
    assert is_protected(b"text before\n" + pem + b"text behind\n")
    assert spki(load_protected_key(pem, "gehéim").public_key()) == spki(key.public_key())
    for wrong in ("", "geheim", "x" * 2000):
        with pytest.raises(Malformed, match="passphrase"):
            load_protected_key(pem, wrong)


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_not_protected(form: PrivateFormat, keys) -> None:
    assert not is_protected(keys().private_bytes(serialization.Encoding.PEM, form, NoEncryption()))
    assert not is_protected(b"")
    with pytest.raises(Malformed):
        load_protected_key(dump_private_key(keys()), "x")


def test_a_kind_of_key_that_is_not_handled() -> None:
    from cryptography.hazmat.primitives.asymmetric import x25519

    pem = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    with pytest.raises(NotAcceptable):
        load_protected_key(pem, "x")
