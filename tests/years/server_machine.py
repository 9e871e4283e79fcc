"""The machine of the server, which is off at times: the real application over a real database, and the timer's job
beside it, with a connection of its own as another process has.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from caucase.appliance import KeyFile
from caucase.authority import AuditEvent, Authority, ContextAuthority, Policy, Principal
from caucase.core import message
from caucase.core.keys import KeyType
from caucase.core.netloc import NetLoc
from caucase.core.x509 import dump_der, dump_pem
from caucase.store import Database
from tests.server.harness import running

from .diary import Diary

NETLOC = NetLoc.parse("ca.example.com:8009")
ADDRESS = "192.0.2.7"
# Nobody answers there.
NOWHERE = "http://127.0.0.1:1"
# In reality every hour; what can wait for a day in vain can wait for an hour.
JOB_INTERVAL = timedelta(days=1)


class ServerMachine:
    """``url``: where clients find it, which is nowhere while it is off."""

    def __init__(self, folder: Path, diary: Diary) -> None:
        self._folder = folder
        self._diary = diary
        self._parts = ExitStack()
        self._authority: Authority | None = None
        self._job: Authority | None = None
        self.url = NOWHERE
        self.events: list[tuple[AuditEvent, str | int | None]] = []
        self.on_since: datetime | None = None

    def start(self) -> None:
        database = self._parts.enter_context(Database(self._folder / "caucase.sqlite"))
        server = self._parts.enter_context(running(self._folder))
        server.clock = self._diary.clock  # type: ignore[assignment]  # instead of the real time and some more
        server.audit = self._audit  # type: ignore[assignment]
        server.configure(database, netloc=NETLOC, user_auto_approve_count=1)
        beside = self._parts.enter_context(Database(self._folder / "caucase.sqlite"))
        self._job = Authority(
            beside,
            Policy(netloc=NETLOC, key_type=KeyType.parse("ec:P-256")),
            https_file=KeyFile(self._folder / "server.key.pem"),
            clock=self._diary.clock,
            audit=self._audit,
        )
        self._authority, self.url, self.on_since = server.authority, server.origin, self._diary.now
        self._diary.at(self._diary.now + JOB_INTERVAL, self._run_job)

    def stop(self) -> None:
        self._parts.close()
        self._authority, self._job, self.url, self.on_since = None, None, NOWHERE, None

    @property
    def is_on(self) -> bool:
        return self._authority is not None

    @property
    def services(self) -> ContextAuthority:
        assert self._authority is not None
        return self._authority.services

    def user(self, certificate: x509.Certificate) -> Principal:
        """Who that is, if it is a user at this date."""
        assert self._authority is not None
        return self._authority.authenticate(dump_der(certificate), address=ADDRESS)

    def sign_all(self, by: x509.Certificate) -> int:
        """What a user does who finds requests; how many there were."""
        waiting = self.services.requests.pending()
        for request in waiting:
            self.services.requests.sign(request.id, by=self.user(by), address=ADDRESS)
        return len(waiting)

    def revoke(self, certificate: x509.Certificate, by: x509.Certificate) -> None:
        payload = {"revoke_crt_pem": dump_pem(certificate).decode("ascii")}
        self.services.revocations.revoke(message.null(payload), by=self.user(by), address=ADDRESS)

    def generations(self) -> int:
        """How many CAs of services there have been."""
        return self.events.count((AuditEvent.CA_CREATED, "cas"))

    def cas(self) -> list[x509.Certificate]:
        """The CA certificates of services that are valid."""
        now = self._diary.now
        return [ca.certificate for ca in self.services.keyring.snapshot().valid(now)]

    def _run_job(self) -> None:
        if self._job is not None and self.on_since is not None:
            self._job.maintain()
            self._diary.at(self._diary.now + JOB_INTERVAL, self._run_job)

    def _audit(self, event: AuditEvent, **fields: str | int | None) -> None:
        self.events.append((event, fields.get("context")))
