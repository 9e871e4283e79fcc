"""Clients that never stop asking, and note what was answered and what they do not know.

A certificate's life: submitted, signed by a user over TLS, fetched, renewed, revoked. Where a connection breaks or the
server cannot do it, nobody knows whether it was done; then a client sometimes asks again, and sometimes leaves it so.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from caucase.core.x509 import dump_der, dump_pem, load_certificate
from tests.server.material import Made, make
from tests.server.process import Listeners
from tests.server.wire import JSON, PKCS10, Answer, insecure, read

CLIENTS = 16
_SECONDS = 60
_PATIENCE = 0.02  # seconds before asking again what could not be done


@dataclass(kw_only=True)
class Life:
    """``asked``: what was asked at least once; ``done``: what was acknowledged, and when. ``revoked``: which serial was
    asked to be. ``digest``, ``renewal_digest``: by which the server knows the request, and the ``renewal`` as it
    was asked for.
    """

    made: Made
    digest: bytes
    asked: set[str] = field(default_factory=set)
    done: dict[str, float] = field(default_factory=dict)
    id: int | None = None
    certificate: x509.Certificate | None = None
    renewal: bytes = b""
    renewal_digest: bytes = b""
    renewed: x509.Certificate | None = None
    revoked: int | None = None

    def until(self, moment: float) -> Life:
        """As its holder knew it then."""
        done = {what: when for what, when in self.done.items() if when <= moment}
        return replace(
            self,
            done=done,
            id=self.id if "submitted" in done else None,
            certificate=self.certificate if "fetched" in done else None,
            renewed=self.renewed if "renewed" in done else None,
        )


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The lists as somebody got them who asked at ``began`` and had them at ``ended``."""

    began: float
    ended: float
    body: bytes


