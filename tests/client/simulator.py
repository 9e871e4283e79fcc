"""A small caucase server for failure cases: made of ``core`` and ``http.server``, it can be told to misbehave.

It keeps everything in memory and decides nothing well. The real server and the peer are used in tests/interop.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from caucase.core import message
from caucase.core.crl import build_crl, revocation_entry
from caucase.core.issue import Signer, Validity, issue, issue_ca, random_serial
from caucase.core.keys import KeyType, PrivateKey
from caucase.core.message import SignedMessage
from caucase.core.netloc import NetLoc
from caucase.core.pem import CRL, to_pem
from caucase.core.profile import (
    Asked,
    ca_extensions,
    ca_subject,
    https_ca_extensions,
    https_leaf_extensions,
    leaf_extensions,
)
from caucase.core.spki import key_id
from caucase.core.x509 import (
    dump_pem,
    dump_private_key,
    fingerprint,
    load_certificate,
    load_request,
    public_key,
    subject_key_id,
)

PERIOD = timedelta(days=93)
ADDRESS = "127.0.0.1"
_STRUCT_LINGER = struct.pack("ii", 1, 0)  # socket(7): close with a reset

Misbehaviour = Callable[["Handler"], None]


def new_key() -> PrivateKey:
    return KeyType.parse("ec:P-256").generate()


def machine_clock() -> datetime:
    return datetime.now(UTC)


def new_ca(
    title: str,
    *,
    age: timedelta = timedelta(0),
    life: timedelta = 4 * PERIOD,
    clock: Callable[[], datetime] = machine_clock,
) -> Signer:
    """A CA that is ``age`` old."""
    return issue_ca(
        new_key(),
        subject=ca_subject(title, NetLoc.parse(ADDRESS)),
        extensions=ca_extensions(),
        validity=Validity.starting(clock() - age, life),
        serial=random_serial(),
    )


def link(old: Signer, new: Signer) -> SignedMessage:
    """One link of the chain of CA certificates."""
    pems = (dump_pem(signer.certificate).decode() for signer in (old, new))
    return message.sign(dict(zip(("old_pem", "new_pem"), pems, strict=True)), old.key)


class Authority:
    """CAU or CAS: its CAs, oldest first; the newest one signs. ``clock`` may be replaced."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.clock = machine_clock
        self.cas = [new_ca(title)]
        self.number = 1
        self.revoked: list[bytes] = []
        self.requests: dict[str, bytes] = {}
        self.certificates: dict[str, bytes] = {}

    @property
    def chain(self) -> list[SignedMessage]:
        return [link(old, new) for old, new in zip(self.cas, self.cas[1:], strict=False)]

    def roll_over(self) -> None:
        self.cas.append(new_ca(self.title, clock=self.clock))

    def crl(self, signer: Signer) -> bytes:
        now = self.clock().replace(microsecond=0)
        life = timedelta(days=30)
        der = build_crl(
            signer, b"".join(self.revoked), number=self.number, this_update=now, next_update=now + life
        )
        return to_pem(der, CRL)

    def sign(self, asked: x509.Certificate | x509.CertificateSigningRequest, key_of: bytes) -> bytes:
        signer = self.cas[-1]
        key = public_key(load_request(key_of))
        certificate = issue(
            signer,
            key=key,
            subject=asked.subject,
            extensions=leaf_extensions(
                Asked.by(asked),
                key_id=key_id(key),
                issuer=subject_key_id(signer.certificate),
                crl_url=None,
                auto_signed=False,
            ),
            validity=Validity.starting(self.clock(), PERIOD),
            serial=random_serial(),
        )
        return dump_pem(certificate)


class Simulator:
    """The server. ``misbehave[method, path]`` answers in place of the proper answer; ``seen`` is what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authorities = {"cau": Authority("Test CAU"), "cas": Authority("Test CAS")}
        self.https_ca_message: SignedMessage | None = None
        self.misbehave: dict[tuple[str, str], Misbehaviour] = {}
        self.seen: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self._serve(folder)
        self.publish(self.https_ca, self.cas.cas[0])

    @property
    def cas(self) -> Authority:
        return self.authorities["cas"]

    @property
    def cau(self) -> Authority:
        return self.authorities["cau"]

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}"

    def publish(self, https_ca: Signer, signer: Signer) -> None:
        """Hand out an HTTPS CA in a message signed by ``signer``."""
        self.https_ca_message = message.sign(
            {"https_ca_pem": dump_pem(https_ca.certificate).decode()}, signer.key
        )

    def present(self, https_ca: Signer, host: str = ADDRESS) -> None:
        """Show a TLS certificate for ``host`` made by ``https_ca``, from the next connection on."""
        key, netloc = new_key(), NetLoc.parse(host)
        certificate = issue(
            https_ca,
            key=key.public_key(),
            subject=x509.Name([]),
            extensions=https_leaf_extensions(
                netloc, key_id=key_id(key.public_key()), issuer=subject_key_id(https_ca.certificate)
            ),
            validity=Validity.starting(datetime.now(UTC), PERIOD),
            serial=random_serial(),
        )
        path = self.folder / "https.pem"
        path.write_bytes(dump_private_key(key) + dump_pem(certificate))
        self._context.load_cert_chain(path)

    def user(self, path: Path, *, authority: str = "cau") -> Path:
        """Make a user's file with key and certificate."""
        key = new_key()
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, path.stem)])
        csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        path.write_bytes(dump_private_key(key) + self.authorities[authority].sign(csr, dump_pem(csr)))
        return path

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def _serve(self, folder: Path) -> None:
        self._servers = _bound_pair(self)
        self.port = self._servers[0].server_port
        self.https_ca = new_https_ca()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._context.load_verify_locations(cadata=dump_pem(self.cau.cas[0].certificate).decode())
        self.present(self.https_ca)
        # Not on the listener: a handshake there would let one bad client stop the accepting of others.
        self._servers[1].context = self._context
        self._threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()


