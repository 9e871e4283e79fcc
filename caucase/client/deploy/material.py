"""What was renewed, read from the updater's files as from a stranger's.

The updater's user could have put anything there, and root installs it where services read it. So no symbolic
link of his is followed, sizes are limited, everything is parsed, and only what was parsed is written again:
certificates, lists, and a key that is the certificate's.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from caucase.client.api import CRL_LIMIT
from caucase.client.pemfiles import CA_ENDING, CRL_ENDING
from caucase.config.updater import Part, UpdaterConfig
from caucase.core.pem import CERTIFICATE, PEM_LIMIT, pem_blocks
from caucase.core.spki import spki
from caucase.core.x509 import (
    dump_pem,
    dump_private_key,
    is_ca,
    load_certificate,
    load_certificates,
    load_crls,
    load_private_key,
    spki_in,
)
from caucase.errors import CaucaseError, Malformed, TooLarge
from caucase.host.places import Place, place

_CA_LIMIT = 1024 * 1024  # bytes: hundreds of CA certificates, and an authority has two
_FILES_LIMIT = 100  # of a folder: an authority has two CAs, each with a list

_NOT_OURS = "Remove what does not belong there: each CA has one file, and one list."

_T = TypeVar("_T")


def read_material(config: UpdaterConfig) -> Mapping[Part, bytes]:
    """The PEM text of each part that ``config.install`` needs, unless it is not there yet.

    Key and certificate are there together or not at all. Malformed or TooLarge, naming the file; OSError.
    """
    needed = {part for entry in config.install for part in entry.content}
    material: dict[Part, bytes] = {}
    if needed & {Part.KEY, Part.CERTIFICATE}:
        material.update(_pair(config))
    if Part.CA in needed:
        material[Part.CA] = b"".join(_all(config.ca, CA_ENDING, _CA_LIMIT, _cas))
    if Part.CRL in needed:
        material[Part.CRL] = b"".join(_all(config.crl, CRL_ENDING, CRL_LIMIT, _lists))
    return {part: text for part, text in material.items() if text}


def _pair(config: UpdaterConfig) -> dict[Part, bytes]:
    assert config.crt is not None  # or no entry could have asked for it
    assert config.key is not None
    crt_data = _read(config.crt, PEM_LIMIT)
    key_data = crt_data if config.key == config.crt else _read(config.key, PEM_LIMIT)
    # A key alone is waiting for its certificate, perhaps in the file that will hold both.
    if crt_data is None or key_data is None or not pem_blocks(crt_data, CERTIFICATE):
        return {}
    certificate = _parsed(config.crt, load_certificate, crt_data)
    key = _parsed(config.key, load_private_key, key_data)
    if spki_in(certificate) != spki(key.public_key()):
        raise Malformed(
            f"The key in {config.key} is not that of the certificate in {config.crt}.",
            "The updater puts this right when it runs next.",
        )
    return {Part.KEY: dump_private_key(key), Part.CERTIFICATE: dump_pem(certificate)}


def _cas(data: bytes) -> bytes:
    certificates = load_certificates(data)
    if not all(map(is_ca, certificates)):
        raise Malformed(
            "A certificate there is not that of a CA.",
            "Remove it: the updater puts there what belongs there.",
        )
    return b"".join(map(dump_pem, certificates))


def _lists(data: bytes) -> bytes:
    crls: list[x509.CertificateRevocationList] = load_crls(data)
    return b"".join(map(dump_pem, crls))


def _all(path: Path, ending: str, limit: int, rewrite: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """What a file holds, or the files of a folder with that ending, rewritten. ``limit``: bytes of all together."""
    total = 0
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(place(path))
        except FileNotFoundError:  # a folder on the way
            return
        status = found.status()
        is_folder = status is not None and stat.S_ISDIR(status.st_mode)
        for file in _files(found, ending) if is_folder else [found]:
            if (result := file.read(limit)) is not None:
                total += len(result[0])
                if total > limit:
                    raise TooLarge(
                        f"{path}: its files with {ending} are larger than {limit} bytes together.", _NOT_OURS
                    )
                yield _parsed(file.path, rewrite, result[0])


def _files(folder: Place, ending: str) -> Iterator[Place]:
    """Regular files only: links, broken ones too, are not what the updater makes."""
    descriptor = os.open(
        folder.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder.folder
    )
    try:
        names = sorted(name for name in os.listdir(descriptor) if name.endswith(ending))  # noqa: PTH208 - a descriptor
        if len(names) > _FILES_LIMIT:
            raise TooLarge(
                f"{folder.path}: there are more than {_FILES_LIMIT} files with {ending}.", _NOT_OURS
            )
        for name in names:
            file = Place(path=folder.path / name, folder=descriptor, name=name, is_sealed=False)
            status = file.status()
            if status is not None and stat.S_ISREG(status.st_mode):
                yield file
    finally:
        os.close(descriptor)


def _read(path: Path, limit: int) -> bytes | None:
    try:
        with place(path) as found:
            result = found.read(limit)
    except FileNotFoundError:  # a folder on the way
        return None
    return None if result is None else result[0]


def _parsed(path: Path, parse: Callable[[bytes], _T], data: bytes) -> _T:
    try:
        return parse(data)
    except CaucaseError as error:
        raise type(error)(f"{path}: {error.message}", error.hint) from None
