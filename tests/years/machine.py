"""A machine with a certificate: the real pass of the updater whenever its timer finds it on, and its habit."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Protocol

from cryptography import x509

from caucase.client.updater import Surroundings, one_pass
from caucase.client.updater.layout import Layout
from caucase.client.updater.look import own_pair
from caucase.client.updater.memory import read_memory
from caucase.config.updater import UpdaterConfig
from caucase.core.asked import asked, parse_name
from caucase.core.keys import KeyType
from caucase.core.x509 import dump_pem
from caucase.errors import CertificateInvalid, Expiring, ServerRefused

from .diary import Diary
from .habits import DAY, WEEK, Character, Habit
from .server_machine import ServerMachine

SECOND = timedelta(seconds=1)
TIMER = timedelta(minutes=15)
# While the server is off. In reality each time, which differs in nothing but cost.
RETRY = DAY


class Tell(Protocol):
    """Is called when a machine waits for a signature, has a new certificate, or is settled again."""

    def __call__(self, machine: Machine, *, is_new: bool) -> None: ...


class Machine:
    """``is_settled``: it has passed since it was switched on. ``has_failed``: its unit says that something ends. ``files``: all its certificates.

    ``off_from`` moves the begin of an absence of a length that is to begin at a certain moment.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        character: Character,
        *,
        diary: Diary,
        server: ServerMachine,
        random: Random,
        tell: Tell,
        off_from: Callable[[datetime, timedelta], datetime],
        mode: str = "service",
    ) -> None:
        self.name = name
        self.character = character
        self.certificate: x509.Certificate | None = None
        self.files: list[Path] = []  # of all its certificates, the present one last
        self.passes = 0
        self.is_settled = False
        self.has_failed = False
        self.on_since: datetime | None = None
        self._diary = diary
        self._server = server
        self._random = random
        self._tell = tell
        self._off_from = off_from
        self._jitter = timedelta(seconds=random.uniform(0, TIMER.total_seconds()))
        self._next_pass = 0  # the number of the only pass that is still wanted
        self._folder = folder
        self.config = _config(name, folder, mode)

    @property
    def is_on(self) -> bool:
        return self.on_since is not None

    @property
    def checked_at(self) -> datetime:
        """When it last compared its lists with the server's, by the true time."""
        checked = read_memory(Layout.of(self.config).memory).checked_at
        assert checked is not None
        return checked - self.character.ahead

    def switch_on(self) -> None:
        self.on_since, self.is_settled = self._diary.now, False
        self.pass_at(self._diary.now)
        habit, now = self.character.habit, self._diary.now
        if habit is Habit.THREE_WEEKS_OF_FOUR:
            self._diary.at(now + WEEK, self._go_off)
        elif habit is Habit.AT_ANY_MOMENT:
            begin = now + self._random.uniform(2, 12) * DAY
            self._diary.at(self._off_from(begin, habit.value), self._go_off)

    def _go_off(self) -> None:
        self.on_since, self.is_settled = None, False
        self._next_pass += 1
        length: timedelta = self.character.habit.value
        self._diary.at(self._diary.now + length, self.switch_on)

    def pass_at(self, moment: datetime) -> None:
        """Pass when the timer ticks next at or after that moment, and not before."""
        self._next_pass += 1
        wanted = self._next_pass
        when = moment if self.character.is_exact else self._tick(moment)

        def do() -> None:
            if wanted == self._next_pass:
                self._pass()

        self._diary.at(when, do)

    def _tick(self, moment: datetime) -> datetime:
        ticks = math.ceil((moment.timestamp() - self._jitter.total_seconds()) / TIMER.total_seconds())
        seconds = ticks * TIMER.total_seconds() + self._jitter.total_seconds()
        return datetime.fromtimestamp(seconds, moment.tzinfo)

    def _pass(self) -> None:
        self.passes += 1
        now = self._diary.now
        config = replace(self.config, ca_url=self._server.url)
        around = Surroundings(
            clock=lambda: now + self.character.ahead,
            sleep=lambda seconds: None,
            random=self._random.random,
            changing=contextlib.nullcontext,
        )
        try:
            outcome = one_pass(config, around)
        except Expiring:
            # Only while the server is off may anything come near its end.
            assert not self._server.is_on
            self.has_failed = True
            self.pass_at(now + RETRY)
            return
        except ServerRefused as error:
            # It was due before its lists said why not; the next pass knows.
            assert "revoked" in error.message
            self.pass_at(now + TIMER)
            return
        except CertificateInvalid:
            self.is_settled = True
            self._forget_revoked()
            return
        if outcome.trouble is not None:
            assert not self._server.is_on, outcome.trouble
            self.pass_at(now + RETRY)
            return
        self.has_failed = False
        # A clock that is wrong finds things due a little earlier or later.
        due = now if outcome.pending else outcome.next_due - self.character.ahead
        self.pass_at(max(due, now + (SECOND if self.character.is_exact and not outcome.pending else TIMER)))
        was_settled, self.is_settled = self.is_settled, not outcome.pending
        has_changed = self._has_new_certificate()
        if outcome.pending or has_changed or not was_settled:
            self._tell(self, is_new=has_changed)
        if has_changed and self.character.habit is Habit.AFTER_RENEWING:
            self._go_off()

    def _has_new_certificate(self) -> bool:
        pair = own_pair(self.config)
        if pair is None or pair.certificate == self.certificate:
            return False
        self.certificate = pair.certificate
        path = self._folder / f"{self.name}.{len(self.files)}.crt.pem"
        path.write_bytes(dump_pem(pair.certificate))
        self.files.append(path)
        return True

    def _forget_revoked(self) -> None:
        """What the message tells its administrator to do."""
        assert self.config.crt is not None
        self.config.crt.unlink()
        self.certificate = None
        self.pass_at(self._diary.now + TIMER)


def _config(name: str, folder: Path, mode: str) -> UpdaterConfig:
    state = folder / name
    ca = state / f"{mode}.ca.pem"
    return UpdaterConfig(
        name=name,
        ca_url="",  # given at each pass
        mode=mode,
        directory=state,
        cas_ca=ca if mode == "service" else state / "cas.pem",
        ca=ca,
        crl=state / "crl.pem",
        csr=None,
        asked=asked(names=[parse_name(f"{name}.example.com")], subject=None, key_usage=[], purposes=[]),
        key=state / "pair.pem",
        crt=state / "pair.pem",
        key_type=KeyType.parse("ec:P-256"),
        threshold=31 * DAY,
        crl_threshold=7 * DAY,
        install=(),
        reload=(),
        restart=(),
        start=(),
    )
