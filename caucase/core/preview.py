"""What the authority would make of a request: all that it says, and what of that is kept, changed, dropped or added.

It is found by making the extensions of the certificate, by the rules that sign it too, and comparing: the two cannot
differ. It decides nothing and signs nothing. Whatever a stranger wrote is in here as it is: whoever shows it escapes
what a terminal or a page would act upon.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import AttributeOID, ExtensionOID

from caucase.core import profile, wording
from caucase.core.keys import key_type
from caucase.core.profile import Asked, Extension
from caucase.core.spki import KeyId
from caucase.core.x509 import key_id_in, public_key, request_attributes
from caucase.errors import Malformed, NotAcceptable

BY_ISSUER = "as the CA that signs has it"
"""What stands for an extension's content that is known only when it is signed."""


class Fate(enum.StrEnum):
    """What becomes of an extension. ``CHANGED``: it is there, with less or something else than was asked for."""

    KEPT = "kept"
    CHANGED = "changed"
    DROPPED = "dropped"
    ADDED = "added"


@dataclass(frozen=True, kw_only=True)
class ExtensionPreview:
    """One extension. ``name``: ``keyUsage`` and the like, or the OID in dots. ``asked``: what the request says in it,
    item by item, empty if it does not have it; ``issued``: what the certificate will say, empty if it will not have
    it. ``reason``: a sentence, unless it is kept.
    """

    oid: str
    name: str
    fate: Fate
    asked: tuple[str, ...]
    asked_critical: bool
    issued: tuple[str, ...]
    issued_critical: bool
    reason: str

    @property
    def is_altered(self) -> bool:
        """Whether it says less or something else than was asked for; only being critical is no difference in that."""
        return self.fate in (Fate.CHANGED, Fate.DROPPED) and self.asked != self.issued

    @property
    def lost(self) -> tuple[str, ...]:
        """What was asked for and will not be there."""
        return tuple(item for item in self.asked if item not in self.issued)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a request says, and what a certificate made of it would.

    ``subject``: RFC 4514; ``subject_attributes``: the same, type and value, in the certificate's order. ``names``: the
    subject alternative names, ``DNS:www.example.com`` and the like. ``key``: ``rsa:2048`` and the like; ``key_id``: RFC
    5280's identifier, hexadecimal. ``signature``: the algorithm with which the request is signed. ``extensions``: those
    asked for in their order, then those that are added. ``ignored``: what else is in the request (a password for a
    challenge, for example), and matters to nobody. ``refusal``: why the authority would not take such a request, or
    empty.
    """

    subject: str
    subject_attributes: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    key: str
    key_id: str
    signature: str
    extensions: tuple[ExtensionPreview, ...]
    ignored: tuple[str, ...]
    refusal: str

    def asked(self, name: str) -> tuple[str, ...]:
        """What the request says in the extension of that name, ``keyUsage`` for example; empty if nothing."""
        return next((one.asked for one in self.extensions if one.name == name), ())


def preview(
    request: x509.CertificateSigningRequest,
    *,
    backups: bool,
    publishes_crl_url: bool,
    template: x509.CertificateSigningRequest | None = None,
) -> Preview:
    """What would be made of ``request``, or of its key and what ``template`` says.

    ``backups``, ``publishes_crl_url``: as the profile of the context has them, ``authority.policy.PROFILES``. The
    request has been loaded by ``core.x509``, which looked at all of it.
    """
    asked = Asked.by(template or request)
    issued = profile.leaf_extensions(
        asked,
        key_id=key_id_in(request),
        issuer=KeyId(b""),
        crl_url="" if publishes_crl_url else None,
        auto_signed=False,
    )
    return Preview(
        subject=asked.subject.rfc4514_string(),
        subject_attributes=tuple(wording.attributes(asked.subject)),
        names=tuple(wording.alternative_names(asked.extensions)),
        key=str(key_type(public_key(request))),
        key_id=key_id_in(request).hex(),
        signature=wording.signature_name(request.signature_algorithm_oid),
        extensions=tuple(_compared(asked, {one.value.oid: one for one in issued})),
        ignored=tuple(_ignored(request)),
        refusal=_refusal(request, asked, backups=backups),
    )


def _compared(asked: Asked, issued: dict[x509.ObjectIdentifier, Extension]) -> Iterator[ExtensionPreview]:
    requested = {
        extension.oid: Extension(value=extension.value, critical=extension.critical)
        for extension in asked.extensions
    }
    for oid in dict.fromkeys([*requested, *issued]):
        before, after = requested.get(oid), issued.get(oid)
        fate = _fate(before, after)
        yield ExtensionPreview(
            oid=oid.dotted_string,
            name=wording.extension_name(oid),
            fate=fate,
            asked=() if before is None else wording.extension_items(before.value),
            asked_critical=before is not None and before.critical,
            issued=() if after is None else _issued_items(after),
            issued_critical=after is not None and after.critical,
            reason="" if fate is Fate.KEPT else _reason(oid, before, after),
        )


def _fate(before: Extension | None, after: Extension | None) -> Fate:
    if before is None:
        return Fate.ADDED
    if after is None:
        return Fate.DROPPED
    return Fate.KEPT if before == after else Fate.CHANGED


def _issued_items(extension: Extension) -> tuple[str, ...]:
    oid = extension.value.oid
    return (BY_ISSUER,) if oid in _BY_ISSUER else wording.extension_items(extension.value)


_BY_ISSUER = (ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.CRL_DISTRIBUTION_POINTS)

_REASONS = {
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "It names the CA that signs.",
    ExtensionOID.BASIC_CONSTRAINTS: "A certificate of this CA is never that of a CA.",
    ExtensionOID.CERTIFICATE_POLICIES: "Policies of caucase itself tell how a certificate was approved.",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "It tells where this CA's own revocation list is.",
    ExtensionOID.EXTENDED_KEY_USAGE: "OCSPSigning would let the key speak for the CA.",
    ExtensionOID.KEY_USAGE: "keyCertSign and cRLSign are the CA's own.",
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "Names are critical where there is no subject.",  # RFC 5280 section 4.2.1.6
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "It is made from the key.",
}
_UNKNOWN = "This CA writes no such extension."


_NAMES = ExtensionOID.SUBJECT_ALTERNATIVE_NAME  # whose reason says why it is critical
_EMPTY = "It says nothing."
_CRITICAL = "Only whether it is critical differs."


def _reason(oid: x509.ObjectIdentifier, before: Extension | None, after: Extension | None) -> str:
    if before is not None and not wording.extension_items(before.value):
        return _EMPTY
    if before is not None and after is not None and before.value == after.value and oid != _NAMES:
        return _CRITICAL
    if after is None and oid in _BY_ISSUER:  # a user's certificate names no list
        return _UNKNOWN
    return _REASONS.get(oid, _UNKNOWN)


def _ignored(request: x509.CertificateSigningRequest) -> Iterator[str]:
    """The attributes of RFC 2986 that are no request for extensions."""
    for oid in request_attributes(request):
        if oid not in _EXTENSION_REQUESTS:
            yield _ATTRIBUTES.get(oid, oid)


# RFC 2985 section 5.4; and what Microsoft has for it, which the library reads as well.
_EXTENSION_REQUESTS = ("1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14")
_ATTRIBUTES = {
    AttributeOID.CHALLENGE_PASSWORD.dotted_string: "challengePassword",
    AttributeOID.UNSTRUCTURED_NAME.dotted_string: "unstructuredName",
}


def _refusal(request: x509.CertificateSigningRequest, asked: Asked, *, backups: bool) -> str:
    try:
        profile.check_request(request, backups=backups)
        profile.check_identity(asked)
    except (Malformed, NotAcceptable) as error:
        return str(error)
    return ""
