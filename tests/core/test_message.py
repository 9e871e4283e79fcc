"""Signed messages: bytes, digests, keys, and what is not one."""

from __future__ import annotations

import base64
import json
import tracemalloc

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from caucase.core import message
from caucase.core.message import SignedMessage
from caucase.core.pem import PEM_LIMIT
from caucase.errors import Malformed, TooLarge

KINDS = ["rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"]
DIGESTS = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
WIRE = {"payload": "{}", "digest": "sha256", "signature": "AAAA"}


def pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.MAX_LENGTH)


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind: str, keys) -> None:
    made = message.sign({"a": "é", "b": 1}, keys(kind))
    read = message.parse(made.dump())
    assert read == made
    assert read.digest == "sha256"
    assert not read.is_null
    assert read.fields == {"a": "é", "b": 1}
    read.check(keys(kind).public_key())


@pytest.mark.parametrize("kind", KINDS)
def test_signature_of_another_key_is_refused(kind: str, keys) -> None:
    made = message.sign({}, keys(kind))
    for other in [*(keys(name) for name in KINDS if name != kind), keys(kind, 1)]:
        with pytest.raises(Malformed, match="not signed with the key"):
            made.check(other.public_key())


@pytest.mark.parametrize("name", DIGESTS)
def test_signed_bytes_are_payload_digest_and_a_space(name: str, keys) -> None:
    """The wire format, made here without the code under test."""
    payload, digest, key = '{"crt_pem": "é"}', DIGESTS[name], keys("rsa:2048")
    signature = key.sign(f"{payload}{name} ".encode(), pss(digest), digest)
    SignedMessage(payload=payload, digest=name, signature=signature).check(key.public_key())
    for other in set(DIGESTS) - {name}:
        with pytest.raises(Malformed):
            SignedMessage(payload=payload, digest=other, signature=signature).check(key.public_key())
    elliptic = keys("ec:P-384")
    signature = elliptic.sign(f"{payload}{name} ".encode(), ec.ECDSA(digest))
    SignedMessage(payload=payload, digest=name, signature=signature).check(elliptic.public_key())


