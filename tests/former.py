"""A database of caucase 0.9 as the peer leaves it, in miniature, and its dump. ``tests/interop`` has the real thing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from caucase.core import profile
from caucase.core.issue import Signer, Validity, issue, issue_ca, random_serial
from caucase.core.keys import PrivateKey
from caucase.core.netloc import NetLoc
from caucase.core.profile import Asked
from caucase.core.spki import key_id
from caucase.core.x509 import dump_pem, load_request, public_key

PERIOD = timedelta(days=93)
NETLOC = NetLoc.parse("ca.example.com:8009")
TITLES = {"cau": "Caucase CAU", "cas": "Caucase CAS", "http_cas": "Caucased CA"}
_SCHEMA = {
    "ca": "expiration_date INTEGER, key TEXT, crt TEXT",
    "crt": "id INTEGER PRIMARY KEY, key_id TEXT, expiration_date INTEGER, csr TEXT, crt TEXT",
    "revoked": "serial TEXT PRIMARY KEY, revocation_date INTEGER, expiration_date INTEGER",
    "counter": "name TEXT PRIMARY KEY, value INTEGER",
    "config_once": "name TEXT PRIMARY KEY, value TEXT",
    "config": "name TEXT PRIMARY KEY, value TEXT",
}


class FormerDatabase:
    """Filled by a test, then written with ``save`` or read as ``dump``. CAs are made when they are first used."""

    def __init__(self, now: datetime, keys: Callable[..., PrivateKey], netloc: NetLoc = NETLOC) -> None:
        self.now = now
        self.netloc = netloc
        self._keys = keys
        self.cas: dict[str, list[Signer]] = {prefix: [] for prefix in TITLES}
        self.rows: dict[str, list[tuple[Any, ...]]] = {
            prefix + kind: [] for prefix in TITLES for kind in _SCHEMA
        }

    def add_ca(self, prefix: str, *, age: timedelta = timedelta(), number: int = 0, **changes: Any) -> Signer:
        extensions = (
            profile.https_ca_extensions(self.netloc) if prefix == "http_cas" else profile.ca_extensions()
        )
        periods = 40 if prefix == "http_cas" else 4
        made = issue_ca(
            changes.get("key") or self._keys("ec:P-256", 10 + number),
            subject=changes.get("subject") or profile.ca_subject(TITLES[prefix], self.netloc),
            extensions=extensions,
            validity=Validity.starting(self.now - age, changes.get("life") or periods * PERIOD),
            serial=random_serial(),
        )
        self.cas[prefix].append(made)
        self.rows[f"{prefix}ca"].append((0, pem_of(made.key), dump_pem(made.certificate)))
        return made

    def add_all_cas(self) -> None:
        for number, prefix in enumerate(TITLES):
            self.add_ca(prefix, number=number)

    def add_request(self, prefix: str, request_id: int, csr_pem: bytes) -> None:
        self.rows[f"{prefix}crt"].append((request_id, b"00", None, csr_pem, None))

    def add_certificate(
        self, prefix: str, request_id: int, csr_pem: bytes, *, keep: timedelta = timedelta(days=1)
    ) -> x509.Certificate:
        signer, csr = self.cas[prefix][-1], load_request(csr_pem)
        url = f"http://{self.netloc}/cas/crl/{int.from_bytes(signer.key_id, 'big')}"
        certificate = issue(
            signer,
            key=public_key(csr),
            subject=csr.subject,
            extensions=profile.leaf_extensions(
                Asked.by(csr),
                key_id=key_id(public_key(csr)),
                issuer=signer.key_id,
                crl_url=url if prefix == "cas" else None,
                auto_signed=False,
            ),
            validity=Validity.starting(self.now, PERIOD),
            serial=random_serial(),
        )
        self.rows[f"{prefix}crt"].append(
            (request_id, b"00", int((self.now + keep).timestamp()), csr_pem, dump_pem(certificate))
        )
        return certificate

    def revoke(self, prefix: str, serial: int | str, *, ago: timedelta = timedelta(days=2)) -> None:
        moment = self.now - ago
        self.rows[f"{prefix}revoked"].append(
            (str(serial), int(moment.timestamp()), int((moment + 2 * PERIOD).timestamp()))
        )

    def set(self, table: str, values: Mapping[str, object]) -> None:
        self.rows[table].extend(values.items())

    def save(self, path: Path, *, schema: Mapping[str, str] | None = None) -> Path:
        with closing(sqlite3.connect(path)) as connection:
            self._fill(connection, schema or _SCHEMA)
        return path

    def dump(self) -> bytes:
        """As in the peer's backups: each statement followed by a zero byte."""
        with closing(sqlite3.connect(":memory:")) as connection:
            self._fill(connection, _SCHEMA)
            return b"".join(statement.encode() + b"\0" for statement in connection.iterdump())

    def _fill(self, connection: sqlite3.Connection, schema: Mapping[str, str]) -> None:
        for prefix in TITLES:
            for kind, columns in schema.items():
                connection.execute(f"CREATE TABLE {prefix}{kind} ({columns})")
                for row in self.rows.get(prefix + kind, ()):
                    places = ", ".join("?" * len(row))
                    connection.execute(f"INSERT INTO {prefix}{kind} VALUES ({places})", row)
        connection.commit()


def pem_of(key: PrivateKey) -> bytes:
    """As the peer keeps keys."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


SCHEMA: Mapping[str, str] = _SCHEMA
