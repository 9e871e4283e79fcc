"""Keys and certificates out of whatever file they come in: PEM (PKCS#1, PKCS#8, SEC1), PKCS#12 or DER, encrypted
or not. It asks for a passphrase when it meets something that needs one, and remembers none.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from caucase.core.keys import PrivateKey, key_type
from caucase.core.pem import CERTIFICATE
from caucase.core.x509 import dump_der, load_certificate, load_certificate_der
from caucase.errors import CaucaseError, Malformed, NotAcceptable

Ask: TypeAlias = Callable[[str], bytes]
"""The passphrase of what is named; it may raise."""

_KEY_LABELS = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
# openssl writes it in front of a SEC1 key, which says the same again.
_SAYS_NOTHING = ("EC PARAMETERS",)
_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_ENCRYPTED = b"Proc-Type: 4,ENCRYPTED"  # RFC 1421 section 4.6.1.1
_PFX_VERSION = (
    b"\x02\x01\x03"  # RFC 7292 section 4: how the content begins, and no certificate's or key's does
)
_SEQUENCE = b"\x30"  # X.690
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class FoundCertificate:
    """``place``: where it was, for people."""

    place: str
    certificate: x509.Certificate


@dataclass(frozen=True, kw_only=True)
class FoundKey:
    """``place``: where it was, for people. ``repr`` never shows the key."""

    place: str
    key: PrivateKey = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Material:
    """What was found. ``skipped``: a sentence for each thing that is of no use."""

    certificates: tuple[FoundCertificate, ...] = ()
    keys: tuple[FoundKey, ...] = ()
    skipped: tuple[str, ...] = ()

    def __add__(self, other: Material) -> Material:
        return Material(
            certificates=self.certificates + other.certificates,
            keys=self.keys + other.keys,
            skipped=self.skipped + other.skipped,
        )


def read_material(name: str, data: bytes, ask: Ask) -> Material:
    """What is in the file that people know as ``name``. Malformed if a passphrase is wrong or it holds nothing."""
    if _BEGIN in data:
        found = sum(
            (_from_pem(place, label, block, ask) for place, label, block in _blocks(name, data)), Material()
        )
    else:
        found = _from_der(name, data, ask)
    if found == Material():
        raise Malformed(f"{name}: there is neither a key nor a certificate.")
    return found


def dump_encrypted(key: PrivateKey, passphrase: bytes) -> bytes:
    """PKCS#8, PEM, encrypted as strongly as the library knows how (PBES2: PBKDF2 and AES-256)."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )


def _blocks(name: str, data: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Place, label and text of each PEM block, RFC 1421 headers included."""
    for number, part in enumerate(data.split(_BEGIN)[1:], start=1):
        label, dashes, rest = part.partition(_DASHES)
        end = _END + label + _DASHES
        body, found, _ = rest.partition(end)
        place = f"{name}, block {number}"
        if not dashes or not found:
            raise Malformed(f"{place}: the PEM block has no end.")
        yield place, label.decode("ascii", "replace"), _BEGIN + label + _DASHES + body + end + b"\n"


def _from_pem(place: str, label: str, block: bytes, ask: Ask) -> Material:
    if label in _SAYS_NOTHING:
        return Material()
    try:
        if label == CERTIFICATE:
            return _material(place, certificates=[load_certificate(block)])
        if label in _KEY_LABELS:
            encrypted = label.startswith("ENCRYPTED") or _ENCRYPTED in block
            return _material(
                place,
                key=_key(serialization.load_pem_private_key, block, place, ask, encrypted=encrypted),
            )
    except NotAcceptable as error:
        return _skipped(place, error.message)
    except CaucaseError as error:
        raise type(error)(f"{place}: {error.message}", error.hint) from None
    return _skipped(place, f"{label} is neither a key nor a certificate.")


def _from_der(name: str, data: bytes, ask: Ask) -> Material:
    try:
        return _of_der(name, data, ask)
    except NotAcceptable as error:
        return _skipped(name, error.message)
    except CaucaseError as error:
        raise type(error)(f"{name}: {error.message}", error.hint) from None


def _of_der(name: str, data: bytes, ask: Ask) -> Material:
    """A PKCS#12 file, or a key or a certificate in DER; nothing in them says which, except the content."""
    load = serialization.load_der_private_key
    if _content(data).startswith(_PFX_VERSION):
        return _from_pkcs12(name, data, ask)
    with contextlib.suppress(Malformed):
        return _material(name, key=_key(load, data, name, ask, encrypted=False))
    with contextlib.suppress(Malformed):
        return _material(name, certificates=[load_certificate_der(data)])
    if not _content(data).startswith(_SEQUENCE):  # RFC 5208 section 6: an encrypted key
        raise Malformed("It is neither PEM nor DER nor PKCS#12.")
    return _material(name, key=_key(load, data, name, ask, encrypted=True))


def _from_pkcs12(name: str, data: bytes, ask: Ask) -> Material:
    wrong = "The passphrase is wrong, or the file is damaged."
    # Newer versions of the library warn of BER, which other programs write. A command has one thread, so the filter
    # may be switched.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            bundle = _parsed(lambda: pkcs12.load_pkcs12(data, None), wrong)
        except Malformed:
            passphrase = ask(name)
            bundle = _parsed(lambda: pkcs12.load_pkcs12(data, passphrase), wrong)
    held = ([bundle.cert] if bundle.cert else []) + list(bundle.additional_certs)
    certificates = [load_certificate_der(dump_der(one.certificate)) for one in held]
    if bundle.key is not None:
        key_type(bundle.key)
    return _material(name, certificates=certificates, key=bundle.key)  # type: ignore[arg-type]  # key_type refuses others


def _key(
    load: Callable[[bytes, bytes | None], object], data: bytes, place: str, ask: Ask, *, encrypted: bool
) -> PrivateKey:
    passphrase = ask(place) if encrypted else None
    wrong = "The passphrase is wrong, or the key is damaged." if encrypted else "The key is not well-formed."
    key = _parsed(lambda: load(data, passphrase), wrong)
    key_type(key)
    return key  # type: ignore[return-value]  # key_type has refused every other kind


def _parsed(parse: Callable[[], _T], wrong: str) -> _T:
    try:
        return parse()
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:
        raise Malformed(wrong) from error


def _content(der: bytes) -> bytes:
    """What begins a SEQUENCE; nothing if it is none."""
    if len(der) < 2 or not der.startswith(_SEQUENCE):
        return b""
    return der[2:] if der[1] < 0x80 else der[2 + (der[1] & 0x7F) :]


def _material(
    place: str, *, certificates: list[x509.Certificate] | None = None, key: PrivateKey | None = None
) -> Material:
    return Material(
        certificates=tuple(FoundCertificate(place=place, certificate=one) for one in certificates or ()),
        keys=() if key is None else (FoundKey(place=place, key=key),),
    )


def _skipped(place: str, reason: str) -> Material:
    return Material(skipped=(f"{place}: {reason}",))