def test_another_padding_is_refused(keys) -> None:
    key = keys("rsa:2048")
    signature = key.sign(b"{}sha256 ", padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(Malformed):
        SignedMessage(payload="{}", digest="sha256", signature=signature).check(key.public_key())


@pytest.mark.parametrize("bits", [1024, 2048])
def test_a_key_too_small_for_the_digest_is_malformed_at_worst(bits: int) -> None:
    key = rsa.generate_private_key(65537, bits).public_key()
    for digest in DIGESTS:
        with pytest.raises(Malformed):
            SignedMessage(payload="{}", digest=digest, signature=b"\0" * (bits // 8)).check(key)


def test_null_message() -> None:
    made = message.null({"revoke_serial": 7})
    assert made.is_null
    assert made.to_json() == {"payload": '{"revoke_serial": 7}', "digest": None}
    assert message.parse(made.dump()) == made


def test_null_message_proves_nothing(keys) -> None:
    with pytest.raises(Malformed, match="not signed"):
        message.null({}).check(keys().public_key())


def test_base64_may_be_wrapped() -> None:
    wrapped = message.from_json({**WIRE, "signature": "AA\r\nAA\n"})
    assert wrapped.signature == b"\0\0\0"


def test_null_digest_drops_the_signature() -> None:
    assert message.from_json({**WIRE, "digest": None}) == SignedMessage(
        payload="{}", digest=None, signature=b""
    )


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"null", b"[]", b'"x"', b"1", b"{", b"{}", b"{} {}", b"\xef\xbb\xbf", b"NaN",
        b'{"payload": "{}", "payload": "{}", "digest": null}',
        b"[" * 100_000, b'{"a":' * 4_000, b'{"payload": ' + b"9" * 10_000 + b"}",
    ],
)  # fmt: skip
def test_not_a_message(data: bytes) -> None:
    with pytest.raises(Malformed):
        message.parse(data)


@pytest.mark.parametrize(
    "change",
    [
        {"payload": None}, {"payload": {}}, {"payload": 1}, {"digest": "md5"}, {"digest": "sha1"}, {"digest": "SHA256"},
        {"digest": ""}, {"digest": 1}, {"digest": ["sha256"]}, {"digest": {}}, {"signature": None}, {"signature": 1},
        {"signature": "A"}, {"signature": "AAA"}, {"signature": "é"}, {"signature": "AA-_"},
        {"signature": "\ud800"},
    ],
)  # fmt: skip
def test_wrong_fields(change: dict[str, object]) -> None:
    message.from_json(WIRE)
    with pytest.raises(Malformed):
        message.from_json({**WIRE, **change})


@pytest.mark.parametrize("missing", WIRE)
def test_missing_fields(missing: str) -> None:
    with pytest.raises(Malformed):
        message.from_json({name: value for name, value in WIRE.items() if name != missing})


def test_half_a_surrogate_pair_in_the_payload(keys) -> None:
    read = message.parse(b'{"payload": "\\ud800", "digest": "sha256", "signature": ""}')
    with pytest.raises(Malformed):
        read.check(keys().public_key())
    with pytest.raises(Malformed):
        _ = read.fields


@pytest.mark.parametrize(
    "payload", ["", "[]", "1", "{", '{"a": 1, "a": 2}', '{"b": {"a": 1, "a": 2}}', "[" * 100_000, "\0"]
)
def test_payload_that_is_not_an_object(payload: str) -> None:
    with pytest.raises(Malformed):
        SignedMessage(payload=payload, digest=None, signature=b"").text("a")


@pytest.mark.parametrize("value", [None, 1, ["x"], {"x": "y"}, True])
def test_field_that_is_not_text(value: object) -> None:
    with pytest.raises(Malformed, match="no text field 'a'"):
        message.null({"a": value}).text("a")


def test_tampering_is_seen(keys) -> None:
    made = message.sign({"serial": 1}, keys("rsa:2048"))
    forged = SignedMessage(payload='{"serial": 2}', digest=made.digest, signature=made.signature)
    with pytest.raises(Malformed):
        forged.check(keys("rsa:2048").public_key())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=4,
)
FIELD = st.sampled_from(["payload", "digest", "signature"])


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.dictionaries(FIELD | st.text(), JSON).map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {
            "payload": st.text() | JSON.map(json.dumps),
            "digest": st.none() | st.sampled_from(["sha256", "sha384", "sha512"]),
            "signature": st.binary().map(lambda raw: base64.b64encode(raw).decode()),
        }
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    key = FUZZ_KEY.public_key()
    try:
        read = message.parse(data)
        assert message.parse(read.dump()) == read
        read.text("crt_pem")
        read.check(key)
    except Malformed:
        return
    pytest.fail("accepted")


FUZZ_KEY = ec.generate_private_key(ec.SECP256R1())


def test_longest_message() -> None:
    """The limit is beyond a request and a certificate of the longest kind there is."""
    pem = "-----BEGIN X-----\n" + ("A" * 64 + "\n") * (PEM_LIMIT // 65) + "-----END X-----\n"
    payload = json.dumps({"crt_pem": pem, "renew_csr_pem": pem})
    data = json.dumps({"payload": payload, "digest": "sha256", "signature": "A" * 1400}).encode()
    assert len(data) < message.MESSAGE_LIMIT
    assert message.parse(data).payload == payload
    with pytest.raises(TooLarge):
        message.parse(data + b" " * message.MESSAGE_LIMIT)


@pytest.mark.parametrize("part", [b"[],", b'{"":0},', b'"a":0,', b"{},"])
def test_brackets_are_counted_before_they_are_read(part: bytes) -> None:
    """A list takes 56 bytes and an object 64, whatever is in them."""
    data = b"[" + part * (10**6 // len(part)) + b"0]"
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="too many parts"):
            message.load_json(data, "text")
        assert tracemalloc.get_traced_memory()[1] < 10**5
    finally:
        tracemalloc.stop()


def test_a_long_header_of_a_backup_has_few_parts() -> None:
    entry = {
        "id": "0" * 40,
        "cipher": {"name": "ecdh_hkdf_sha256_aes256_wrap", "parameter": "0" * 130},
        "key": "0" * 144,
    }
    assert message.load_json(json.dumps([entry] * 10_000), "text") == [entry] * 10_000
