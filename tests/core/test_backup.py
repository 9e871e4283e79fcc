"""The backup container: what was written comes back, and nothing else does."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caucase.core.backup import (
    BLOCK_SIZE,
    Secrets,
    Writer,
    open_secrets,
    read_blocks,
    read_header,
    read_key_ids,
    seal_secrets,
)
from caucase.core.backup.header import HEADER_LIMIT, MAGIC, STREAM_CIPHER
from caucase.core.keys import KeyType, PrivateKey
from caucase.core.spki import key_id
from caucase.errors import Malformed, NotAcceptable

KINDS = ["rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ec:P-521"]
BLOCK = 64
IV = bytes(range(16))

Keys = Callable[..., PrivateKey]
SECRETS = Secrets(hmac_key=b"m" * 32, aes_key=b"a" * 32)


def backup(data: bytes, *readers: PrivateKey, block_size: int = BLOCK, pieces: int = 1) -> bytes:
    stream = io.BytesIO()
    entries = [seal_secrets(SECRETS, reader.public_key()) for reader in readers]
    writer = Writer(stream, SECRETS, entries, iv=IV, block_size=block_size)
    size = max(1, -(-len(data) // pieces))
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
    writer.close()
    return stream.getvalue()


def data_of(container: bytes, key: PrivateKey, *, block_size: int = BLOCK) -> bytes:
    return b"".join(read_blocks(io.BytesIO(container), key, block_size=block_size))


def handed_out(container: bytes, key: PrivateKey) -> tuple[bytes, bool]:
    """What a caller got, and whether it was told that this is not all."""
    got = b""
    try:
        for block in read_blocks(io.BytesIO(container), key, block_size=BLOCK):
            got += block
    except Malformed:
        return got, True
    return got, False


def header_length(container: bytes) -> int:
    (length,) = struct.unpack_from("<I", container, len(MAGIC))
    return len(MAGIC) + 4 + int(length)


def with_header(fields: Any, rest: bytes = b"") -> bytes:
    encoded = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return MAGIC + struct.pack("<I", len(encoded)) + encoded + rest


@pytest.mark.parametrize("kind", KINDS)
def test_everyone_it_was_made_for_opens_it(kind: str, keys: Keys) -> None:
    readers = [keys("ec:P-256", 7), keys(kind, 1), keys("rsa:2048", 7)]
    container = backup(b"content", *readers)
    for reader in readers:
        assert data_of(container, reader) == b"content"
    assert read_key_ids(io.BytesIO(container)) == [key_id(reader.public_key()) for reader in readers]
    with pytest.raises(Malformed, match="does not open"):
        data_of(container, keys(kind, 2))


def test_nothing_is_encrypted_for_a_key_that_only_signs(keys: Keys) -> None:
    with pytest.raises(NotAcceptable):
        seal_secrets(SECRETS, keys("ed25519").public_key())


def test_anybody_can_make_one_for_a_certificate(keys: Keys) -> None:
    """With secrets of their own, and no key: nothing says who made it. docs/security.md names this gap."""
    user = keys("rsa:2048", 7)
    forged, stream = Secrets(hmac_key=b"M" * 32, aes_key=b"A" * 32), io.BytesIO()
    writer = Writer(stream, forged, [seal_secrets(forged, user.public_key())], iv=IV, block_size=BLOCK)
    writer.write(b"CA keys of my own")
    writer.close()
    assert data_of(stream.getvalue(), user) == b"CA keys of my own"


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 129, 64 * 5, 64 * 5 + 1])
@pytest.mark.parametrize("block_size", [64, 60])
def test_every_length_comes_back(size: int, block_size: int, keys: Keys) -> None:
    data = random.Random(size).randbytes(size)
    container = backup(data, keys(), block_size=block_size)
    assert data_of(container, keys(), block_size=block_size) == data


@given(data=st.binary(max_size=400), pieces=st.integers(1, 50), block_size=st.integers(1, 100))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_it_is_cut_into_pieces(data: bytes, pieces: int, block_size: int, keys: Keys) -> None:
    container = backup(data, keys(), block_size=block_size, pieces=pieces)
    assert container[header_length(container) :] == _expected_stream(data, block_size)
    assert data_of(container, keys(), block_size=block_size) == data


def _expected_stream(data: bytes, block_size: int) -> bytes:
    """By the letter of the description, all at once."""
    clear = b""
    for start in range(0, max(len(data), 1), block_size):
        end = min(start + block_size, len(data))
        clear += data[start:end] + hmac.digest(SECRETS.hmac_key, data[:end], hashlib.sha256)
    missing = 16 - len(clear) % 16
    encryptor = Cipher(algorithms.AES(SECRETS.aes_key), modes.CBC(IV)).encryptor()
    return encryptor.update(clear + bytes([missing]) * missing) + encryptor.finalize()


def test_the_header_is_as_described(keys: Keys) -> None:
    rsa, elliptic = keys("rsa:2048"), keys("ec:P-384")
    container = backup(b"x", rsa, elliptic)
    assert container[:8] == b"caucase\0"
    fields = json.loads(container[12 : header_length(container)])
    assert fields["cipher"] == {"name": "aes256_cbc_pkcs7_hmac_10M_sha256", "parameter": IV.hex()}
    first, second = fields["key_list"]
    assert first["id"] == key_id(rsa.public_key()).hex()
    assert first["cipher"] == {"name": "rsa_oaep_sha1_mgf1_sha1"}
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    assert rsa.decrypt(bytes.fromhex(first["key"]), oaep) == b"m" * 32 + b"a" * 32

    # docs/backup-format.md, step by step.
    assert second["cipher"]["name"] == "ecdh_hkdf_sha256_aes256_wrap"
    point = bytes.fromhex(second["cipher"]["parameter"])
    assert point[0] == 4
    assert len(point) == 1 + 2 * 48
    shared = elliptic.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point))
    numbers = elliptic.public_key().public_numbers()
    recipient = b"\x04" + numbers.x.to_bytes(48, "big") + numbers.y.to_bytes(48, "big")
    info = b"ecdh_hkdf_sha256_aes256_wrap\0" + point + recipient
    wrapping = HKDF(hashes.SHA256(), 32, None, info).derive(shared)
    assert aes_key_unwrap(wrapping, bytes.fromhex(second["key"])) == b"m" * 32 + b"a" * 32


def test_the_block_size_of_the_format() -> None:
    assert BLOCK_SIZE == 10 * 1024 * 1024


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256"])
def test_cut_off_anywhere(kind: str, keys: Keys) -> None:
    key = keys(kind)
    data = random.Random(1).randbytes(3 * BLOCK + 20)
    container = backup(data, key)
    for length in range(len(container)):
        got, is_refused = handed_out(container[:length], key)
        assert is_refused, length
        assert data.startswith(got)
    # With whole blocks of data the end of a block is the end of a cipher block, too.
    whole = backup(data[: 3 * BLOCK], key)
    assert handed_out(whole, key) == (data[: 3 * BLOCK], False)
    for length in range(header_length(whole), len(whole)):
        assert handed_out(whole[:length], key)[1], length


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256"])
def test_a_bit_turned_anywhere(kind: str, keys: Keys) -> None:
    key = keys(kind)
    data = random.Random(2).randbytes(3 * BLOCK + 20)
    container = backup(data, keys("ec:P-384", 3), key)
    start = header_length(container)
    for position in range(len(container)):
        for bit in range(8) if position >= start else (position % 8,):
            changed = bytearray(container)
            changed[position] ^= 1 << bit
            got, is_refused = handed_out(bytes(changed), key)
            if is_refused:
                assert data.startswith(got), position
            else:
                # Another reader's entry, or the case of a hexadecimal digit: it says the same to this key.
                assert position < start
                assert got == data


def test_blocks_exchanged_repeated_or_left_out(keys: Keys) -> None:
    data = random.Random(3).randbytes(4 * BLOCK)
    container = backup(data, keys())
    start, sealed = header_length(container), BLOCK + 32
    blocks = [container[start + i * sealed : start + (i + 1) * sealed] for i in range(4)]
    end = container[start + 4 * sealed :]
    for order in ([1, 0, 2, 3], [0, 0, 1, 2, 3], [0, 2, 3], [1, 2, 3], [0, 1, 2], [0, 1, 2, 3, 3], []):
        changed = container[:start] + b"".join(blocks[i] for i in order) + end
        got, is_refused = handed_out(changed, keys())
        assert is_refused, order
        assert data.startswith(got)


@pytest.mark.parametrize("addition", [b"x", b"x" * 16, bytes(1000)])
def test_something_behind_the_end(addition: bytes, keys: Keys) -> None:
    assert handed_out(backup(b"content", keys()) + addition, keys()) == (b"", True)


def test_not_a_backup(keys: Keys) -> None:
    for content in (b"", b"caucas", MAGIC, MAGIC + b"\0\0\0", b"SQLite format 3\0" * 10):
        with pytest.raises(Malformed):
            data_of(content, keys())


def test_a_header_of_4_gib_is_not_read(keys: Keys) -> None:
    class Endless(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            self.largest = max(self.largest, size)
            return super().read(size)

    for length in (HEADER_LIMIT + 1, 2**32 - 1):
        stream = Endless(MAGIC + struct.pack("<I", length) + b"{}")
        with pytest.raises(Malformed, match="larger"):
            list(read_blocks(stream, keys()))
        assert stream.largest <= 8


GOOD_CIPHER = {"name": STREAM_CIPHER, "parameter": IV.hex()}
GOOD_KEY = {"id": "00" * 20, "cipher": {"name": "rsa_oaep_sha1_mgf1_sha1"}, "key": "00" * 256}


@pytest.mark.parametrize(
    "header",
    [
        b"", b"{", b"\xff\xfe", b"[]", b"null", b"1", b"[" * 100_000, b'{"a":' * 100_000, b'{"a": 1, "a": 2}',
        {}, {"cipher": GOOD_CIPHER}, {"key_list": []}, {"cipher": GOOD_CIPHER, "key_list": {}},
        {"cipher": "aes", "key_list": []}, {"cipher": {"name": "rot13"}, "key_list": []},
        {"cipher": {"name": STREAM_CIPHER}, "key_list": []},
        {"cipher": {"name": STREAM_CIPHER, "parameter": 7}, "key_list": []},
        {"cipher": {"name": STREAM_CIPHER, "parameter": "00" * 15}, "key_list": []},
        {"cipher": {"name": STREAM_CIPHER, "parameter": "zz" * 16}, "key_list": []},
        {"cipher": {"name": STREAM_CIPHER, "parameter": "٠٠" * 16}, "key_list": []},
        {"cipher": GOOD_CIPHER, "key_list": [None]}, {"cipher": GOOD_CIPHER, "key_list": [[]]},
        {"cipher": GOOD_CIPHER, "key_list": [{**GOOD_KEY, "id": 1}]},
        {"cipher": GOOD_CIPHER, "key_list": [{**GOOD_KEY, "id": "0" * 39}]},
        {"cipher": GOOD_CIPHER, "key_list": [{**GOOD_KEY, "cipher": None}]},
        {"cipher": GOOD_CIPHER, "key_list": [{**GOOD_KEY, "cipher": {"name": []}}]},
        {"cipher": GOOD_CIPHER, "key_list": [{**GOOD_KEY, "key": None}]},
        {"cipher": GOOD_CIPHER, "key_list": [{**GOOD_KEY, "key": "0"}]},
        {"cipher": GOOD_CIPHER, "key_list": [{**GOOD_KEY, "key": "00" * 5000}]},
        {"cipher": GOOD_CIPHER, "key_list": [GOOD_KEY]},
    ],
    ids=str,
)  # fmt: skip
def test_hostile_headers(header: Any, keys: Keys) -> None:
    with pytest.raises(Malformed) as caught:
        data_of(with_header(header, bytes(64)), keys())
    assert caught.value.message.count(". ") == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
ENTRY = st.fixed_dictionaries({}, optional={"id": JSON | st.just("00" * 20), "cipher": JSON, "key": JSON})


@given(
    cipher=JSON | st.just(GOOD_CIPHER),
    entries=JSON | st.lists(ENTRY | st.just(GOOD_KEY), max_size=3),
    rest=st.binary(max_size=100),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json(cipher: Any, entries: Any, rest: bytes, keys: Keys) -> None:
    with pytest.raises(Malformed):
        data_of(with_header({"cipher": cipher, "key_list": entries}, rest), keys())


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256"])
def test_an_entry_that_lies(kind: str, keys: Keys) -> None:
    """Our identifier over something that is not for us, or nothing at all; a good entry after it still counts."""
    key = keys(kind)
    good = read_header(io.BytesIO(backup(b"", key))).keys[0]
    fields = json.loads(backup(b"", key)[12 : header_length(backup(b"", key))])["key_list"][0]
    stranger = json.loads(backup(b"", keys(kind, 5))[12 : header_length(backup(b"", keys(kind, 5)))])[
        "key_list"
    ][0]
    others = [
        {**stranger, "id": fields["id"]},
        {**fields, "cipher": {"name": "unheard_of"}},
        {**fields, "cipher": {"name": "ecdh_hkdf_sha256_aes256_wrap", "parameter": "04" + "00" * 64}},
        {**fields, "cipher": {"name": "ecdh_hkdf_sha256_aes256_wrap"}},
        {**fields, "key": "00"},
        {**fields, "key": "ff" * 256},
    ]
    for other in others:
        alone = read_header(io.BytesIO(with_header({"cipher": GOOD_CIPHER, "key_list": [other]})))
        with pytest.raises(Malformed, match="does not open"):
            open_secrets(alone, key)
        both = read_header(io.BytesIO(with_header({"cipher": GOOD_CIPHER, "key_list": [other, fields]})))
        assert open_secrets(both, key) == SECRETS
    assert good.key_id == key_id(key.public_key())


def test_secrets_are_not_shown() -> None:
    assert "a" * 8 not in repr(SECRETS)
    assert "m" * 8 not in repr(SECRETS)


def test_secrets_are_as_random_as_they_are_told(keys: Keys) -> None:
    asked: list[int] = []

    def source(size: int) -> bytes:
        asked.append(size)
        return bytes([len(asked)]) * size

    fresh = Secrets.fresh(source)
    assert asked == [32, 32]
    assert fresh.hmac_key != fresh.aes_key


def test_memory_does_not_grow_with_the_backup(tmp_path: Path) -> None:
    """Less than 64 MiB in both directions; benchmarks/backup.py measures a whole database of 2 GiB."""
    key = KeyType.parse("ec:P-256").generate()
    piece, count = bytes(1 << 20), 160
    tracemalloc.start()
    try:
        with (tmp_path / "large").open("wb") as file:
            writer = Writer(file, SECRETS, [seal_secrets(SECRETS, key.public_key())], iv=IV)
            for _ in range(count):
                writer.write(piece)
            writer.close()
        with (tmp_path / "large").open("rb") as file:
            total = sum(map(len, read_blocks(file, key)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == count << 20
    assert peak < 64 << 20
