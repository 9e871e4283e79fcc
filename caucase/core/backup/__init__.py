"""The backup container (the project's protocol, "Backups"; ``docs/backup-format.md``, byte by byte): a header that says
who can open it, and an encrypted stream that is authenticated block by block.

``header`` says what stands in front, ``recipients`` encrypts the secrets for each key, ``stream`` does the rest. What
is in the stream is none of its business. It opens no file: file-like objects go in.
"""

from caucase.core.backup.header import Header, KeyEntry, read_header, read_key_ids
from caucase.core.backup.recipients import Random, Secrets, open_secrets, seal_secrets
from caucase.core.backup.stream import BLOCK_SIZE, Writer, read_blocks

__all__ = [
    "BLOCK_SIZE",
    "Header",
    "KeyEntry",
    "Random",
    "Secrets",
    "Writer",
    "open_secrets",
    "read_blocks",
    "read_header",
    "read_key_ids",
    "seal_secrets",
]
