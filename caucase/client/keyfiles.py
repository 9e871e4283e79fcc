"""A private key and its certificate, in one file or in two.

New files with keys are 0600, existing ones keep owner and mode; a file is replaced at once or not at all, and
what else it holds stays. A key is never written outside the folder in which its file is.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from caucase.core.keys import PrivateKey
from caucase.core.pem import CERTIFICATE, PEM_LIMIT, pem_blocks
from caucase.core.spki import spki
from caucase.core.x509 import (
    dump_pem,
    dump_private_key,
    fingerprint,
    load_certificate,
    load_certificates,
    load_private_key,
    load_request,
    spki_in,
)
from caucase.errors import CaucaseError, Conflict, Malformed
from caucase.host.files import read_limited, write_atomic

_KEY_MODE = 0o600
_KEY_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A certificate and its key, and where they are. ``repr`` never shows the key."""

    certificate: x509.Certificate
    key: PrivateKey
    crt_path: Path
    key_path: Path

    def __repr__(self) -> str:
        return f"KeyPair({str(self.crt_path)!r}, {str(self.key_path)!r})"


def load_pair(crt_path: Path, key_path: Path) -> KeyPair:
    """Exactly one certificate in ``crt_path``, and its key there too, or else in ``key_path``.

    Malformed, naming the file, if anything is missing, too much, or does not match; OSError. What an
    interrupted ``replace_pair`` left is put right first.
    """
    crt_data = _read(crt_path)
    with _about(crt_path):
        certificate = load_certificate(crt_data)
    if _key_blocks(crt_data):
        key_path = crt_path
    elif (
        key_path == crt_path and b"ENCRYPTED" not in crt_data
    ):  # else load_private_key tells of the passphrase
        raise Malformed(
            f"{crt_path}: there is no private key beside the certificate.", "Name a file that holds both."
        )
    with _about(key_path):
        key = load_private_key(_read(key_path))
    if not _match(certificate, key):
        interrupted = _interrupted(key_path, certificate)
        if interrupted is None:
            raise Malformed(
                f"The key in {key_path} is not that of the certificate in {crt_path}.",
                "Name two files that belong together; caucase-key-id --private-key tells keys apart.",
            )
        key = interrupted
        _put_key(key_path, key)
    return KeyPair(certificate=certificate, key=key, crt_path=crt_path, key_path=key_path)


def replace_pair(pair: KeyPair, certificate: x509.Certificate, key: PrivateKey) -> None:
    """Put a renewed certificate and its key where the old ones are. OSError.

    One file is replaced at once. Two files cannot be, so the new key first goes to a hidden file beside the
    old one, then the certificate is replaced, then the key, then the hidden file is removed. Wherever that
    stops, either the old pair is in place, or the certificate is new and its key can be found: ``load_pair``
    finds it.
    """
    if pair.crt_path == pair.key_path:
        data = _with_certificate(_with_key(_read(pair.crt_path), key), certificate)
        write_atomic(pair.crt_path, data)
        return
    new_crt = _with_certificate(_read(pair.crt_path), certificate)
    hidden = _hidden(pair.key_path)
    hidden.unlink(missing_ok=True)  # its mode would be kept
    write_atomic(hidden, dump_private_key(key), mode=_KEY_MODE)
    write_atomic(pair.crt_path, new_crt)
    _put_key(pair.key_path, key)


