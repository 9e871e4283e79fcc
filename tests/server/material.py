"""Keys and requests for tests. EC P-256, because that is quick."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from caucase.core import message
from caucase.core.x509 import dump_pem, dump_private_key

Payload = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Made:
    """A key with its request."""

    key: ec.EllipticCurvePrivateKey
    csr_pem: bytes

    def signed(self, payload: Payload) -> bytes:
        return message.sign(payload, self.key).dump()

    def bundle(self, path: Path, crt_pem: bytes) -> Path:
        """A file with certificate and key, as TLS clients want it."""
        path.touch(mode=0o600)
        path.write_bytes(dump_private_key(self.key) + crt_pem)
        return path


def make(name: str, key: ec.EllipticCurvePrivateKey | None = None) -> Made:
    key = key or ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(_name(name)).sign(key, hashes.SHA256())
    return Made(key=key, csr_pem=dump_pem(csr))


def foreign(name: str) -> tuple[Made, bytes]:
    """Somebody with a certificate that nobody here has issued."""
    made = make(name)
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(name))
    builder = builder.public_key(made.key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return made, dump_pem(builder.sign(made.key, hashes.SHA256()))


def null(payload: Payload) -> bytes:
    return message.null(payload).dump()


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
