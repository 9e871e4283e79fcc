"""Keys and requests, and what is in the files that ``caucase.sh`` leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from caucase.core.keys import KeyType, PrivateKey
from caucase.core.request import make_request as csr_for
from caucase.core.spki import spki
from caucase.core.x509 import dump_pem, dump_private_key, load_certificate, load_private_key, public_key


@dataclass(frozen=True, kw_only=True)
class Request:
    key: PrivateKey
    csr: x509.CertificateSigningRequest

    @property
    def key_pem(self) -> bytes:
        return dump_private_key(self.key)

    @property
    def csr_pem(self) -> bytes:
        return dump_pem(self.csr)


def make_request(kind: str = "ec:P-256", name: str = "www") -> Request:
    key = KeyType.parse(kind).generate()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return Request(key=key, csr=csr_for(key, subject, []))


def is_pair(crt: bytes, key: bytes) -> bool:
    """Whether there is exactly one certificate and one key, which fit."""
    return spki(public_key(load_certificate(crt))) == spki(load_private_key(key).public_key())


def pair_in(path: Path) -> x509.Certificate:
    """The certificate in a file that holds its key, too."""
    data = path.read_bytes()
    assert is_pair(data, data)
    return load_certificate(data)
