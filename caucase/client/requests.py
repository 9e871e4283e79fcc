"""Certificate signing requests made on this side: for a renewal, or after an existing request."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509

from caucase.core.keys import KeyType, PrivateKey, PublicKey, key_type, signature_hash
from caucase.host.progress import counting_seconds


def make_request(
    key: PrivateKey, subject: x509.Name, extensions: Iterable[x509.Extension[x509.ExtensionType]]
) -> x509.CertificateSigningRequest:
    """A request for ``key``, signed with it (RFC 2986)."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(key, signature_hash(key))


def successor_key(old: PublicKey, *, rsa_bits: int) -> PrivateKey:
    """A new key of the same type as ``old``; ``rsa_bits`` long if that is RSA."""
    kind = key_type(old)
    if kind.algorithm == "rsa":
        kind = KeyType.parse(f"rsa:{rsa_bits}")
    with counting_seconds(f"Making a key ({kind})"):
        return kind.generate()