def new_https_ca(host: str = ADDRESS) -> Signer:
    netloc = NetLoc.parse(host)
    return issue_ca(
        new_key(),
        subject=ca_subject("Test HTTPS CA", netloc),
        extensions=https_ca_extensions(netloc),
        validity=Validity.starting(datetime.now(UTC), 40 * PERIOD),
        serial=random_serial(),
    )


class _Server(ThreadingHTTPServer):
    simulator: Simulator
    context: ssl.SSLContext | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Broken connections are what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    disable_nagle_algorithm = True  # head and body are sent one after the other
    server: _Server

    def setup(self) -> None:
        if self.server.context is not None:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.request.close()

    def do_GET(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, *arguments: object) -> None:
        """Nothing is logged."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """Break the connection off."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _STRUCT_LINGER)
        self.close_connection = True
        self.connection.close()

    def _handle(self) -> None:
        simulator = self.server.simulator
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        simulator.seen.append((self.command, self.path))
        simulator.headers.append(dict(self.headers))
        if misbehaviour := simulator.misbehave.get((self.command, self.path)):
            misbehaviour(self)
            return
        context, _, rest = self.path.removeprefix("/").partition("/")
        if context not in simulator.authorities:
            self.answer(404)
        elif rest == "crt/https-ca.json":
            published = simulator.https_ca_message
            self.answer(404) if published is None else self.answer(200, published.dump())
        else:
            self._serve_authority(simulator.authorities[context], rest)

    def _serve_authority(self, authority: Authority, rest: str) -> None:
        kind, _, name = rest.partition("/")
        match self.command, kind, name:
            case "GET", "crl", "":
                self.answer(200, b"".join(map(authority.crl, authority.cas)))
            case "GET", "crt", "ca.crt.pem":
                self.answer(200, dump_pem(authority.cas[0].certificate))
            case "GET", "crt", "ca.crt.json":
                self.answer(200, json.dumps([item.to_json() for item in authority.chain]).encode())
            case "PUT", "csr", "":
                known = (known_id for known_id, pem in authority.requests.items() if pem == self.body)
                csr_id = next(known, str(secrets.randbits(63)))
                authority.requests[csr_id] = self.body
                self.answer(201, Location=csr_id)
            case "PUT", "crt", "renew":
                fields = message.parse(self.body).fields
                old = load_certificate(fields["crt_pem"].encode())
                message.parse(self.body).check(public_key(old))
                self.answer(200, authority.sign(old, fields["renew_csr_pem"].encode()))
            case "PUT", "crt", "revoke":
                self._revoke(authority)
            case "GET", "csr" | "crt", csr_id if csr_id:
                found = {"csr": authority.requests, "crt": authority.certificates}[kind].get(csr_id)
                self.answer(404) if found is None else self.answer(200, found)
            case _:
                self._serve_user(authority, kind, name)

    def _serve_user(self, authority: Authority, kind: str, name: str) -> None:
        if not self._is_user():
            self.answer(401)
        elif (self.command, kind, name) == ("GET", "csr", ""):
            pending = authority.requests.items() - {
                (csr_id, pem)
                for csr_id, pem in authority.requests.items()
                if csr_id in authority.certificates
            }
            self.answer(200, json.dumps([{"id": key, "csr": pem.decode()} for key, pem in pending]).encode())
        elif name not in authority.requests or name in authority.certificates:
            self.answer(404)
        elif self.command == "DELETE":
            del authority.requests[name]
            self.answer(204)
        else:
            own = authority.requests[name]
            authority.certificates[name] = authority.sign(load_request(self.body or own), own)
            self.answer(204)

    def _revoke(self, authority: Authority) -> None:
        request = message.parse(self.body)
        if request.is_null and not self._is_user():
            self.answer(401)
            return
        if "revoke_serial" in request.fields:
            serial = request.fields["revoke_serial"]
        else:
            certificate = load_certificate(request.text("revoke_crt_pem").encode())
            if not request.is_null:
                request.check(public_key(certificate))
            serial = certificate.serial_number
        entry = revocation_entry(serial, datetime(2026, 1, 1, tzinfo=UTC))
        if entry in authority.revoked:
            self.answer(409, b"The certificate is revoked already.")
            return
        authority.revoked.append(entry)
        authority.number += 1
        self.answer(204)

    def _is_user(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket) and bool(self.connection.getpeercert())


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Simulator]:
    """A simulator, which keeps its files in a new ``folder``; it is stopped at the end."""
    folder.mkdir()
    simulator = Simulator(folder)
    try:
        yield simulator
    finally:
        simulator.stop()


def pem_set(certificates: list[x509.Certificate]) -> set[bytes]:
    return {fingerprint(certificate) for certificate in certificates}


def _bound_pair(simulator: Simulator) -> list[_Server]:
    """Two listeners on a free port and the next one."""
    for _ in range(100):
        first = _Server((ADDRESS, 0), Handler)
        try:
            second = _Server((ADDRESS, first.server_port + 1), Handler)
        except OSError:
            first.server_close()
            continue
        first.simulator = second.simulator = simulator
        return [first, second]
    raise AssertionError("no two free ports in a row")
