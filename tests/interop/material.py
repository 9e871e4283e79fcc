"""Keys, requests and certificates of a third party: openssl makes and verifies them, cryptography reads them.

Must never use either implementation's own idea of X.509.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SECONDS = 60
CAUCASE_OID = "1.3.6.1.4.1.37476.9000.70.0"
AUTO_SIGNED_OID = f"{CAUCASE_OID}.0"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A key and the certificate signing request made with it, as files in one folder."""

    folder: Path
    key: str
    csr: str

    @property
    def csr_pem(self) -> bytes:
        return (self.folder / self.csr).read_bytes()

    @property
    def csr_path(self) -> Path:
        return self.folder / self.csr

    @property
    def key_path(self) -> Path:
        return self.folder / self.key


def openssl(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = ["openssl", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False)


def make_request(
    folder: Path, name: str, *, extensions: Sequence[str] = (), key: str | None = None
) -> Request:
    """`name`.csr.pem for the subject CN=`name`, with a new key in `name`.key.pem or that in the file `key`.

    `extensions` are in openssl's notation, such as ``subjectAltName=DNS:www.example``.
    """
    csr = f"{name}.csr.pem"
    with_key = ["-key", key] if key else ["-newkey", "rsa:2048", "-noenc", "-keyout", f"{name}.key.pem"]
    asked = [part for extension in extensions for part in ("-addext", extension)]
    done = openssl("req", "-new", *with_key, "-out", csr, "-subj", f"/CN={name}", *asked, cwd=folder)
    assert done.returncode == 0, done.stderr
    return Request(folder=folder, key=key or f"{name}.key.pem", csr=csr)


def make_foreign_certificate(folder: Path, name: str) -> Path:
    """A file with a key and a certificate that no server under test has issued."""
    path = folder / f"{name}.pem"
    done = openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", f"/CN={name}", "-days", "30"),
        *("-keyout", f"{name}.key.pem", "-out", f"{name}.crt.pem"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    path.write_text((folder / f"{name}.key.pem").read_text() + (folder / f"{name}.crt.pem").read_text())
    return path


def tampered(csr_pem: bytes) -> bytes:
    """The same request with one bit of its signature turned: well-formed, but not made by the key's owner."""
    der = bytearray(x509.load_pem_x509_csr(csr_pem).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)


def verify(folder: Path, crt: str, *, ca: str = "cas.crt.pem", crl: str | None = None) -> str:
    """What a relying party says of the certificate `crt`: "" when it accepts it, else openssl's reason."""
    with_crl = ["-crl_check", "-CRLfile", crl] if crl else []
    done = openssl("verify", "-x509_strict", "-CAfile", ca, *with_crl, crt, cwd=folder)
    return "" if done.returncode == 0 else done.stderr + done.stdout


def read_certificate(path: Path) -> x509.Certificate:
    """The only certificate in a file, which may hold a key as well."""
    found = _blocks(path.read_bytes(), b"CERTIFICATE")
    assert len(found) == 1, f"{path} holds {len(found)} certificates"
    return x509.load_pem_x509_certificate(found[0])


def read_certificates(path: Path) -> list[x509.Certificate]:
    return [x509.load_pem_x509_certificate(block) for block in _blocks(path.read_bytes(), b"CERTIFICATE")]


def read_crls(path: Path) -> list[x509.CertificateRevocationList]:
    return [x509.load_pem_x509_crl(block) for block in _blocks(path.read_bytes(), b"X509 CRL")]


def read_key(path: Path) -> RSAPrivateKey:
    """The only private key in a file, which may hold a certificate as well."""
    data = path.read_bytes()
    found = [block for label in (b"PRIVATE KEY", b"RSA PRIVATE KEY") for block in _blocks(data, label)]
    assert len(found) == 1, f"{path} holds {len(found)} private keys"
    key = serialization.load_pem_private_key(found[0], password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def key_id(path: Path) -> str:
    """The hexadecimal SHA-1 of the public key (RFC 5280, 4.2.1.2, method 1) of the private key in a file."""
    return x509.SubjectKeyIdentifier.from_public_key(read_key(path).public_key()).digest.hex()


def same_key(key: Path, crt: x509.Certificate) -> bool:
    """Whether the private key in a file is the one that a certificate is for."""
    return read_key(key).public_key().public_numbers() == crt.public_key().public_numbers()  # type: ignore[union-attr]


def authority_key_id(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    identifier = signed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert identifier is not None
    return identifier


def crl_number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def revoked_serials(path: Path) -> set[int]:
    return {entry.serial_number for crl in read_crls(path) for entry in crl}


def _blocks(data: bytes, label: bytes) -> list[bytes]:
    """The PEM blocks of one kind, as they stand in a file."""
    begin, end = b"-----BEGIN " + label + b"-----", b"-----END " + label + b"-----"
    return [begin + part.split(end)[0] + end + b"\n" for part in data.split(begin)[1:]]
