"""What a request must satisfy and what an issued certificate contains.

The authority constrains extensions. It never changes the subject nor the subject alternative names: a person
decides on those when signing. Nothing here signs.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from caucase.core import der
from caucase.core.extensions import find, value_of
from caucase.core.keys import check_strength
from caucase.core.netloc import NetLoc
from caucase.core.spki import KeyId
from caucase.core.x509 import COMMON_NAME_MAX, public_key, subject
from caucase.errors import Malformed, NotAcceptable

CAUCASE_OID = "1.3.6.1.4.1.37476.9000.70.0"
# Where the peer's arc was before it had a number of its own; read as the same.
LEGACY_OID = "2.25.285541874270823339875695650038637483517"
AUTO_SIGNED_OID = x509.ObjectIdentifier(f"{CAUCASE_OID}.0")
AUTO_SIGNED_NOTICE = "Auto-signed caucase certificate"

_KEY_USAGES = frozenset(
    {
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    }
)


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One extension to be written into a certificate."""

    value: x509.ExtensionType
    critical: bool = False

    @functools.cached_property
    def encoded(self) -> bytes:
        """RFC 5280 section 4.1: Extension, in DER."""
        return der.extension(self.value, critical=self.critical)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a certificate is asked to say: by a CSR, by a template, or by the certificate that is being
    renewed.
    """

    subject: x509.Name
    extensions: x509.Extensions

    @classmethod
    def by(cls, source: x509.Certificate | x509.CertificateSigningRequest) -> Asked:
        return cls(subject=subject(source), extensions=source.extensions)


def check_request(request: x509.CertificateSigningRequest, *, backups: bool) -> None:
    """Refuse a request that could never become a certificate: Malformed or NotAcceptable.

    ``backups``: whether backups are encrypted for the holders of such certificates.
    """
    kind = check_strength(public_key(request))
    if backups and kind.algorithm == "ed25519":
        raise NotAcceptable(
            "An Ed25519 key is refused for a user: it can only sign, so no backup could be encrypted for it.",
            "Use an RSA or EC key.",
        )
    check_identity(Asked.by(request))


def check_identity(asked: Asked) -> None:
    """Malformed if the certificate would not name anybody (RFC 5280 section 4.1.2.6)."""
    if not list(asked.subject) and not _alternative_names(asked):
        raise Malformed("The request has neither a subject nor a subject alternative name.")


def _alternative_names(asked: Asked) -> list[x509.GeneralName]:
    return list(value_of(asked.extensions, x509.SubjectAlternativeName) or ())


def leaf_extensions(
    asked: Asked, *, key_id: KeyId, issuer: KeyId, crl_url: str | None, auto_signed: bool
) -> list[Extension]:
    """The extensions of an issued certificate. ``auto_signed``: whether it carries the mark of automatic
    signing.
    """
    extensions = [
        _NO_CA,
        Extension(value=x509.SubjectKeyIdentifier(key_id)),
        _authority_key_identifier(issuer),
    ]
    if crl_url is not None:
        extensions.append(_distribution_point(crl_url))
    extensions.extend(_constrained(asked))
    policies = list(_foreign_policies(asked.extensions))
    if auto_signed:
        notice = x509.UserNotice(None, AUTO_SIGNED_NOTICE)
        policies.append(x509.PolicyInformation(AUTO_SIGNED_OID, [notice]))
    if policies:
        critical = _is_critical(asked.extensions, x509.CertificatePolicies)
        extensions.append(Extension(value=x509.CertificatePolicies(policies), critical=critical))
    return extensions


def _constrained(asked: Asked) -> Iterator[Extension]:
    """KeyUsage, ExtendedKeyUsage and SubjectAlternativeName as asked, less what would give power over the CA."""
    for extension in asked.extensions:
        value, critical = extension.value, extension.critical
        if isinstance(value, x509.KeyUsage):
            if (usage := _without_ca_usages(value)) is not None:
                yield Extension(value=usage, critical=critical)
        elif isinstance(value, x509.ExtendedKeyUsage):
            # A responder speaks for the CA: RFC 6960 section 4.2.2.2.
            if purposes := [purpose for purpose in value if purpose != ExtendedKeyUsageOID.OCSP_SIGNING]:
                yield Extension(value=x509.ExtendedKeyUsage(purposes), critical=critical)
        elif isinstance(value, x509.SubjectAlternativeName) and list(value):
            # RFC 5280 section 4.2.1.6: critical when there is no subject.
            yield Extension(value=value, critical=critical or not list(asked.subject))


def _without_ca_usages(usage: x509.KeyUsage) -> x509.KeyUsage | None:
    """``None`` when nothing is left: RFC 5280 section 4.2.1.3 wants at least one bit."""
    # The two "only" bits are undefined without keyAgreement, and the library raises when they are read then.
    readable = _KEY_USAGES if usage.key_agreement else _KEY_USAGES - {"encipher_only", "decipher_only"}
    kept = [name for name in readable - {"key_cert_sign", "crl_sign"} if getattr(usage, name)]
    return _key_usage(*kept) if kept else None


def _key_usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in _KEY_USAGES})


def _foreign_policies(extensions: x509.Extensions) -> Iterator[x509.PolicyInformation]:
    for policy in value_of(extensions, x509.CertificatePolicies) or ():
        if _own_arc(policy.policy_identifier) is None:
            yield policy


def _own_arc(oid: x509.ObjectIdentifier) -> str | None:
    """The part of an OID below this project's, with its dot; empty for the top itself; ``None`` for others."""
    dotted = oid.dotted_string
    for top in (CAUCASE_OID, LEGACY_OID):
        if dotted == top or dotted.startswith(f"{top}."):
            return dotted.removeprefix(top)
    return None


