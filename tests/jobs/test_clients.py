"""A backup beside sixteen clients that write: what was answered before it began is in it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from caucase.authority import RequestId
from caucase.store import Database, record, requests, revocations
from tests.authority.world import ADDRESS, BOSS, fetch, revocation

from .office import Office

CLIENTS = 16
BACKUPS = 4


@dataclass
class Answers:
    """What clients were told so far; each list only grows."""

    submitted: list[RequestId] = field(default_factory=list)
    signed: list[int] = field(default_factory=list)
    revoked: list[int] = field(default_factory=list)

    def so_far(self) -> Answers:
        return Answers(submitted=self.submitted[:], signed=self.signed[:], revoked=self.revoked[:])


def test_what_was_answered_before_it_began_is_in_it(office: Office, keys, make_csr, clock) -> None:
    office.user("u", keys(number=1))
    services = office.authority.services
    answers, stop, key = Answers(), threading.Event(), keys(number=2)
    lock = threading.Lock()
    left_waiting: list[RequestId] = []

    def work(client: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            csr = make_csr(f"s{client}-{number}", key=key)
            request_id = services.requests.submit(csr, address=ADDRESS)
            answers.submitted.append(request_id)
            if number % 4 == 0:
                # Half of the queue stays, so that it never fills up: somebody rejects what waits too long.
                with lock:
                    left_waiting.append(request_id)
                    old = left_waiting.pop(0) if len(left_waiting) > CLIENTS else None
                if old is not None:
                    answers.submitted.remove(old)
                    services.requests.reject(old, by=BOSS, address=ADDRESS)
                continue
            services.requests.sign(request_id, by=BOSS, address=ADDRESS)
            certificate = fetch(services, request_id)
            answers.signed.append(certificate.serial_number)
            if number % 3 == 0:
                services.revocations.revoke(revocation(certificate, key), by=None, address=ADDRESS)
                answers.revoked.append(certificate.serial_number)

    checked = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(work, client) for client in range(CLIENTS)]
        try:
            while len(answers.revoked) < CLIENTS:
                assert not any(client.done() for client in clients), [
                    client.exception(0) for client in clients
                ]
            for _ in range(BACKUPS):
                before = answers.so_far()
                made = office.made()
                checked.append((before, made))
                clock.advance(minutes=1)
        finally:
            stop.set()
        for client in clients:
            client.result()

    for index, (before, backup) in enumerate(checked):
        assert before.submitted
        folder = office.folder / f"restored-{index}"
        folder.mkdir()
        office.restore(backup, keys(number=1), keys(number=3), at=folder / "x.sqlite")
        with closing(Database(folder / "x.sqlite", create=False)) as database, database.read() as transaction:
            now = int(clock().timestamp())
            rejected = set(before.submitted) - set(answers.submitted)
            for request_id in set(before.submitted) - rejected:
                assert requests.select(transaction, "cas", request_id, now) is not None
            for serial in before.signed:
                assert record.issued(transaction, "cas", serial) is not None  # type: ignore[arg-type]
            for serial in before.revoked:
                assert revocations.is_revoked(transaction, "cas", serial)  # type: ignore[arg-type]
