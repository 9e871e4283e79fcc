"""Renewing one certificate in place: a new key, a new certificate, the old files.

Nothing is written before the new certificate is here and found to be good; until then the old pair stays in
use.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509

from caucase.client.api import Client
from caucase.client.authorities import check_issued
from caucase.client.keyfiles import KeyPair, replace_pair
from caucase.core.keys import PrivateKey
from caucase.core.request import make_request
from caucase.core.spki import spki
from caucase.core.x509 import not_after, spki_in
from caucase.errors import Untrusted


def is_due(certificate: x509.Certificate, now: datetime, threshold: timedelta) -> bool:
    """Whether no more than ``threshold`` remains of the certificate's life."""
    return not_after(certificate) - now <= threshold


def renewed(
    client: Client, pair: KeyPair, key: PrivateKey, *, trusted: Sequence[x509.Certificate]
) -> x509.Certificate:
    """A certificate that says what that of ``pair`` says, for the new ``key``. Nothing is written.

    Untrusted if the answer is not a certificate for that key from one of the ``trusted`` CAs. Raises what
    ``Client.renew`` raises.
    """
    old = pair.certificate
    # The authority copies what the old certificate says; the names are for whoever reads the request.
    names = [
        extension for extension in old.extensions if isinstance(extension.value, x509.SubjectAlternativeName)
    ]
    certificate = client.renew(old, pair.key, make_request(key, old.subject, names))
    check_issued(certificate, trusted)
    check_key(certificate, key)
    return certificate


def check_key(certificate: x509.Certificate, key: PrivateKey) -> None:
    """Untrusted if a certificate that the server sent is for another key."""
    if spki_in(certificate) != spki(key.public_key()):
        raise Untrusted(
            "The certificate that the server sent is not for the key that it was asked for.",
            "Nothing was changed here. Tell whoever runs the CA: it is damaged, or somebody is in between.",
        )


def renew_in_place(
    client: Client, pair: KeyPair, key: PrivateKey, *, trusted: Sequence[x509.Certificate]
) -> None:
    """Replace a pair by a renewed one with the new ``key``.

    Raises what ``renewed`` and ``replace_pair`` raise; the old pair is then as it was.
    """
    replace_pair(pair, renewed(client, pair, key, trusted=trusted), key)
