"""Certificate signing requests as they are made here: for a key of one's own, or as the model of what shall be
signed.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509

from caucase.core.keys import KeyType, PrivateKey, signature_hash
from caucase.core.profile import Asked
from caucase.core.x509 import dump_pem

_THROWAWAY = KeyType(algorithm="ec", size="P-256")


def make_request(
    key: PrivateKey, subject: x509.Name, extensions: Iterable[x509.Extension[x509.ExtensionType]]
) -> x509.CertificateSigningRequest:
    """A request for ``key``, signed with it (RFC 2986)."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(key, signature_hash(key))


def make_template(asked: Asked) -> bytes:
    """A request that says what is ``asked``, PEM, for the key of another one to be signed with. Its own key is
    nobody's: it is forgotten at once.
    """
    return dump_pem(make_request(_THROWAWAY.generate(), asked.subject, asked.extensions))
