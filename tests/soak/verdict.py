"""What must be true afterwards, of the database and of all lists that anybody has seen."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from cryptography import x509

from caucase.authority import verify
from caucase.core.x509 import crl_number, dump_der, dump_pem, load_certificate_der, load_crls
from tests.server.material import make
from tests.server.process import SECONDS
from tests.server.wire import JSON, PKCS10, Client, read

from .clients import Crowd, Fetched, Life
from .plant import Plant

# Of the requests and renewals; all others are looked for in the database.
_ASKED_AGAIN = 50


def works(plant: Plant) -> None:
    """Each worker takes requests again, after a moment: of so many connections that are open at once, each gets some."""
    connections = [Client(port=plant.listeners.port("http")).connect() for _ in range(8)]
    for connection in connections:
        connection.connect()
    deadline = time.monotonic() + SECONDS
    for connection in connections:
        while True:
            connection.request("PUT", "/cas/csr", make("afterwards").csr_pem, PKCS10)
            answer = read(connection)
            if answer.status == 201:
                break
            assert time.monotonic() < deadline, plant.log()
            time.sleep(0.1)
        connection.close()


def judge_all(plant: Plant, crowd: Crowd, *, answers_expire: bool = False) -> None:
    """Once clients have stopped: what is in the database, and what a server says that is started then."""
    plant.kill_all()
    # Before a start, which forgets answers that need not be kept any more.
    judge(plant.database, crowd.lives, answers_expire=answers_expire)
    plant.start()
    http = Client(port=plant.listeners.port("http"))
    if not answers_expire:
        for life in crowd.lives[:: max(1, len(crowd.lives) // _ASKED_AGAIN)]:
            if "submitted" in life.done:
                assert http.submit("cas", life.made.csr_pem) == str(life.id)
            if life.renewed is not None:
                again = http.ask("PUT", "/cas/crt/renew", life.renewal, JSON).expect(200)
                assert again.body == dump_pem(life.renewed)
    began = time.monotonic()
    body = http.get("/cas/crl").expect(200).body
    last = Fetched(began=began, ended=time.monotonic(), body=body)
    plant.kill_all()
    judge_lists(crowd.lives, [*crowd.lists, last])
    assert not plant.orphans(), "what was killed has left processes"
    plant.manage("--check")
    plant.manage("--verify-record")


def judge(database: Path, lives: Sequence[Life], *, answers_expire: bool = False) -> None:
    """AssertionError for whatever was lost, or is there more than once.

    ``answers_expire``: the clock was put forward so far that an answer could be forgotten, and a renewal that was
    asked for again be another one.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection:
        stored = Stored(connection)
    seen = Counter[int]()
    for life in lives:
        certificates = _judge_life(stored, life, answers_expire=answers_expire)
        seen.update({certificate.serial_number for certificate in certificates})
    assert set(seen.values()) <= {1}, "a serial was given to two"
    assert stored.received == len(stored.requests), "a submission was counted twice, or not at all"
    there = set(stored.signed_serials)
    assert len(there) == len(stored.signed_serials), "a serial was given to two"
    assert there <= stored.issued, "a certificate without its entry"
    if not answers_expire:
        assert there == stored.issued, "an entry without its certificate"


class Stored:
    """What is in the database of the services' certificates. ``requests``: id and certificate by digest."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        self.requests: dict[bytes, tuple[int, bytes | None]] = {}
        for digest, number, certificate in connection.execute(
            "SELECT digest, id, certificate FROM request WHERE context = 'cas'"
        ):
            assert digest not in self.requests, "a request is there twice"
            self.requests[digest] = number, certificate
        self.renewals: dict[bytes, bytes] = dict(
            connection.execute("SELECT digest, certificate FROM renewal WHERE context = 'cas'")
        )
        entries = connection.execute("SELECT serial, kind FROM record WHERE context = 'cas'").fetchall()
        self.issued = {int(serial, 16) for serial, kind in entries if kind != "revoked"}
        assert len(self.issued) == sum(kind != "revoked" for _, kind in entries), "an entry is there twice"
        assert not any(chain.problem for chain in verify(connection)), "the record's chain is broken"
        self.revoked = {
            int(serial, 16)
            for (serial,) in connection.execute("SELECT serial FROM revocation WHERE context = 'cas'")
        }
        recorded = sorted(int(serial, 16) for serial, kind in entries if kind == "revoked")
        assert recorded == sorted(self.revoked), "a revocation without its entry, or with two"
        [(self.received,)] = connection.execute(
            "SELECT TOTAL(value) FROM counter WHERE context = 'cas' AND name = 'received_csr'"
        )
        certificates = [made for _, made in self.requests.values() if made is not None]
        self.signed_serials = [_serial(der) for der in [*certificates, *self.renewals.values()]]


@cache
def _serial(der: bytes) -> int:
    return load_certificate_der(der).serial_number


def _judge_life(stored: Stored, life: Life, *, answers_expire: bool) -> list[x509.Certificate]:
    """The certificates that its holder has."""
    number, certificate = stored.requests.get(life.digest, (None, None))
    if "submitted" in life.done:
        assert number == life.id, "an acknowledged request is lost"
    if "signed" in life.done:
        assert certificate is not None, "an acknowledged signature is lost"
    if "signed" not in life.asked:
        assert certificate is None, "something was signed that nobody has asked for"
    held = []
    if life.certificate is not None:
        assert certificate == dump_der(life.certificate), "another certificate than the one that was fetched"
        held.append(life.certificate)
    if life.renewed is not None:
        held.append(life.renewed)
        renewed = stored.renewals.get(life.renewal_digest)
        assert renewed is not None, "an acknowledged renewal is lost"
        assert life.renewed.serial_number in stored.issued, "an acknowledged renewal is lost"
        assert answers_expire or renewed == dump_der(life.renewed), "a renewal was answered differently"
    if life.revoked is not None and "revoked" in life.done:
        assert life.revoked in stored.revoked, "an acknowledged revocation is lost"
    return held


def judge_lists(lives: Sequence[Life], lists: Sequence[Fetched]) -> None:
    """A number means the same bytes to everybody and never falls; what was revoked before somebody asked is listed."""
    bodies: dict[int, bytes] = {}
    serials: dict[int, frozenset[int]] = {}
    numbers: dict[bytes, int] = {}
    for body in {fetched.body for fetched in lists}:
        [crl] = load_crls(body)
        number = numbers[body] = crl_number(crl)
        assert number not in bodies, f"two lists have the number {number}"
        bodies[number] = body
        serials[number] = frozenset(entry.serial_number for entry in crl)
    ordered = sorted(serials)
    for before, after in pairwise(ordered):
        assert serials[before] <= serials[after], f"list {after} has lost something"
    began = sorted(lists, key=lambda fetched: fetched.began)
    ended = sorted(lists, key=lambda fetched: fetched.ended)
    revoked = sorted(
        (life.done["revoked"], life.revoked)
        for life in lives
        if life.revoked is not None and "revoked" in life.done
    )
    highest = position = told = 0
    known: set[int] = set()
    for fetched in began:
        while ended[position].ended < fetched.began:
            highest = max(highest, numbers[ended[position].body])
            position += 1
        number = numbers[fetched.body]
        assert number >= highest, f"list {number} was handed out after list {highest}"
        while told < len(revoked) and revoked[told][0] < fetched.began:
            known.add(revoked[told][1])
            told += 1
        assert known <= serials[number], (
            f"list {number} does not have what was revoked before it was asked for"
        )
