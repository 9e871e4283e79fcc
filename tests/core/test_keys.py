"""Key types: names, strength, hashes."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st

from caucase.core.keys import KeyType, check_strength, key_type, signature_hash
from caucase.errors import Malformed, NotAcceptable

HASHES = {
    "rsa:2048": "sha256",
    "ec:P-256": "sha256",
    "ec:P-384": "sha384",
    "ec:P-521": "sha512",
    "ed25519": None,
}


@pytest.mark.parametrize("text", HASHES)
def test_a_key_has_the_type_it_was_made_with(text: str, keys) -> None:
    private = keys(text)
    assert str(KeyType.parse(text)) == text
    assert (
        key_type(private) == key_type(private.public_key()) == check_strength(private) == KeyType.parse(text)
    )
    digest = signature_hash(private)
    assert (digest.name if digest else None) == HASHES[text]


def test_large_rsa_types_are_known() -> None:
    assert [KeyType.parse(f"rsa:{bits}").size for bits in (3072, 4096, 8192)] == ["3072", "4096", "8192"]


@pytest.mark.parametrize(
    "text",
    ["", "rsa", "rsa:", "rsa:0", "rsa:-2048", "rsa:1024", "rsa:2047", "rsa:8193", "rsa:99999", "rsa:999999", "rsa:²", "rsa:2048.0", "rsa: 2048", "RSA:2048", "ec", "ec:", "ec:p-256", "ec:secp256k1", "ec:P-192", "ed25519:", "ed25519:x", "dsa:2048", ":", "rsa:٢٠٤٨"],
)  # fmt: skip
def test_an_unknown_type_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        KeyType.parse(text)


@given(st.text(max_size=20))
def test_any_text_is_a_type_or_malformed(text: str) -> None:
    try:
        kind = KeyType.parse(text)
    except Malformed:
        return
    assert KeyType.parse(str(kind)) == kind


@pytest.mark.parametrize(
    "make",
    [
        lambda: rsa.generate_private_key(65537, 1024),
        lambda: ec.generate_private_key(ec.SECP256K1()),
        lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
        lambda: dsa.generate_private_key(1024),
        ed448.Ed448PrivateKey.generate,
        object,
    ],
)
def test_a_weak_or_foreign_key_is_not_acceptable(make) -> None:
    made = make()
    with pytest.raises(NotAcceptable):
        check_strength(made)
    if hasattr(made, "public_key"):
        with pytest.raises(NotAcceptable):
            check_strength(made.public_key())


def test_a_small_exponent_is_not_acceptable() -> None:
    with pytest.raises(NotAcceptable, match="exponent"):
        check_strength(rsa.generate_private_key(3, 2048).public_key())
