"""What an authority should answer, in as few words as possible. All moments are Unix seconds, and time never goes back.

An operation raises what the real one should raise, and then nothing has changed; what it cannot know, such as an id or
a serial, is ``None`` until somebody has seen it (``learn``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any

from caucase.errors import (
    AlreadyRevoked,
    CertificateInvalid,
    DuplicateKey,
    NotFound,
    QueueFull,
)

DAY = 86_400
PERIOD = 93 * DAY
LIST_LIFE = round(0.33 * PERIOD)
GRACE = 31 * DAY
RECORD_RETENTION = 365 * DAY
BACKDATE = 10
MAX_PENDING = 3


class _Seen:
    """One thing that there is, however often the model is copied."""

    def __deepcopy__(self, _memo: object) -> _Seen:
        return self


@dataclass(eq=False)
class Ca(_Seen):
    start: int
    key_id: bytes | None = None

    @property
    def end(self) -> int:
        return self.start + 4 * PERIOD


@dataclass(eq=False)
class Cert(_Seen):
    """``key`` and ``name`` by number; ``end``: the last second of its life."""

    context: str
    ca: Ca
    key: int
    name: int
    start: int
    automatic: bool
    serial: int | None = None
    pem: bytes = b""

    @property
    def end(self) -> int:
        return min(self.start + PERIOD, self.ca.end)


@dataclass(eq=False)
class Id(_Seen):
    """What is seen of it later belongs to what was backed up before, too."""

    number: int | None = None


@dataclass
class Request:
    key: int
    name: int
    since: int
    id: Id = field(default_factory=Id)
    cert: Cert | None = None
    kept: float = float("inf")
    is_read: bool = False


@dataclass
class Context:
    """CAU or CAS. ``record``: until when an entry matters, and which certificate was issued, if one was. ``revoked``: until
    when it is kept, and the CA that it belongs to, if known, by serial. ``lists``: when the newest list of each CA was
    made, and what is on it.
    """

    name: str
    automatic: int
    received: int = 0
    cas: list[Ca] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    renewals: dict[tuple[Cert, int], tuple[Cert, float]] = field(default_factory=dict)
    record: list[tuple[int, Cert | None]] = field(default_factory=list)
    revoked: dict[int, tuple[int, Ca | None]] = field(default_factory=dict)
    number: int = 0
    is_behind: bool = False
    is_unsure: bool = False
    lists: dict[Ca, tuple[int, set[int]]] = field(default_factory=dict)

    # What is there

    def valid(self, now: int) -> list[Ca]:
        return [ca for ca in self.cas if now <= ca.end]

    def is_due(self, now: int) -> bool:
        valid = self.valid(now)
        return not valid or now >= valid[-1].end - 2 * PERIOD

    def live(self, now: int) -> list[Request]:
        return [one for one in self.requests if now <= one.kept]

    def pending(self) -> list[Request]:
        return [one for one in self.requests if one.cert is None]

    def find(self, key: int, name: int, now: int) -> Request | None:
        return next((one for one in self.live(now) if (one.key, one.name) == (key, name)), None)

    def by_id(self, number: int, now: int) -> Request | None:
        return next((one for one in self.live(now) if one.id.number == number), None)

    def is_good(self, cert: Cert, now: int) -> bool:
        until_and_ca = self.revoked.get(cert.serial or 0)
        is_revoked = until_and_ca is not None and until_and_ca[1] in (cert.ca, None)
        return cert.start <= now <= cert.end and cert.ca in self.valid(now) and not is_revoked

    # What happens

    def ensure(self, now: int) -> None:
        if self.is_due(now):
            self.cas.append(Ca(start=now - BACKDATE))

    def _certify(self, key: int, name: int, now: int, *, automatic: bool) -> Cert:
        self.ensure(now)
        valid = self.valid(now)
        ripe = [ca for ca in valid if now - ca.start > PERIOD]
        return Cert(self.name, (ripe or valid)[-1], key, name, now - BACKDATE, automatic)

    def _kept(self, cert: Cert, now: int) -> int:
        return cert.end if self.name == "cau" else now + DAY

    def _sign(self, request: Request, cert: Cert, now: int) -> None:
        request.cert, request.kept = cert, self._kept(cert, now)
        self.record.append((cert.end, cert))

    def _insert(self, key: int, name: int, now: int) -> Request:
        self._check_key(key, now)
        self.received += 1
        self.requests = [one for one in self.requests if (one.key, one.name) != (key, name)]
        self.requests.append(request := Request(key=key, name=name, since=now))
        return request

    def _check_key(self, key: int, now: int) -> None:
        renewed = any(cert.key == key and now <= kept for cert, kept in self.renewals.values())
        if self.name == "cau" and (renewed or any(one.key == key for one in self.live(now))):
            raise DuplicateKey("")

    def submit(self, key: int, name: int, now: int) -> Request:
        if (known := self.find(key, name, now)) is not None:
            return known
        is_automatic = self.received < self.automatic
        if not is_automatic and len(self.pending()) >= MAX_PENDING:
            raise QueueFull("")
        request = self._insert(key, name, now)
        if is_automatic:
            self._sign(request, self._certify(key, name, now, automatic=True), now)
        return request

    def approve(self, key: int, name: int, now: int) -> Cert:
        request = self.find(key, name, now)
        if request is not None and request.cert is not None:
            known = self.revoked.get(request.cert.serial or 0)
            if known is not None and known[1] in (request.cert.ca, None):
                raise CertificateInvalid("")
            self.ensure(now)
            return request.cert
        request = request or self._insert(key, name, now)
        cert = self._certify(key, name, now, automatic=False)
        self._sign(request, cert, now)
        return cert

    def sign(self, number: int, name: int | None, now: int) -> None:
        """``name``: the template's."""
        request = self.by_id(number, now)
        if request is None or request.cert is not None:
            raise NotFound("")
        name = request.name if name is None else name
        self._sign(request, self._certify(request.key, name, now, automatic=False), now)

    def reject(self, number: int, now: int) -> None:
        request = self.by_id(number, now)
        if request is None or request.cert is not None:
            raise NotFound("")
        self.requests.remove(request)

    def request(self, number: int, now: int) -> Request:
        request = self.by_id(number, now)
        if request is None:
            raise NotFound("")
        return request

    def fetch(self, number: int, now: int) -> Cert:
        request = self.by_id(number, now)
        if request is None or request.cert is None:
            raise NotFound("")
        if self.name == "cas" and not request.is_read:
            request.is_read, request.kept = True, min(request.kept, now + 0.05 * DAY)
        return request.cert

    def renew(self, old: Cert, csr: int, key: int, now: int) -> Cert:
        """``csr``: which request, by number, with that key."""
        if not self.is_good(old, now):
            raise CertificateInvalid("")
        known = self.renewals.get((old, csr))
        if known is not None and now <= known[1]:
            return known[0]
        self._check_key(key, now)
        cert = self._certify(key, old.name, now, automatic=old.automatic)
        self.renewals[old, csr] = cert, self._kept(cert, now)
        self.record.append((cert.end, cert))
        return cert

    def revoke(self, cert: Cert, now: int) -> None:
        if not (cert.start <= now <= cert.end and cert.ca in self.valid(now)):
            raise CertificateInvalid("")
        assert cert.serial is not None
        self._revoke(cert.serial, cert.end, cert.ca)

    def revoke_serial(self, serial: int, now: int) -> None:
        for _, cert in self.record:
            if cert is not None and cert.serial == serial:
                self._revoke(serial, cert.end, cert.ca)
                return
        if serial not in self.revoked:
            self.ensure(now)
            self._revoke(serial, max(ca.end for ca in self.cas), None)
        else:
            raise AlreadyRevoked("")

    def _revoke(self, serial: int, end: int, ca: Ca | None) -> None:
        if serial in self.revoked:
            raise AlreadyRevoked("")
        self.revoked[serial] = end + LIST_LIFE, ca
        self.record.append((end, None))
        self.number, self.is_behind = self.number + 1, True

    def make_lists(self, now: int, *, at: float = 0.5) -> None:
        """Where one is missing, behind, or older than that share of its life."""
        self.ensure(now)
        valid = self.valid(now)
        made = [self.lists[ca][0] if ca in self.lists else None for ca in valid]
        if self.is_behind or any(one is None or now - (one - BACKDATE) >= at * LIST_LIFE for one in made):
            # A revocation has taken the number that is next, unless there is no list that it could come after.
            self.number += not self.is_behind or set(made) == {None}
            self.is_behind = False
            for ca in valid:
                on_it = {s for s, (until, of) in self.revoked.items() if of in (ca, None) and now <= until}
                self.lists[ca] = now, on_it

    def prune(self, now: int) -> None:
        late = now - GRACE
        if any(now - ca.start > PERIOD for ca in self.valid(now)):
            self.revoked = {s: kept for s, kept in self.revoked.items() if kept[0] >= late}
            self.record = list(dropwhile(lambda entry: entry[0] < now - RECORD_RETENTION, self.record))
            self.cas = [ca for ca in self.cas if ca.end >= late]


@dataclass
class Model:
    cau: Context = field(default_factory=lambda: Context("cau", automatic=1))
    cas: Context = field(default_factory=lambda: Context("cas", automatic=2))

    def context(self, name: str) -> Context:
        context: Context = getattr(self, name)
        return context

    def maintain(self, now: int) -> Any:
        for context in (self.cau, self.cas):
            context.prune(now)
            context.make_lists(now, at=0.3)