def _is_critical(extensions: x509.Extensions, kind: type[x509.ExtensionType]) -> bool:
    found = find(extensions, kind)
    return found is not None and found.critical


def is_auto_signed(certificate: x509.Certificate) -> bool:
    """Whether the certificate carries the mark of automatic signing."""
    policies = value_of(certificate.extensions, x509.CertificatePolicies) or ()
    return any(_own_arc(policy.policy_identifier) == ".0" for policy in policies)


def ca_subject(title: str, netloc: NetLoc) -> x509.Name:
    """``TITLE at NETLOC`` as the common name, shortened at its end when it is too long."""
    common_name = f"{title} at {netloc}"[:COMMON_NAME_MAX]
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def ca_extensions() -> list[Extension]:
    """What every CA certificate says besides its two key identifiers."""
    return [
        Extension(value=x509.BasicConstraints(ca=True, path_length=0), critical=True),
        Extension(value=_key_usage("key_cert_sign", "crl_sign"), critical=True),
    ]


def https_ca_extensions(netloc: NetLoc) -> list[Extension]:
    """A CA for one host and nothing else (RFC 5280 section 4.2.1.10): if stolen, it can speak for no other name."""
    if netloc.ip is None:
        # What is permitted restricts names of the same kind only.
        addresses = [x509.IPAddress(ipaddress.ip_network(each)) for each in ("0.0.0.0/0", "::/0")]
        constraints = x509.NameConstraints([x509.DNSName(netloc.host)], addresses)
    else:
        network = x509.IPAddress(ipaddress.ip_network(netloc.ip))
        constraints = x509.NameConstraints([network], [x509.DNSName("")])  # the empty name is above all names
    return [*ca_extensions(), Extension(value=constraints, critical=True)]


def https_leaf_extensions(netloc: NetLoc, *, key_id: KeyId, issuer: KeyId) -> list[Extension]:
    """The server's own HTTPS certificate: no subject, so a critical alternative name."""
    name = x509.DNSName(netloc.host) if netloc.ip is None else x509.IPAddress(netloc.ip)
    return [
        _NO_CA,
        Extension(value=x509.SubjectKeyIdentifier(key_id)),
        _authority_key_identifier(issuer),
        Extension(value=_key_usage("digital_signature"), critical=True),
        Extension(value=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        Extension(value=x509.SubjectAlternativeName([name]), critical=True),
    ]


def inherited_ca_extensions(predecessor: x509.Certificate) -> list[Extension]:
    """A successor says what its predecessor said, except the two key identifiers."""
    own = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
    return [
        Extension(value=extension.value, critical=extension.critical)
        for extension in predecessor.extensions
        if not isinstance(extension.value, own)
    ]


_NO_CA = Extension(value=x509.BasicConstraints(ca=False, path_length=None), critical=True)


# The same in every certificate of a CA, so they are made and encoded once.
@functools.lru_cache(maxsize=16)
def _authority_key_identifier(issuer: KeyId) -> Extension:
    return Extension(value=x509.AuthorityKeyIdentifier(issuer, None, None))


@functools.lru_cache(maxsize=16)
def _distribution_point(url: str) -> Extension:
    uri = x509.UniformResourceIdentifier(url)
    point = x509.DistributionPoint(full_name=[uri], relative_name=None, reasons=None, crl_issuer=None)
    return Extension(value=x509.CRLDistributionPoints([point]))
