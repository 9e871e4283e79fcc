"""A server of the peer that has been in use for a while, and is now stopped: what people move from.

Made over its HTTP interface where two hundred runs of a command would take minutes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from .material import Request, make_request, read_key
from .programs import Programs, Result
from .servers import Server, resumed, running
from .wire import JSON, become_user, null_message, request, signed_message, submit

USERS, SERVICES, REVOKED_BY_HOLDER, REVOKED_BY_SERIAL = 3, 200, 25, 5
AUTOMATIC = 190
OPTIONS = (
    *("--user-auto-approve-count", str(USERS)),
    *("--service-auto-approve-count", str(AUTOMATIC)),
    "--lock-auto-approve-count",
)
# Several at a time, because most of what takes time is the other process.
_AT_ONCE = 4
_BACKUP_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Former:
    """``folder`` has the database and, in ``backups``, a backup from before the last revocation. ``clients`` has the
    files of those who know the server: users in ``user0.pem`` and so on, services in ``service0.pem``, what they
    trust in ``cas.crt.pem``, ``cas.crl.pem`` and so on, as the peer's command left it at the very end.
    """

    server: Server
    clients: Path
    pending: str
    unread: tuple[str, int]
    revoked: frozenset[int]
    last_revoked: int

    @property
    def folder(self) -> Path:
        return self.server.folder

    @property
    def database(self) -> Path:
        return self.folder / "caucase.sqlite"

    @property
    def backup(self) -> Path:
        (found,) = (self.folder / "backups").glob("*.sql.caucased")
        return found


def make_former(programs: Programs, folder: Path) -> Former:
    """Everything that there is before the move. `folder` is empty."""
    data, clients = folder / "former", folder / "clients"
    data.mkdir()
    clients.mkdir()
    with running(programs, data, *OPTIONS) as server:
        users = [_user(server, clients, f"user{number}") for number in range(USERS)]
        key = make_request(clients, "shared").key_path
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            loaded = read_key(key)  # slow, and so once
            csrs = [_csr(loaded, f"service{number}") for number in range(SERVICES)]
            # One after the other: of submissions at the same time the peer counts some only.
            ids = [submit(server, "cas", csr) for csr in csrs]
            assert len(set(ids)) == SERVICES
            signed = list(pool.map(lambda csr_id: _certificate(server, csr_id, users[0]), ids[1:]))
        for number, pem in enumerate(signed, start=1):
            (clients / f"service{number}.pem").write_bytes(key.read_bytes() + pem)
        revoked = _revoke(server, signed[-REVOKED_BY_HOLDER:], key)
        revoked |= _revoke_serials(server, signed[:REVOKED_BY_SERIAL], users[1])
        unread = x509.load_pem_x509_certificate(request(server, "GET", f"/cas/crt/{ids[0]}").expect(200).body)
        pending = submit(server, "cas", make_request(clients, "pending").csr_pem)
        _caucase(programs, server, clients, "--threshold", "100", "--renew-crt", "service150.pem", "")
    (data / "backups").mkdir()
    with resumed(server, programs, data, *OPTIONS, "--backup-directory", "backups") as server:
        _wait_for_backup(data / "backups")
        last = _revoke(server, [signed[100]], key)
        _caucase(programs, server, clients)
    return Former(
        server=server,
        clients=clients,
        pending=pending,
        unread=(ids[0], unread.serial_number),
        revoked=frozenset(revoked | last),
        last_revoked=min(last),
    )


def _wait_for_backup(folder: Path) -> None:
    """The peer makes one when it starts, and does not say when it is complete, except by its name."""
    deadline = time.monotonic() + _BACKUP_SECONDS
    while not list(folder.glob("*.sql.caucased")):
        assert time.monotonic() < deadline, "the peer made no backup"
        time.sleep(0.05)


def _caucase(programs: Programs, server: Server, clients: Path, *arguments: str) -> Result:
    return programs.run("caucase", "--ca-url", server.url, "--update-user", *arguments, cwd=clients).expect(0)


def _user(server: Server, clients: Path, name: str) -> Path:
    made: Request = make_request(clients, name)
    path = clients / f"{name}.pem"
    path.write_bytes(made.key_path.read_bytes() + become_user(server, made.csr_pem))
    return path


def _csr(key: RSAPrivateKey, name: str) -> bytes:
    """A request with a key that others have too, which the peer does not mind for services."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _certificate(server: Server, csr_id: str, user: Path) -> bytes:
    """Signed by the user, unless it was approved automatically."""
    answer = request(server, "GET", f"/cas/crt/{csr_id}")
    if answer.status == 404:
        request(server, "PUT", f"/cas/crt/{csr_id}", user=user).expect(204)
        answer = request(server, "GET", f"/cas/crt/{csr_id}")
    return answer.expect(200).body


def _revoke(server: Server, certificates: Sequence[bytes], key: Path) -> set[int]:
    for pem in certificates:
        message = signed_message({"revoke_crt_pem": pem.decode()}, key)
        request(server, "PUT", "/cas/crt/revoke", message, JSON).expect(204)
    return {x509.load_pem_x509_certificate(pem).serial_number for pem in certificates}


def _revoke_serials(server: Server, certificates: Sequence[bytes], user: Path) -> set[int]:
    serials = {x509.load_pem_x509_certificate(pem).serial_number for pem in certificates}
    for serial in serials:
        message = null_message({"revoke_serial": serial})
        request(server, "PUT", "/cas/crt/revoke", message, JSON, user=user).expect(204)
    return serials
