"""What a certificate shall say, from the words that a person writes: names, usages, purposes, a subject.

Nothing is resolved, and nothing that no certificate could hold gets through. It makes no key and signs
nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from caucase.core.netloc import HOST_PATTERN
from caucase.core.profile import Asked
from caucase.core.x509 import COMMON_NAME_MAX
from caucase.errors import Malformed

NAMES_LIMIT = 100  # what a public CA takes; with NAME_LIMIT a request stays below PEM_LIMIT
NAME_LIMIT = 320  # characters: the longest e-mail address (RFC 3696, erratum 1690, has even fewer)

# RFC 5280 section 4.2.1.3 and OpenSSL write them alike; the CA's own two cannot be asked for.
KEY_USAGES = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "contentCommitment": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "encipherOnly": "encipher_only",
    "decipherOnly": "decipher_only",
}

# RFC 5280 section 4.2.1.12, as OpenSSL writes them.
PURPOSES = {
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timeStamping": ExtendedKeyUsageOID.TIME_STAMPING,
}

# RFC 6125 section 6.4.3: a wildcard is the whole leftmost label.
_WILDCARD = "*."
_HOST_LIMIT = 253
# RFC 5321 section 4.1.2, Dot-string: quoted local parts are not written by anybody.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*", re.ASCII)
_LOCAL_PART_LIMIT = 64
# RFC 5280 section 4.2.1.6: never relative, so with a scheme and something after it; characters of RFC 3986.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII)

OID_PATTERN = r"[0-2](?:\.(?:0|[1-9][0-9]{0,18})){2,15}"
"""An object identifier in dots."""

NAME_PATTERNS = {
    "a DNS name": rf"(?:{re.escape(_WILDCARD)})?{HOST_PATTERN}",
    "an e-mail address": rf"(?=[^@]{{1,{_LOCAL_PART_LIMIT}}}@){_LOCAL_PART.pattern}@{HOST_PATTERN}",
    "URI: and a URI": f"URI:{_URI.pattern}",
}
"""What ``parse_name`` takes besides IP addresses."""


def parse_name(text: str) -> x509.GeneralName:
    """A DNS name (``*.example.com`` too), an IP address, an e-mail address, or ``URI:`` and a URI; Malformed."""
    if len(text) > NAME_LIMIT:
        raise Malformed(f"The name {text[:40]!r}… is longer than {NAME_LIMIT} characters.")
    if not text.isascii():
        raise Malformed(f"{text!r} is not ASCII.", "Give an international name in its xn-- form.")
    if text.startswith("URI:"):
        return x509.UniformResourceIdentifier(_uri(text.removeprefix("URI:")))
    if "@" in text:
        return x509.RFC822Name(_mail(text))
    try:
        return x509.IPAddress(_address(text))
    except ValueError:
        return x509.DNSName(_dns(text, text))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if "%" in text:
        raise Malformed(f"{text!r}: a zone means something on one machine only.", "Leave out the % part.")
    return ipaddress.ip_address(text)


def _dns(text: str, name: str) -> str:
    host = name.lower()
    if len(host) > _HOST_LIMIT or not re.fullmatch(HOST_PATTERN, host.removeprefix(_WILDCARD), re.ASCII):
        raise Malformed(
            f"{text!r} is not a name that a certificate can hold.",
            "Give a DNS name, an IP address, an e-mail address, or URI: and a URI.",
        )
    return host


def _mail(text: str) -> str:
    local, _, host = text.rpartition("@")
    if len(local) > _LOCAL_PART_LIMIT or not _LOCAL_PART.fullmatch(local) or host.startswith(_WILDCARD):
        raise Malformed(f"{text!r} is not an e-mail address.")
    return f"{local}@{_dns(text, host)}"


def _uri(uri: str) -> str:
    if not _URI.fullmatch(uri):
        raise Malformed(
            f"{uri!r} is not a URI.", "Write it in full, for example URI:spiffe://example.com/www."
        )
    return uri


def parse_key_usage(text: str) -> str:
    """``digitalSignature`` and the like, as the field of ``x509.KeyUsage``; Malformed."""
    try:
        return KEY_USAGES[text]
    except KeyError:
        raise Malformed(f"{text!r} is not a key usage; {', '.join(KEY_USAGES)} are.") from None


def parse_purpose(text: str) -> x509.ObjectIdentifier:
    """``serverAuth`` and the like, or an OID in dots; Malformed."""
    if text in PURPOSES:
        return PURPOSES[text]
    if re.fullmatch(OID_PATTERN, text, re.ASCII):
        try:
            return x509.ObjectIdentifier(text)
        except ValueError:
            pass
    raise Malformed(f"{text!r} is no extended key usage; {', '.join(PURPOSES)} and OIDs are.")


def asked(
    *,
    names: Sequence[x509.GeneralName],
    subject: x509.Name | None,
    key_usage: Sequence[str],
    purposes: Sequence[x509.ObjectIdentifier],
) -> Asked:
    """What to ask for. ``subject`` ``None``: the first name as the common name, if it fits there (RFC 5280
    appendix A.1), else no subject. Without names there must be one. ``key_usage``: fields of ``x509.KeyUsage``.
    Malformed.
    """
    if not names and not subject:
        raise Malformed("A certificate needs at least one name.")
    if len(names) > NAMES_LIMIT:
        raise Malformed(f"{len(names)} names are too many for one certificate: {NAMES_LIMIT} are allowed.")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise Malformed(f"The name {name.value} is given twice.")
    if subject is None:
        subject = _subject(str(names[0].value))
    extensions = [
        # RFC 5280 section 4.2.1.6: critical when there is no subject.
        *([_extension(x509.SubjectAlternativeName(names), critical=not list(subject))] if names else []),
        *([_extension(_usages(key_usage), critical=True)] if key_usage else []),
        *([_extension(x509.ExtendedKeyUsage(list(dict.fromkeys(purposes))))] if purposes else []),
    ]
    return Asked(subject=subject, extensions=x509.Extensions(extensions))


def _subject(name: str) -> x509.Name:
    fits = len(name) <= COMMON_NAME_MAX
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if fits else [])


def _usages(fields: Sequence[str]) -> x509.KeyUsage:
    # RFC 5280 section 4.2.1.3: without keyAgreement the two "only" bits mean nothing.
    if "key_agreement" not in fields and {"encipher_only", "decipher_only"} & set(fields):
        raise Malformed("encipherOnly and decipherOnly need keyAgreement beside them.")
    every = {*KEY_USAGES.values(), "key_cert_sign", "crl_sign"}
    return x509.KeyUsage(**{field: field in fields for field in every})


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical, value)
