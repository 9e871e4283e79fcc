"""The server under test: a real ``caucased`` at ca.test, and what tests do to it beside the browser."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from caucase.core import message
from caucase.core.netloc import NetLoc
from caucase.core.x509 import dump_pem
from tests.server.material import Made, make
from tests.server.process import Process, free_ports
from tests.server.wire import JSON, Answer, Client, eventually

HOST = "ca.test"
USER = "Alice"


# A line of the access log.
_ACCESS = re.compile(r'- (\S+) \[[^]]+\] "(\S+) (\S+) HTTP/1\.1" (\d+) ')


class Asked(NamedTuple):
    """``user``: the serial of the user that was recognised, or ``-``."""

    user: str
    method: str
    path: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Authority:
    """``user``: the key and request of a user, ``user_path``: with the certificate, PEM, ``user_pkcs12``: the same."""

    folder: Path
    log_path: Path
    netloc: NetLoc
    client: Client
    https_ca_pem: bytes
    user: Made
    user_crt_pem: bytes
    user_path: Path
    user_pkcs12: Path

    @property
    def http_origin(self) -> str:
        return f"http://{self.netloc.authority}"

    @property
    def origin(self) -> str:
        """Of the HTTPS side."""
        return f"https://{self.netloc.https_authority}"

    @property
    def hosts(self) -> dict[str, str]:
        """For a browser: by which name and port the HTTPS side is known, and where it is."""
        return {f"{self.netloc.host}:{self.netloc.https_port}": f"127.0.0.1:{self.client.port + 1}"}

    def submit(self, made: Made, context: str = "cas") -> str:
        """The id of a request that waits now."""
        return self.client.submit(context, made.csr_pem)

    def issue(self, made: Made) -> x509.Certificate:
        """A service's certificate, signed by the user."""
        return x509.load_pem_x509_certificate(self.client.issue(made.csr_pem, self.user_path))

    def renew(self, made: Made, certificate: x509.Certificate, successor: Made) -> x509.Certificate:
        """What the holder of a service's certificate, made for ``made``, gets for the key of ``successor``."""
        pems = {"crt_pem": dump_pem(certificate).decode(), "renew_csr_pem": successor.csr_pem.decode()}
        answer = self.client.ask("PUT", "/cas/crt/renew", made.signed(pems), JSON).expect(200)
        return x509.load_pem_x509_certificate(answer.body)

    def revoke(self, serial: int) -> None:
        """A service's certificate, by the user."""
        body = message.null({"revoke_serial": serial}).dump()
        self.client.ask("PUT", "/cas/crt/revoke", body, JSON, user=self.user_path).expect(204)

    def ask(self, method: str, path: str) -> Answer:
        """One request of the user's, without a browser."""
        return self.client.ask(method, path, user=self.user_path)

    def pending(self, context: str = "cas") -> list[str]:
        """The ids of what waits."""
        return [entry["id"] for entry in self.ask("GET", f"/{context}/csr").expect(200).json()]

    def is_revoked(self, serial: int) -> bool:
        """Whether the published list says so."""
        crl = x509.load_pem_x509_crl(self.client.get("/cas/crl").expect(200).body)
        return crl.get_revoked_certificate_by_serial_number(serial) is not None

    def asked(self) -> list[Asked]:
        """What the server has been asked over HTTP, and answered, in that order."""
        return [Asked(*found) for found in _ACCESS.findall(self.log_path.read_text())]

    def everything(self) -> list[str]:
        """All rows of the database, as SQL, after the lists that are due have been made."""
        for context in ("cas", "cau"):
            self.client.get(f"/{context}/crl").expect(200)
        uri = f"file:{self.folder / 'caucase.sqlite'}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            return list(database.iterdump())


@contextlib.contextmanager
def running(folder: Path, netloc: str = "") -> Iterator[Authority]:
    """A server with one user, Alice; its files are in ``folder``. ``netloc``: how it is known, if not as ca.test."""
    port = free_ports()
    netloc = netloc or f"{HOST}:{port}"
    options = {
        "netloc": netloc,
        "base-port": str(port),
        "bind": "127.0.0.1",
        "user-auto-approve-count": "1",
        "service-max-csr": "1000",
        "idle-timeout": "0",
    }
    arguments = [*(f"--{name}={value}" for name, value in options.items()), "--access-log"]
    process = Process(folder, *arguments)
    try:
        process.hear("READY=1")
        client = Client(port=port)
        eventually(lambda: client.get("/").status == 200)
        yield _with_user(folder, NetLoc.parse(netloc), client, process)
    finally:
        process.end()


def _with_user(folder: Path, netloc: NetLoc, client: Client, process: Process) -> Authority:
    made = make(USER)
    crt_pem = client.become_user(made.csr_pem)
    document = json.loads(client.get("/cas/crt/https-ca.json").expect(200).body)
    return Authority(
        folder=folder,
        log_path=process.log_path,
        netloc=netloc,
        client=client,
        https_ca_pem=json.loads(document["payload"])["https_ca_pem"].encode(),
        user=made,
        user_crt_pem=crt_pem,
        user_path=made.bundle(folder / "user.pem", crt_pem),
        user_pkcs12=pkcs12_file(folder / "user.p12", made.key, crt_pem),
    )


def pkcs12_file(path: Path, key: ec.EllipticCurvePrivateKey, crt_pem: bytes) -> Path:
    """Key and certificate as browsers import them."""
    certificate = x509.load_pem_x509_certificate(crt_pem)
    protection = serialization.BestAvailableEncryption(b"none")
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"user", key, certificate, None, protection))
    return path
