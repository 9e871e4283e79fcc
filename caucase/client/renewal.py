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
from caucase.client.requests import make_request, successor_key
from caucase.core.x509 import not_after, public_key, spki
from caucase.errors import Untrusted


def is_due(certificate: x509.Certificate, now: datetime, threshold: timedelta) -> bool:
    """Whether no more than ``threshold`` remains of the certificate's life."""
    return not_after(certificate) - now <= threshold


def renew_in_place(
    client: Client, pair: KeyPair, *, rsa_bits: int, trusted: Sequence[x509.Certificate]
) -> None:
    """Replace a pair by a renewed one; the new key is of the old one's type, ``rsa_bits`` long if RSA.

    Untrusted if the answer is not a certificate for the new key from one of the ``trusted`` CAs. Raises what
    ``Client.renew`` and ``replace_pair`` raise; the old pair is then as it was.
    """
    old = pair.certificate
    key = successor_key(public_key(old), rsa_bits=rsa_bits)
    # The authority copies what the old certificate says; the names are for whoever reads the request.
    names = [
        extension for extension in old.extensions if isinstance(extension.value, x509.SubjectAlternativeName)
    ]
    certificate = client.renew(old, pair.key, make_request(key, old.subject, names))
    check_issued(certificate, trusted)
    if spki(public_key(certificate)) != spki(key.public_key()):
        raise Untrusted("The certificate that the server sent is not for the new key.")
    replace_pair(pair, certificate, key)
