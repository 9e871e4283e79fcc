"""The encrypted stream of a backup, in both directions, a piece at a time.

The clear stream is blocks of data, each followed by the HMAC-SHA256 of all data so far; it is padded (PKCS7) and
encrypted (AES-256-CBC). Nothing is handed out before the HMAC behind it was checked.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from caucase.core.backup.header import Header, KeyEntry, Readable, read_header
from caucase.core.backup.recipients import Secrets, open_secrets
from caucase.core.keys import PrivateKey
from caucase.errors import Malformed

BLOCK_SIZE = 10 * 1024 * 1024
"""Bytes of data between two HMACs; the format fixes it, tests use less."""

_CHUNK = 1 << 20
_MAC_SIZE = 32
_CIPHER_BLOCK = 16


class Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Writer:
    """Writes a backup into ``stream``: ``write`` the data, then ``close``; without that it cannot be read."""

    def __init__(
        self,
        stream: Writable,
        secrets: Secrets,
        keys: Sequence[KeyEntry],
        *,
        iv: bytes,
        block_size: int = BLOCK_SIZE,
    ) -> None:
        """``keys``: the secrets for each who can open it. ``iv``: 16 bytes, random."""
        self._stream = stream
        self._block_size = block_size
        self._mac = hmac.new(secrets.hmac_key, digestmod=hashlib.sha256)
        self._encryptor = Cipher(algorithms.AES(secrets.aes_key), modes.CBC(iv)).encryptor()
        self._in_block = 0
        self._length = 0
        stream.write(Header(iv=iv, keys=tuple(keys)).dump())

    def write(self, data: bytes) -> None:
        """Add data of any length."""
        view = memoryview(data)
        while view:
            part, view = self._split(view)
            self._mac.update(part)
            self._encrypt(part)
            self._in_block += len(part)
            if self._in_block == self._block_size:
                self._end_block()

    def close(self) -> None:
        """Write what makes it complete. The stream stays open."""
        if self._in_block or not self._length:
            self._end_block()
        missing = _CIPHER_BLOCK - self._length % _CIPHER_BLOCK
        self._encrypt(bytes([missing]) * missing)
        self._stream.write(self._encryptor.finalize())

    def _split(self, view: memoryview) -> tuple[memoryview, memoryview]:
        size = min(self._block_size - self._in_block, _CHUNK)
        return view[:size], view[size:]

    def _end_block(self) -> None:
        self._encrypt(self._mac.digest())
        self._in_block = 0

    def _encrypt(self, clear: bytes | memoryview) -> None:
        self._length += len(clear)
        self._stream.write(self._encryptor.update(clear))


def read_blocks(stream: Readable, key: PrivateKey, *, block_size: int = BLOCK_SIZE) -> Iterator[bytes]:
    """The data of a backup, with a key that opens it, in pieces of authentic blocks.

    Malformed if it is not a backup, if the key does not open it, or, perhaps after some blocks, if it is cut off or
    changed anywhere. Only a caller that came to the end knows that it has all.
    """
    header = read_header(stream)
    secrets = open_secrets(header, key)
    decryptor = Cipher(algorithms.AES(secrets.aes_key), modes.CBC(header.iv)).decryptor()
    mac = hmac.new(secrets.hmac_key, digestmod=hashlib.sha256)
    sealed = block_size + _MAC_SIZE
    clear = bytearray()
    while chunk := stream.read(_CHUNK):
        clear += decryptor.update(chunk)
        # What is more than the longest padding belongs to another block.
        while len(clear) >= sealed + _CIPHER_BLOCK:
            yield from _checked(clear, sealed, mac)
    try:
        clear += decryptor.finalize()
    except ValueError:
        raise _damaged() from None
    _remove_padding(clear)
    if clear:
        yield from _checked(clear, min(len(clear), sealed), mac)
    if clear:
        raise _damaged()


def _checked(clear: bytearray, sealed: int, mac: hmac.HMAC) -> Iterator[bytes]:
    """Take data and HMAC, ``sealed`` bytes together, off the front of ``clear``; the data, in pieces."""
    end = sealed - _MAC_SIZE
    if end < 0:
        raise _damaged()
    with memoryview(clear) as view:
        mac.update(view[:end])
    if not hmac.compare_digest(mac.digest(), bytes(clear[end:sealed])):
        raise _damaged()
    for start in range(0, end, _CHUNK):
        yield bytes(clear[start : min(start + _CHUNK, end)])
    del clear[:sealed]


def _remove_padding(clear: bytearray) -> None:
    """RFC 5652 section 6.3."""
    size = clear[-1] if clear else 0
    if not 0 < size <= _CIPHER_BLOCK or not clear.endswith(bytes([size]) * size):
        raise _damaged()
    del clear[-size:]


def _damaged() -> Malformed:
    return Malformed("The backup is cut off or damaged.", "Use another one.")
