"""Files and folders of CA certificates and revocation lists, as clients and deployments find them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from caucase.client import CA_ENDING, CRL_ENDING, PemFiles
from caucase.client.authorities import read_lists, read_trusted, trusted_items
from caucase.client.keyfiles import load_pair
from caucase.errors import CaucaseError
from fuzz.judge import Run
from fuzz.target import Target

# Between two files of a folder.
_NEXT = b"\n~~~~\n"
_NAMES = (f"00{CA_ENDING}", f"01{CRL_ENDING}", "other.pem", "pair.pem")


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Run]:
    def run(data: bytes) -> None:
        for name in _NAMES:
            (folder / name).unlink(missing_ok=True)
        for name, content in zip(_NAMES, data.split(_NEXT), strict=False):
            (folder / name).write_bytes(content)
        with contextlib.suppress(CaucaseError):
            trusted_items(read_trusted(PemFiles(path=folder, ending=CA_ENDING)))
        read_lists(PemFiles(path=folder, ending=CRL_ENDING))
        pair = folder / "pair.pem"
        # It is refused before it is read any further.
        with contextlib.suppress(FileNotFoundError, OSError):
            load_pair(pair, pair)

    yield run


TARGET = Target(
    opened=_opened,
    limit=1024 * 1024,
    words=(
        _NEXT,
        b"-----BEGIN CERTIFICATE-----\n",
        b"\n-----END CERTIFICATE-----\n",
        b"-----BEGIN X509 CRL-----\n",
        b"\n-----END X509 CRL-----\n",
        b"-----BEGIN EC PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\n",
        b"-----END PRIVATE KEY-----\n",
        b"Proc-Type: 4,ENCRYPTED\n",
    ),
    frames=((b"", b""), (_NEXT, b""), (_NEXT * 2, b""), (_NEXT * 3, b"")),
)