class Client(threading.Thread):
    """``unable``: statuses by which the server may say that it cannot at the moment; ``refused``: by which it may
    refuse, since the clock is wrong. ``now``: what time is, for ``Life.done`` and ``Fetched``. ``error``: what must not
    happen.
    """

    def __init__(
        self,
        listeners: Listeners,
        user: Path,
        *,
        until: float,
        seed: str,
        unable: Collection[int] = (),
        refused: Collection[int] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name=f"client {seed}", daemon=True)
        self.lives: list[Life] = []
        self.lists: list[Fetched] = []
        self.counted: Counter[str] = Counter()
        self.error: BaseException | None = None
        self._listeners = listeners
        self._context = insecure(user)
        self._until = until
        self._seed = seed
        self._random = random.Random(seed)
        self._unable = unable
        self._refused = refused
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._open: dict[bool, http.client.HTTPConnection] = {}

    def run(self) -> None:
        try:
            while time.monotonic() < self._until:
                self._live()
        except BaseException as error:  # noqa: BLE001 - for the test's own thread
            self.error = error
        for connection in self._open.values():
            connection.close()

    def _live(self) -> None:
        made = make(f"{self._seed}-{len(self.lives)}", self._key)
        life = Life(made=made, digest=hashlib.sha256(_der(made)).digest())
        self.lives.append(life)
        answer = self._do(
            life, "submitted", lambda: self._ask("PUT", "/cas/csr", life.made.csr_pem, PKCS10), 201
        )
        if answer is None:
            return
        life.id = int(answer.headers["Location"])
        # 404: an attempt that was not answered has signed it.
        if (
            self._do(life, "signed", lambda: self._ask("PUT", f"/cas/crt/{life.id}", tls=True), 204, 404)
            is None
        ):
            return
        answer = self._do(life, "fetched", lambda: self._ask("GET", f"/cas/crt/{life.id}"), 200)
        if answer is None:
            return
        life.certificate = load_certificate(answer.body)
        if self._random.random() < 0.6:
            self._renew(life, life.certificate)
        if self._random.random() < 0.6:
            self._revoke(life, life.renewed or life.certificate)
        if self._random.random() < 0.5:
            self._fetch_lists()

    def _renew(self, life: Life, old: x509.Certificate) -> None:
        new = make("ignored", self._key)
        payload = {"crt_pem": dump_pem(old).decode(), "renew_csr_pem": new.csr_pem.decode()}
        life.renewal = life.made.signed(payload)
        life.renewal_digest = hashlib.sha256(dump_der(old) + _der(new)).digest()
        answer = self._do(
            life, "renewed", lambda: self._ask("PUT", "/cas/crt/renew", life.renewal, JSON), 200
        )
        if answer is not None:
            life.renewed = load_certificate(answer.body)

    def _revoke(self, life: Life, certificate: x509.Certificate) -> None:
        life.revoked = certificate.serial_number
        message = life.made.signed({"revoke_crt_pem": dump_pem(certificate).decode()})
        # 409: an attempt that was not answered has revoked it.
        self._do(life, "revoked", lambda: self._ask("PUT", "/cas/crt/revoke", message, JSON), 204, 409)

    def _fetch_lists(self) -> None:
        began = self._now()
        answer = self._ask("GET", "/cas/crl")
        if answer is not None and answer.status not in self._unable:
            self.lists.append(Fetched(began=began, ended=self._now(), body=answer.expect(200).body))
            self.counted["lists"] += 1

    def _do(
        self, life: Life, what: str, ask: Callable[[], Answer | None], good: int, when_repeated: int = 0
    ) -> Answer | None:
        """Ask, perhaps again; ``None`` if it is not known whether it was done, or was refused."""
        life.asked.add(what)
        repeated = False
        while True:
            answer = ask()
            if answer is not None and answer.status in self._refused:
                self.counted["refused"] += 1
                return None
            if answer is not None and answer.status not in self._unable:
                if not (repeated and answer.status == when_repeated):
                    answer.expect(good)
                life.done[what] = self._now()
                self.counted[what] += 1
                return answer
            self.counted["unanswered" if answer is None else "unable"] += 1
            if self._random.random() < 0.3:
                return None
            repeated = True
            time.sleep(_PATIENCE)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        tls: bool = False,
    ) -> Answer | None:
        """``None`` if there was no answer."""
        try:
            connection = self._open.get(tls)
            if connection is None:
                connection = self._open[tls] = self._connect(tls)
            connection.request(method, path, body, headers or {})
            return read(connection)
        except (OSError, http.client.HTTPException):
            with contextlib.suppress(KeyError):
                self._open.pop(tls).close()
            return None

    def _connect(self, tls: bool) -> http.client.HTTPConnection:
        if not tls:
            return http.client.HTTPConnection(
                self._listeners.host, self._listeners.port("http"), timeout=_SECONDS
            )
        port = self._listeners.port("https")
        return http.client.HTTPSConnection(
            self._listeners.host, port, timeout=_SECONDS, context=self._context
        )


class Crowd:
    """All clients, for so many ``seconds``; ``options`` as for one of them."""

    def __init__(self, listeners: Listeners, user: Path, *, seconds: float, **options: Any) -> None:
        self.until = time.monotonic() + seconds
        self.clients = [
            Client(listeners, user, until=self.until, seed=f"{number}", **options)
            for number in range(CLIENTS)
        ]

    def start(self) -> None:
        for client in self.clients:
            client.start()

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    def pause(self, seconds: float) -> None:
        """Or less, if it is over before."""
        time.sleep(max(0.0, min(seconds, self.until - time.monotonic())))

    def wait(self) -> None:
        """Until all have stopped; what must not happen is raised."""
        for client in self.clients:
            client.join(2 * _SECONDS)
            assert not client.is_alive(), f"{client.name} waits for ever"
            if client.error is not None:
                raise client.error

    @property
    def lives(self) -> list[Life]:
        return [life for client in self.clients for life in client.lives]

    @property
    def lists(self) -> list[Fetched]:
        return [fetched for client in self.clients for fetched in client.lists]

    def figures(self) -> str:
        total = sum((client.counted for client in self.clients), Counter[str]())
        return ", ".join(f"{name}: {number}" for name, number in sorted(total.items()))


def _der(made: Made) -> bytes:
    return dump_der(x509.load_pem_x509_csr(made.csr_pem))
