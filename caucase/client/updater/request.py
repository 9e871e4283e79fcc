"""The request that waits for a signature: given with its key, or made here, both in one file that nobody else reads.

A request made here is on disk before the server hears of it, and its key goes nowhere else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509

from caucase.client.keyfiles import read_key, read_request
from caucase.client.updater.layout import Layout
from caucase.config.updater import UpdaterConfig
from caucase.core.keys import KeyType, PrivateKey, key_type
from caucase.core.profile import Asked
from caucase.core.request import make_request
from caucase.core.spki import spki
from caucase.core.x509 import dump_der, dump_pem, dump_private_key, public_key, spki_in
from caucase.errors import Malformed, NotAcceptable
from caucase.host.files import write_atomic
from caucase.host.progress import counting_seconds

_DEFAULT_KEY_TYPE = KeyType(algorithm="rsa", size="2048")
_MODE = 0o600


@dataclass(frozen=True, kw_only=True)
class KeyRequest:
    """A request and its key. ``repr`` never shows the key. ``is_given``: the files are the administrator's."""

    csr: x509.CertificateSigningRequest
    key: PrivateKey
    is_given: bool

    def __repr__(self) -> str:
        return f"KeyRequest({self.csr.subject.rfc4514_string()!r})"

    @property
    def digest(self) -> str:
        """Tells this request from others."""
        return hashlib.sha256(dump_der(self.csr)).hexdigest()


def asked_digest(asked: Asked | None) -> str:
    """Tells what a certificate was asked to say from what it is to say; empty for nothing."""
    if asked is None:
        return ""
    parts = [asked.subject.public_bytes()]
    for extension in asked.extensions:
        parts.append(f"{extension.oid.dotted_string} {extension.critical} ".encode("ascii"))
        parts.append(extension.value.public_bytes())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def waiting(config: UpdaterConfig, layout: Layout, certificate: x509.Certificate | None) -> KeyRequest | None:
    """The request that is to be signed, ``None`` if there is none (any more). ``certificate``: the one that is here.
    CaucaseError, OSError.
    """
    made = _made(layout)
    if made is not None:
        is_wanted = config.asked is None or asked_digest(Asked.by(made.csr)) == asked_digest(config.asked)
        is_done = certificate is not None and spki_in(certificate) == spki_in(made.csr)
        return made if is_wanted and not is_done else None
    if config.csr is not None and config.key is not None and certificate is None:
        csr, key = read_request(config.csr), read_key(config.key)
        if spki_in(csr) != spki(key.public_key()):
            raise Malformed(
                f"The key in {config.key} is not that of the request in {config.csr}.",
                "Name the key that the request was made with.",
            )
        return KeyRequest(csr=csr, key=key, is_given=True)
    return None


def make(config: UpdaterConfig, layout: Layout, certificate: x509.Certificate | None) -> KeyRequest:
    """A new key and a request for what the configuration asks for, stored. NotAcceptable, OSError."""
    asked = config.asked
    if asked is None and config.csr is not None:
        asked = Asked.by(read_request(config.csr))
    if asked is None and certificate is not None:
        asked = _as_before(certificate)
    if asked is None:
        raise NotAcceptable("There is nothing to ask for.", "Give names, or a request.")
    key = new_key(config, certificate)
    csr = make_request(key, asked.subject, asked.extensions)
    layout.request.unlink(missing_ok=True)  # its mode would be kept
    write_atomic(layout.request, dump_private_key(key) + dump_pem(csr), mode=_MODE)
    return KeyRequest(csr=csr, key=key, is_given=False)


def discard(layout: Layout) -> None:
    """Forget the request that was made here, and its key. OSError."""
    layout.request.unlink(missing_ok=True)


def new_key(config: UpdaterConfig, certificate: x509.Certificate | None) -> PrivateKey:
    """A fresh key of the type that is configured, else of the type of the one before it."""
    kind = config.key_type
    if kind is None:
        kind = _DEFAULT_KEY_TYPE if certificate is None else key_type(public_key(certificate))
    with counting_seconds(f"Making a key ({kind})"):
        return kind.generate()


def _made(layout: Layout) -> KeyRequest | None:
    try:
        return KeyRequest(csr=read_request(layout.request), key=read_key(layout.request), is_given=False)
    except (FileNotFoundError, Malformed):
        return None  # a damaged one is as good as none: a new one is made in its place


def _as_before(certificate: x509.Certificate) -> Asked:
    """What a certificate that has expired said, as far as a holder has a say in it."""
    wishes = (x509.SubjectAlternativeName, x509.KeyUsage, x509.ExtendedKeyUsage)
    extensions = [extension for extension in certificate.extensions if isinstance(extension.value, wishes)]
    return Asked(subject=certificate.subject, extensions=x509.Extensions(extensions))