def put_first_pair(crt_path: Path, key_path: Path, certificate: x509.Certificate, key: PrivateKey) -> None:
    """Put a certificate and its new key where there is no certificate yet; 0600 where the key is.

    Conflict if another key is there: none is lost by accident. Repeating it is harmless. Malformed, OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        if not _match(certificate, read_key(key_path)):
            raise Conflict(
                f"{key_path}: there is another key already.", "Move it away, or use it for the request."
            )
    if crt_path == key_path:
        write_atomic(crt_path, dump_private_key(key) + dump_pem(certificate), mode=_KEY_MODE)
    else:
        write_atomic(key_path, dump_private_key(key), mode=_KEY_MODE)
        write_atomic(crt_path, dump_pem(certificate))


def save_certificate(path: Path, certificate: x509.Certificate) -> None:
    """Append a certificate to the file with its key, or make a file with it alone; repeating it is harmless.

    Conflict if the file holds another certificate, Malformed if it does not hold exactly one key, and that of
    the certificate; OSError. The file is then as it was.
    """
    try:
        data = _read(path)
    except FileNotFoundError:
        write_atomic(path, dump_pem(certificate))
        return
    with _about(path):
        present = [fingerprint(other) for other in load_certificates(data)]
        if present == [fingerprint(certificate)]:
            return
        key = load_private_key(data)
    if present:
        raise Conflict(
            f"{path}: there is another certificate already.", "Name a file that holds the key alone."
        )
    if not _match(certificate, key):
        raise Malformed(
            f"{path}: the key is not the one that the certificate is for.",
            "Name the file with the key of that request, or a file that does not exist yet.",
        )
    write_atomic(path, _joined(data, dump_pem(certificate)))


def save_request(path: Path, csr: x509.CertificateSigningRequest) -> None:
    """Append a request to a file, or make one. OSError."""
    data = b""
    with contextlib.suppress(FileNotFoundError):
        data = _read(path)
    write_atomic(path, _joined(data, dump_pem(csr)))


def save_new_key(path: Path, key: PrivateKey) -> None:
    """Make a file with a key, 0600. OSError, also if there is a file: no key is lost by accident."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, "exists already, and may hold a key", str(path))
    write_atomic(path, dump_private_key(key), mode=_KEY_MODE)


def read_certificate(path: Path) -> x509.Certificate:
    """The only certificate in a file, whatever else it holds. Malformed, naming the file; OSError."""
    with _about(path):
        return load_certificate(_read(path))


def read_request(path: Path) -> x509.CertificateSigningRequest:
    """The only certificate signing request in a file. Malformed, naming the file; OSError."""
    with _about(path):
        return load_request(_read(path))


def read_key(path: Path) -> PrivateKey:
    """The only private key in a file. Malformed, naming the file; OSError."""
    with _about(path):
        return load_private_key(_read(path))


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    try:
        yield
    except CaucaseError as error:
        raise type(error)(f"{path}: {error.message}", error.hint) from None


def _read(path: Path) -> bytes:
    return read_limited(path, PEM_LIMIT)


def _match(certificate: x509.Certificate, key: PrivateKey) -> bool:
    return spki_in(certificate) == spki(key.public_key())


def _hidden(key_path: Path) -> Path:
    return key_path.with_name(f".{key_path.name}.renewed")


def _interrupted(key_path: Path, certificate: x509.Certificate) -> PrivateKey | None:
    """The key of ``certificate``, if ``replace_pair`` stopped before it could put it in place."""
    try:
        key = load_private_key(_read(_hidden(key_path)))
    except (FileNotFoundError, Malformed):
        return None
    return key if _match(certificate, key) else None


def _put_key(path: Path, key: PrivateKey) -> None:
    write_atomic(path, _with_key(_read(path), key))
    _hidden(path).unlink(missing_ok=True)


def _key_blocks(data: bytes) -> list[bytes]:
    return [block for label in _KEY_LABELS for block in pem_blocks(data, label)]


def _with_key(data: bytes, key: PrivateKey) -> bytes:
    (old,) = _key_blocks(data)
    return _joined(data.replace(old.strip(), dump_private_key(key).strip()))


def _with_certificate(data: bytes, certificate: x509.Certificate) -> bytes:
    (old,) = pem_blocks(data, CERTIFICATE)
    return _joined(data.replace(old.strip(), dump_pem(certificate).strip()))


def _joined(data: bytes, addition: bytes = b"") -> bytes:
    separator = b"" if not data or data.endswith(b"\n") else b"\n"
    return data + separator + addition
