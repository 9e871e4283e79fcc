"""A real authority for targets that need one: a user, and a service's certificate, both with the key that is known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from caucase import clock
from caucase.appliance import KeyFile, policy_of
from caucase.authority import Authority, Principal
from caucase.config.schema import ServerConfig
from caucase.core.keys import KeyType
from caucase.core.netloc import NetLoc
from caucase.core.x509 import dump_der, dump_pem, load_certificate
from caucase.store import Database
from fuzz.signing import KEY

ADDRESS = "192.0.2.1"


@dataclass(frozen=True, kw_only=True)
class Office:
    """``csr_pem``: a request with the known key. ``user_der``: the certificate made of it by CAU, ``service_pem``: by
    CAS.
    """

    authority: Authority
    config: ServerConfig
    csr_pem: bytes
    user_der: bytes
    service_pem: bytes

    @property
    def user(self) -> Principal:
        return self.authority.authenticate(self.user_der, address=ADDRESS)


@contextlib.contextmanager
def office(folder: Path) -> Iterator[Office]:
    folder.mkdir(exist_ok=True)
    config = ServerConfig(
        db=folder / "caucase.sqlite",
        server_key=folder / "server.key.pem",
        cors_key_store=folder / "cors.key",
        cors_whitelist=("https://known.example",),
        netloc=NetLoc(host="localhost", port=8009),
        key_type=KeyType.parse("ec:P-256"),
        user_auto_approve_count=1,
        service_auto_approve_count=1,
    )
    with Database(config.db) as database:
        authority = Authority(
            database,
            policy_of(config),
            https_file=KeyFile(config.server_key),
            clock=clock.now,
            audit=lambda _event, **_fields: None,
        )
        authority.maintain()
        csr = x509.CertificateSigningRequestBuilder().subject_name(
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "known")])
        )
        csr_pem = dump_pem(csr.sign(KEY, hashes.SHA256()))
        crt_pems = []
        for requests in (authority.users.requests, authority.services.requests):
            crt_pems.append(requests.certificate(requests.submit(csr_pem, address=ADDRESS)))
        yield Office(
            authority=authority,
            config=config,
            csr_pem=csr_pem,
            user_der=dump_der(load_certificate(crt_pems[0])),
            service_pem=crt_pems[1],
        )
