"""Finding an extension: the one that the library finds, and nothing where the library raises."""

from __future__ import annotations

import inspect

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from caucase.core.extensions import find, value_of

_ABSTRACT = (x509.ExtensionType, x509.UnrecognizedExtension)
KINDS = [
    kind
    for _, kind in inspect.getmembers(x509, inspect.isclass)
    if issubclass(kind, x509.ExtensionType) and kind not in _ABSTRACT
]
VALUES: list[x509.ExtensionType] = [
    x509.BasicConstraints(ca=True, path_length=3),
    x509.SubjectKeyIdentifier(b"subject"),
    x509.AuthorityKeyIdentifier(b"issuer", None, None),
    x509.SubjectAlternativeName([x509.DNSName("a.example")]),
    x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
    x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]),
    x509.NameConstraints([x509.DNSName("example")], None),
    x509.OCSPNoCheck(),
    x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
]


@pytest.fixture(scope="module")
def extensions() -> x509.Extensions:
    builder = x509.CertificateSigningRequestBuilder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
    for number, value in enumerate(VALUES):
        builder = builder.add_extension(value, critical=bool(number % 2))
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).extensions


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind(extensions: x509.Extensions, kind: type[x509.ExtensionType]) -> None:
    found = find(extensions, kind)
    try:
        expected = extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        assert found is None
        assert value_of(extensions, kind) is None
    else:
        assert found == expected
        assert value_of(extensions, kind) == expected.value


def test_there_are_some_of_each(extensions: x509.Extensions) -> None:
    found = [kind for kind in KINDS if find(extensions, kind) is not None]
    assert len(found) == len(VALUES) - 1
    assert len(KINDS) > len(found)
