"""Big databases: what a server has after years. Made once, kept in build/bench, and copied for each use.

``empty``    a new server with one user
``revoked``  and a million revoked serials, by ``caucased-manage --import-crl`` of a list of them that is signed with
             the CA's key, which ``--export-ca`` gives away
``issued``   and a million certificates that were issued in the past and are still valid: their entries in the record
             are put there by the store's own functions, for signing a million takes long
``over``     the same, but all are to be forgotten, and a hundred thousand answers each to requests and renewals too
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from benchmarks import servers, work
from benchmarks.servers import BUILD, OURS, OURS_BIN, Server
from caucase.core import crl
from caucase.core.issue import Signer
from caucase.core.record import Entry, Kind
from caucase.core.x509 import KeyId, Serial, key_id, load_certificate, public_key
from caucase.store import Database, Transaction, issued, record, requests
from caucase.store.schema import MIGRATIONS

NETLOC = "localhost:8009"
DATABASE = "caucase.sqlite"
USER = "user.pem"
MILLION = 1_000_000

EMPTY, REVOKED, ISSUED, OVER = "empty", "revoked", "issued", "over"

_BATCH = 10_000
_SERIAL_BITS = 159
_LIFE_SECONDS = 93 * 86400
# Before the end; and after it, when the record has been kept for its year.
_VALID_DAYS, _OVER_DAYS = 90, -400
_LONG_AGO = "-100d"
_ANSWERS = 10  # that many certificates for one of each
# A signed request, in bytes: DER of a request and of a certificate with an RSA-2048 key.
_CSR_SIZE, _CERTIFICATE_SIZE = 700, 900


def folder(kind: str, count: int) -> Path:
    """The database of that kind with so many rows, made if it is not there. To be copied, not to be used."""
    # One of an older release would be brought up to date by each server anew.
    made = BUILD / f"{kind}-{0 if kind == EMPTY else count}-schema-{len(MIGRATIONS)}"
    if not made.exists():
        staged = made.with_name(f"{made.name}.part")
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        if kind == OVER:
            # Only a CA that has been there for long shows that the clock is right, and that it really is over.
            with servers.running(OURS, staged, netloc=NETLOC, prefix=("faketime", "-f", _LONG_AGO)):
                pass
        with servers.running(OURS, staged, netloc=NETLOC) as server:
            work.enrol(server, work.RSA, staged)
        if kind == REVOKED:
            _import_list(staged, count)
        elif kind != EMPTY:
            with Database(staged / DATABASE) as database:
                age(database, count, is_over=kind == OVER)
        staged.rename(made)
    return made


@contextmanager
def copied(kind: str, count: int) -> Iterator[Path]:
    """A copy that may be changed."""
    original = folder(kind, count)
    with servers.temporary_folder() as place:
        shutil.copytree(original, place, dirs_exist_ok=True)
        yield place


@contextmanager
def running(kind: str, count: int) -> Iterator[tuple[Server, Path]]:
    """A server on a copy, and the file of its user."""
    with copied(kind, count) as place, servers.running(OURS, place, netloc=NETLOC) as server:
        yield server, place / USER


def manage(place: Path, *arguments: str, said: bytes = b"") -> None:
    """Run ``caucased-manage`` on the database there; CalledProcessError if it fails."""
    command = [str(OURS_BIN / "caucased-manage"), "--db", DATABASE, *arguments]
    subprocess.run(command, cwd=place, input=said, capture_output=True, check=True)


def age(database: Database, count: int, *, is_over: bool) -> None:
    """Put so many issued certificates of services into the record, valid ones or such that are to be forgotten.

    In the latter case there are a tenth as many answered requests and renewals that are to be forgotten too.
    """
    days_left = _OVER_DAYS if is_over else _VALID_DAYS
    end = int((datetime.now(UTC) + timedelta(days=days_left)).timestamp())
    numbers = random.Random(count)  # noqa: S311 - the same database each time

    def put_in(size: int, transaction: Transaction) -> None:
        for number in range(size):
            record.append(transaction, "cas", _entry(numbers, end))
            if is_over and number % _ANSWERS == 0:
                _put_answers(transaction, numbers, end)

    for start in range(0, count, _BATCH):
        size = min(_BATCH, count - start)
        database.write(partial(put_in, size))
    database.settle()


def _entry(numbers: random.Random, end: int) -> Entry:
    """What the record says of a certificate that was signed."""
    name = f"host-{numbers.randrange(MILLION)}.example.com"
    return Entry(
        kind=Kind.SIGNED,
        at=end - _LIFE_SECONDS,
        serial=Serial(numbers.getrandbits(_SERIAL_BITS)),
        subject=f"CN={name}",
        names=f'["DNS:{name}"]',
        key_id=KeyId(numbers.randbytes(20)),
        issuer=KeyId(bytes(20)),
        not_before=end - _LIFE_SECONDS,
        not_after=end,
        address="127.0.0.1",
        actor="CN=benchmark",
    )


def _put_answers(transaction: Transaction, numbers: random.Random, end: int) -> None:
    """A signed request and a renewal, kept until ``end``."""
    request_id = requests.RequestId(numbers.getrandbits(requests.REQUEST_ID_BITS))
    new = requests.NewRequest(
        key_id=KeyId(numbers.randbytes(20)),
        digest=numbers.randbytes(32),
        csr=bytes(_CSR_SIZE),
        address="127.0.0.1",
        submitted_at=end,
    )
    requests.insert(transaction, "cas", request_id, new)
    requests.set_certificate(transaction, "cas", request_id, bytes(_CERTIFICATE_SIZE), end)
    renewal = issued.RenewalRow(
        digest=numbers.randbytes(32),
        key_id=KeyId(numbers.randbytes(20)),
        certificate=bytes(_CERTIFICATE_SIZE),
        keep_until=end,
    )
    issued.insert_renewal(transaction, "cas", renewal)


def _import_list(place: Path, count: int) -> None:
    """Revoke so many serials by a list that the CA has signed."""
    exported, published = place / "ca.pem", place / "list.der"
    manage(place, "--netloc", NETLOC, "--export-ca", exported.name, said=b"secret\n")
    pem = exported.read_bytes()
    key = serialization.load_pem_private_key(pem[pem.index(b"-----BEGIN ENCRYPTED") :], b"secret")
    certificate = load_certificate(pem[: pem.index(b"-----BEGIN ENCRYPTED")])
    signer = Signer(certificate=certificate, key=key, key_id=key_id(public_key(certificate)))  # type: ignore[arg-type]
    now = datetime.now(UTC).replace(microsecond=0)
    numbers = random.Random(count)  # noqa: S311 - the same database each time
    entries = (
        crl.revocation_entry(
            Serial(numbers.getrandbits(_SERIAL_BITS)),
            now - timedelta(seconds=numbers.randrange(1, 8_000_000)),
        )
        for _ in range(count)
    )
    published.write_bytes(
        crl.build_crl(signer, entries, number=1, this_update=now, next_update=now + timedelta(days=30))
    )
    manage(place, "--netloc", NETLOC, "--import-crl", published.name)
    exported.unlink()
    published.unlink()
