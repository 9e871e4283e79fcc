"""Requests with everything that a page can show."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from caucase.core.x509 import dump_pem
from tests.server.material import Made

Attributes = Sequence[tuple[x509.ObjectIdentifier, str]]


def request(
    name: str,
    names: Sequence[x509.GeneralName] = (),
    *,
    subject: Attributes = (),
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Made:
    """CN=``name`` and the rest of a subject, with alternative names and extensions, each with its criticality."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    attributes = [
        x509.NameAttribute(oid, text, _validate=False)
        for oid, text in (*subject, (NameOID.COMMON_NAME, name))
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Made(key=key, csr_pem=dump_pem(builder.sign(key, hashes.SHA256())))


def usages(**chosen: bool) -> x509.KeyUsage:
    """Those that are chosen, none else."""
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
        "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: chosen.get(name, False) for name in names})
