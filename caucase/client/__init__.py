"""The Python interface to a caucase server; the commands are made of it.

A service asks for its certificate::

    from datetime import UTC, datetime
    from pathlib import Path

    from caucase.client import CA_ENDING, Client, PemFiles, fetch_trusted, write_trusted
    from caucase.client import read_request, save_certificate

    with Client("http://ca.example.com:8009") as client:
        files = PemFiles(path=Path("cas.crt.pem"), ending=CA_ENDING)
        trusted = fetch_trusted(client, files, datetime.now(UTC))   # the first contact is taken at its word
        write_trusted(files, trusted)
        csr_id = client.put_csr(read_request(Path("www.csr.pem")))
        ...                                                         # until a user has signed
        save_certificate(Path("www.key.pem"), client.get_crt(csr_id))

and a user signs it::

        with client.over_https(user_key=Path("me.pem"), trusted=trusted, now=datetime.now(UTC)) as user:
            for request in user.pending():
                user.sign(request.csr_id)

Whatever goes wrong is a ``caucase.errors.CaucaseError``, whose text is made for people, or an ``OSError``.
"""

from caucase.client.api import Client, Mode, PendingRequest
from caucase.client.authorities import check_issued, fetch_trusted, read_trusted, update_lists, write_trusted
from caucase.client.keyfiles import (
    KeyPair,
    load_pair,
    read_certificate,
    read_key,
    read_request,
    replace_pair,
    save_certificate,
    save_new_key,
    save_request,
)
from caucase.client.listing import IssuedCertificate
from caucase.client.pemfiles import CA_ENDING, CRL_ENDING, PemFiles
from caucase.client.renewal import is_due, renew_in_place
from caucase.client.requests import successor_key
from caucase.core.request import make_request

__all__ = [
    "CA_ENDING",
    "CRL_ENDING",
    "Client",
    "IssuedCertificate",
    "KeyPair",
    "Mode",
    "PemFiles",
    "PendingRequest",
    "check_issued",
    "fetch_trusted",
    "is_due",
    "load_pair",
    "make_request",
    "read_certificate",
    "read_key",
    "read_request",
    "read_trusted",
    "renew_in_place",
    "replace_pair",
    "save_certificate",
    "save_new_key",
    "save_request",
    "successor_key",
    "update_lists",
    "write_trusted",
]
