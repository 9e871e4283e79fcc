"""Big databases: what a server has after years. Made once, kept in build/bench, and copied for each use.

``empty``    a new server with one user
``revoked``  and a million serials of its CA that are revoked
``issued``   and a million certificates that were issued in the past and are still valid
``over``     the same, but all are to be forgotten, and a hundred thousand answers each to requests and renewals too

What is revoked and what the record says is put there by the store's own functions, as the server does it, ten thousand
in a transaction: signing a million certificates takes long.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks import servers, work
from benchmarks.servers import BUILD, OURS, Server
from caucase.core import crl
from caucase.core.record import Entry, Kind
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial
from caucase.store import Database, Transaction, cas, issued, record, requests, revocations

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
_CRL_DAYS = 31
_ANSWERS = 10  # that many certificates for one of each
# A signed request, in bytes: DER of a request and of a certificate with an RSA-2048 key.
_CSR_SIZE, _CERTIFICATE_SIZE = 700, 900


def folder(kind: str, count: int) -> Path:
    """The database of that kind with so many rows, made if it is not there. To be copied, not to be used."""
    made = BUILD / f"{kind}-{0 if kind == EMPTY else count}"
    with servers.making():
        if not made.exists():
            _make(kind, count, made)
        with Database(made / DATABASE) as database:  # brings one of an older release up to date, once
            database.settle()
    return made


def _make(kind: str, count: int, made: Path) -> None:
    staged = made.with_name(f"{made.name}.part")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    if kind == OVER:
        # Only a CA that has been there for long shows that the clock is right, and that it really is over.
        with servers.running(OURS, staged, netloc=NETLOC, environment=_long_ago()):
            pass
    with servers.running(OURS, staged, netloc=NETLOC) as server:
        work.enrol(server, work.RSA, staged)
    with Database(staged / DATABASE) as database:
        if kind == REVOKED:
            revoke(database, count)
        elif kind != EMPTY:
            age(database, count, is_over=kind == OVER)
        database.settle()
    staged.rename(made)


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


def revoke(database: Database, count: int) -> None:
    """Revoke so many serials of services' certificates that are valid for a long time."""
    with database.read() as transaction:
        (ca,) = cas.select_all(transaction, "cas")
    now = int(datetime.now(UTC).timestamp())
    end = int((datetime.now(UTC) + timedelta(days=_VALID_DAYS)).timestamp())
    numbers = random.Random(count)  # noqa: S311 - the same database each time

    def put_in(size: int, transaction: Transaction) -> None:
        for _ in range(size):
            serial = Serial(numbers.getrandbits(_SERIAL_BITS))
            revoked_at = now - numbers.randrange(_LIFE_SECONDS)
            row = revocations.RevocationRow(
                serial=serial,
                issuer=ca.key_id,
                revoked_at=revoked_at,
                keep_until=end + _CRL_DAYS * 86400,
                entry=crl.revocation_entry(serial, datetime.fromtimestamp(revoked_at, UTC)),
            )
            revocations.insert(transaction, "cas", row)
            entry = Entry(
                kind=Kind.REVOKED,
                at=revoked_at,
                serial=serial,
                issuer=ca.key_id,
                not_after=end,
                address="127.0.0.1",
                actor="its holder",
            )
            record.append(transaction, "cas", entry)

    for start in range(0, count, _BATCH):
        database.write(partial(put_in, min(_BATCH, count - start)))


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


def _long_ago() -> dict[str, str]:
    """What makes a process believe that it is then. Its monotonic clock, by which it waits, is left alone."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": _LONG_AGO, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
