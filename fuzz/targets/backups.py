"""Backups: the container as it is found, and what is inside a genuine one, as it is restored."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from caucase import clock
from caucase.core.backup import Secrets, Writer, read_blocks, read_header, read_key_ids, seal_secrets
from caucase.errors import CaucaseError
from caucase.jobs.payload import load_payload
from fuzz.judge import Run
from fuzz.signing import KEY
from fuzz.target import Target

_BLOCK = 64 * 1024
_SECRETS = Secrets(hmac_key=bytes(32), aes_key=bytes(32))


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Run]:
    now = clock.now()
    recipient = seal_secrets(_SECRETS, KEY.public_key())

    def run(data: bytes) -> None:
        if data[:1] == b"C":
            stream = io.BytesIO(data[1:])
            for read in (read_header, read_key_ids):
                with contextlib.suppress(CaucaseError):
                    stream.seek(0)
                    read(stream)
            stream.seek(0)
            for _ in read_blocks(stream, KEY, block_size=_BLOCK):
                pass
            return
        stream = io.BytesIO()
        writer = Writer(stream, _SECRETS, [recipient], iv=bytes(16), block_size=_BLOCK)
        writer.write(data[1:])
        writer.close()
        stream.seek(0)
        path = folder / "restored.sqlite"
        try:
            load_payload(read_blocks(stream, KEY, block_size=_BLOCK), path, policy=None, now=now)
        finally:
            for left in folder.iterdir():
                left.unlink()

    yield run


TARGET = Target(
    opened=_opened,
    limit=1024 * 1024,
    words=(
        b"caucase\0",
        b'{"cipher": {"name": "',
        b"aes256_cbc_pkcs7_hmac_10M_sha256",
        b"rsa_oaep_sha1_mgf1_sha1",
        b"ecdh_hkdf_sha256_aes256_wrap",
        b'"parameter": "',
        b'"key_list": [',
        b'{"caucase_snapshot": 1, "schema": 1, "taken_at": 1}\n',
        b'{"table": "',
        b'"columns": [',
        b'{"base64": "',
        b'{"end": {',
        b"BEGIN TRANSACTION;\0",
        b'INSERT INTO "casrevoked" VALUES(',
        b"CREATE TABLE casca ",
        b"COMMIT;\0",
        b"X'30',",
        b"NULL,",
    ),
    frames=(
        (b"Ccaucase\0\xff\xff\x0f\x00", b""),
        (b"Ccaucase\0\xe3\xff\x0f\x00{", b""),
        (b'I{"caucase_snapshot": 1, "schema": 1, "taken_at": 1}\n', b"\n"),
        (b'I{"caucase_snapshot": 1, "schema": 1, "taken_at": 1}\n[', b"\n"),
        (b"IBEGIN TRANSACTION;\0", b""),
        (b"IBEGIN TRANSACTION;\0CREATE TABLE casca (", b");\0"),
        (
            b"IBEGIN TRANSACTION;\0CREATE TABLE casca (expiration_date INTEGER, key TEXT, crt TEXT);\0"
            b'INSERT INTO "casca" VALUES(',
            b");\0COMMIT;\0",
        ),
    ),
)
