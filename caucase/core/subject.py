"""A subject written as text, ``CN=www,O=Example``, and made a name of (RFC 4514 section 3). It never guesses.

``cryptography`` has such a parser, but its versions differ in the order, the lengths and what they refuse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from caucase.core.x509 import COMMON_NAME_MAX
from caucase.errors import Malformed

SUBJECT_LIMIT = 2048  # characters: several times what a real one has


@dataclass(frozen=True, kw_only=True)
class _Attribute:
    oid: x509.ObjectIdentifier
    longest: int  # characters: the upper bounds of RFC 5280 appendix A.1
    ascii: bool = False  # of a type that holds ASCII only


# RFC 4514 section 3, RFC 2985 for emailAddress, and OpenSSL's word for serialNumber; no difference between
# small and capital letters.
_ATTRIBUTES = {
    "CN": _Attribute(oid=NameOID.COMMON_NAME, longest=COMMON_NAME_MAX),
    "O": _Attribute(oid=NameOID.ORGANIZATION_NAME, longest=64),
    "OU": _Attribute(oid=NameOID.ORGANIZATIONAL_UNIT_NAME, longest=64),
    "C": _Attribute(oid=NameOID.COUNTRY_NAME, longest=2, ascii=True),
    "ST": _Attribute(oid=NameOID.STATE_OR_PROVINCE_NAME, longest=128),
    "L": _Attribute(oid=NameOID.LOCALITY_NAME, longest=128),
    "STREET": _Attribute(oid=NameOID.STREET_ADDRESS, longest=128),
    "DC": _Attribute(oid=NameOID.DOMAIN_COMPONENT, longest=63, ascii=True),
    "UID": _Attribute(oid=NameOID.USER_ID, longest=256),
    "SERIALNUMBER": _Attribute(oid=NameOID.SERIAL_NUMBER, longest=64, ascii=True),
    "EMAILADDRESS": _Attribute(oid=NameOID.EMAIL_ADDRESS, longest=255, ascii=True),
}

KEYWORDS = tuple(_ATTRIBUTES)
"""What can stand before a ``=``."""

_ESCAPE = re.compile(r'\\(?:([0-9A-Fa-f]{2})|([ "#+,;<=>\\]))', re.ASCII)
# One attribute and what follows it; spaces around it are no part of it unless they are escaped.
_STEP = re.compile(
    r"[ ]*(?P<keyword>[A-Za-z]+)[ ]*=[ ]*"
    rf'(?P<value>(?:{_ESCAPE.pattern}|[^\\"+,;<>])*?)'
    r"[ ]*(?P<end>[,+]|\Z)",
    re.ASCII,
)


def parse_subject(text: str) -> x509.Name:
    """The name that ``text`` writes; Malformed says what is wrong.

    As RFC 4514 section 2.1 has it, the first attribute is the last of the name: ``CN=www,O=Example`` is
    Example's www. Attributes joined by ``+`` stand beside each other.
    """
    if len(text) > SUBJECT_LIMIT:
        raise Malformed(f"The subject is longer than {SUBJECT_LIMIT} characters.")
    names: list[x509.RelativeDistinguishedName] = []
    beside: list[x509.NameAttribute[str]] = []
    position, end = 0, ","
    while end:
        step = _STEP.match(text, position)
        if step is None:
            raise Malformed(
                f"The subject {text!r} cannot be read from {text[position : position + 20]!r} on.",
                "Write it like CN=www,O=Example, with a backslash before a comma that belongs to a value.",
            )
        if step["value"].startswith("#"):  # the hexadecimal form, which nobody writes by hand
            raise Malformed(
                f"The subject's {step['keyword']} starts with '#'.", "Write \\# if that is meant."
            )
        beside.append(_attribute(step["keyword"], _unescaped(step["value"])))
        position, end = step.end(), step["end"]
        if end != "+":
            if len({attribute.oid for attribute in beside}) != len(beside):
                raise Malformed(f"The subject {text!r} joins the same attribute twice by '+'.")
            names.append(x509.RelativeDistinguishedName(beside))
            beside = []
    return x509.Name(reversed(names))


def write_subject(name: x509.Name) -> str:
    """The text from which ``parse_subject`` makes that name, where it can be: some attributes it does not know."""
    keywords = {kind.oid: keyword for keyword, kind in _ATTRIBUTES.items()}
    return name.rfc4514_string(attr_name_overrides=keywords)


def _attribute(keyword: str, value: str) -> x509.NameAttribute[str]:
    kind = _ATTRIBUTES.get(keyword.upper())
    if kind is None:
        raise Malformed(
            f"The subject's attribute {keyword!r} is not known.", f"Use {', '.join(_ATTRIBUTES)}."
        )
    if not value:
        raise Malformed(f"The subject's {keyword} has no value.")
    if not value.isprintable():
        raise Malformed(f"The subject's {keyword} holds a character that is not printable.")
    if kind.ascii and not value.isascii():
        raise Malformed(f"The subject's {keyword} can hold ASCII characters only.")
    if len(value) > kind.longest:
        raise Malformed(f"The subject's {keyword} is longer than {kind.longest} characters.")
    if kind.oid == NameOID.COUNTRY_NAME and not re.fullmatch(r"[A-Z]{2}", value, re.ASCII):
        raise Malformed(f"The subject's country is two capital letters (ISO 3166), not {value!r}.")
    try:
        return x509.NameAttribute(kind.oid, value)
    except ValueError:  # newer versions of the library count bytes of UTF-8
        raise Malformed(f"The subject's {keyword} is longer than {kind.longest} bytes in UTF-8.") from None


def _unescaped(value: str) -> str:
    """Without backslashes; two hexadecimal digits after one are a byte of UTF-8 (RFC 4514 section 2.4)."""
    data, position = b"", 0
    for escape in _ESCAPE.finditer(value):
        data += value[position : escape.start()].encode()
        data += bytes.fromhex(escape[1]) if escape[1] else escape[2].encode()
        position = escape.end()
    try:
        return (data + value[position:].encode()).decode()
    except UnicodeError:
        raise Malformed("The subject holds escaped bytes that are not UTF-8.") from None
