"""Names, usages and extensions as words, for people: the opposite of ``asked``, and as openssl prints them.

What a stranger chose is in these words as it is: whoever shows them escapes what a terminal or a page would act upon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from caucase.core.extensions import value_of

# RFC 5280 section 4.2.1.3; the order is that of the bits.
_KEY_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_WITH_KEY_AGREEMENT = {"encipher_only": "encipherOnly", "decipher_only": "decipherOnly"}

# RFC 5280 section 4.2.1.12 and RFC 6960 section 4.2.2.2.
_PURPOSES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}

_EXTENSIONS = {
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "authorityInfoAccess",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    ExtensionOID.BASIC_CONSTRAINTS: "basicConstraints",
    ExtensionOID.CERTIFICATE_POLICIES: "certificatePolicies",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "cRLDistributionPoints",
    ExtensionOID.EXTENDED_KEY_USAGE: "extKeyUsage",
    ExtensionOID.FRESHEST_CRL: "freshestCRL",
    ExtensionOID.INHIBIT_ANY_POLICY: "inhibitAnyPolicy",
    ExtensionOID.ISSUER_ALTERNATIVE_NAME: "issuerAltName",
    ExtensionOID.KEY_USAGE: "keyUsage",
    ExtensionOID.NAME_CONSTRAINTS: "nameConstraints",
    ExtensionOID.OCSP_NO_CHECK: "ocspNoCheck",
    ExtensionOID.POLICY_CONSTRAINTS: "policyConstraints",
    ExtensionOID.POLICY_MAPPINGS: "policyMappings",
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "subjectAltName",
    ExtensionOID.SUBJECT_DIRECTORY_ATTRIBUTES: "subjectDirectoryAttributes",
    ExtensionOID.SUBJECT_INFORMATION_ACCESS: "subjectInfoAccess",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    ExtensionOID.TLS_FEATURE: "tlsFeature",
}

# RFC 8017 appendix A.2.4, RFC 5758 section 3.2 and RFC 8410 section 3: those that core.signature accepts.
_SIGNATURES = {
    SignatureAlgorithmOID.RSA_WITH_SHA224: "sha224WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA256: "sha256WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "sha384WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "sha512WithRSAEncryption",
    SignatureAlgorithmOID.ECDSA_WITH_SHA224: "ecdsa-with-SHA224",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ecdsa-with-SHA256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ecdsa-with-SHA384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ecdsa-with-SHA512",
    SignatureAlgorithmOID.ED25519: "ED25519",
}


def extension_name(oid: x509.ObjectIdentifier) -> str:
    """``keyUsage`` and the like, or the OID in dots."""
    return _EXTENSIONS.get(oid, oid.dotted_string)


def signature_name(oid: x509.ObjectIdentifier) -> str:
    """``sha256WithRSAEncryption`` and the like, or the OID in dots."""
    return _SIGNATURES.get(oid, oid.dotted_string)


def general_name(name: x509.GeneralName) -> str:
    """As openssl prints it, so that no name can look like one of another type."""
    if isinstance(name, x509.DirectoryName):
        return f"DirName:{name.value.rfc4514_string()}"
    if isinstance(name, x509.RegisteredID):
        return f"RID:{name.value.dotted_string}"
    if isinstance(name, x509.OtherName):
        return f"othername:{name.type_id.dotted_string}:{name.value.hex()}"
    prefixes = {x509.DNSName: "DNS", x509.IPAddress: "IP", x509.RFC822Name: "email"}
    return f"{prefixes.get(type(name), 'URI')}:{name.value}"


def alternative_names(extensions: x509.Extensions) -> list[str]:
    """The subject alternative names, perhaps none."""
    names = value_of(extensions, x509.SubjectAlternativeName)
    return [] if names is None else [general_name(name) for name in names]


def attributes(name: x509.Name) -> list[tuple[str, str]]:
    """What a name is made of, in its own order: the short type, ``CN``, or its OID in dots, and the value."""
    return [(attribute.rfc4514_attribute_name, _text(attribute.value)) for attribute in name]


def extension_items(value: x509.ExtensionType) -> tuple[str, ...]:
    """What an extension says, item by item; of one that is not understood its DER in hexadecimal."""
    describe = _ITEMS.get(type(value))
    return tuple(describe(value)) if describe is not None else (f"DER:{value.public_bytes().hex()}",)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else f"#{value.hex()}"


def _key_usage(usage: x509.KeyUsage) -> list[str]:
    # Without keyAgreement the other two mean nothing, and the library raises when they are read.
    readable = {**_KEY_USAGES, **(_WITH_KEY_AGREEMENT if usage.key_agreement else {})}
    return [word for field, word in readable.items() if getattr(usage, field)]


def _constraints(constraints: x509.BasicConstraints) -> list[str]:
    items = ["CA:TRUE" if constraints.ca else "CA:FALSE"]
    return items if constraints.path_length is None else [*items, f"pathlen:{constraints.path_length}"]


def _policy(policy: x509.PolicyInformation) -> str:
    words = [policy.policy_identifier.dotted_string]
    for qualifier in policy.policy_qualifiers or ():
        if isinstance(qualifier, str):
            words.append(qualifier)
            continue
        if (notice := qualifier.notice_reference) is not None:
            words += [notice.organization or "", *map(str, notice.notice_numbers)]
        words.append(qualifier.explicit_text or "")
    return " ".join(filter(None, words))


_ITEMS: dict[type, Callable[[Any], list[str]]] = {
    x509.BasicConstraints: _constraints,
    x509.CertificatePolicies: lambda value: [_policy(policy) for policy in value],
    x509.ExtendedKeyUsage: lambda value: [_PURPOSES.get(oid, oid.dotted_string) for oid in value],
    x509.KeyUsage: _key_usage,
    x509.SubjectAlternativeName: lambda value: [general_name(name) for name in value],
    x509.SubjectKeyIdentifier: lambda value: [value.digest.hex()],
    # Unlike the others this one is not made again from what was parsed.
    x509.UnrecognizedExtension: lambda value: [f"DER:{value.value.hex()}"],
}
