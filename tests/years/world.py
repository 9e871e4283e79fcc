"""Everything together: the server, a user, machines of all habits, what happens to them, and what must hold always."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from cryptography import x509

from caucase.core.x509 import not_after

from .diary import Diary
from .habits import DAY, SECONDS_FAST, SERVICES, WEEK, Character, Habit
from .machine import SECOND, TIMER, Machine
from .relying_party import refusals
from .server_machine import ServerMachine

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
YEARS = 5
END = START + YEARS * 365 * DAY

OUTAGE = 20 * DAY
REVOCATIONS = 5
# From an event to the look at what it did to everybody.
LOOK_AFTER = timedelta(minutes=20)


@dataclass(frozen=True, kw_only=True)
class Revoked:
    path: Path
    certificate: x509.Certificate
    at: datetime


class World:
    """A run of years. ``seed`` decides everything that is left to chance. ``check_interval``: the updater's."""

    def __init__(self, folder: Path, seed: int, check_interval: timedelta) -> None:
        self._random = Random(seed)
        self._known_after = check_interval + 2 * TIMER
        self.figures: Counter[str] = Counter()
        self.diary = Diary(START)
        (folder / "server").mkdir()
        self.server = ServerMachine(folder / "server", self.diary)
        self.revoked: list[Revoked] = []
        self._is_look_due = False
        self._cas: list[x509.Certificate] = []
        self._openssl = ThreadPoolExecutor(os.cpu_count())
        # A machine that is off three weeks of four is on for some of the time that the server is off, but for not all
        # of it: nobody could keep its certificate from expiring. The second time a new CA is due meanwhile.
        second = 7 * 186 - self._random.uniform(1, 10)
        first = second - 28 * self._random.randint(20, 30)
        self._outages = [START + days * DAY for days in (first, second)]
        week_begin = START + ((second - self._random.uniform(4, 6)) % 28) * DAY
        self.user = self._machine("user", folder, Character(habit=Habit.AT_ANY_MOMENT), mode="user")
        self.services = [
            self._machine(f"s{number}", folder, character) for number, character in enumerate(SERVICES)
        ]
        for outage in self._outages:
            self.diary.at(outage, self._server_goes_off)
        self.server.start()
        self.user.switch_on()
        for machine in self.services:
            begin = START + self._random.uniform(0.1, 40) * DAY
            if machine.character.habit is Habit.THREE_WEEKS_OF_FOUR:
                begin = week_begin + self._random.uniform(0, 2) * DAY
            self.diary.at(begin, machine.switch_on)
        for number in range(REVOCATIONS):
            share = (number + self._random.random()) / REVOCATIONS
            self.diary.at(START + 60 * DAY + share * (END - START - 260 * DAY), self._revoke_one)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            stack.callback(self._openssl.shutdown)
            stack.callback(self.server.stop)

    def run(self) -> None:
        self.diary.run(END)
        self.figures["passes"] = sum(machine.passes for machine in self._machines)
        self.figures["CAs of services"] = self.server.generations()

    @property
    def _machines(self) -> list[Machine]:
        return [self.user, *self.services]

    def _machine(self, name: str, folder: Path, character: Character, mode: str = "service") -> Machine:
        return Machine(
            name,
            folder,
            character,
            diary=self.diary,
            server=self.server,
            random=self._random,
            tell=self._hear,
            off_from=self._clear_of_outages,
            mode=mode,
        )

    # What happens.

    def _server_goes_off(self) -> None:
        self.server.stop()
        back = self.diary.now + OUTAGE
        self.diary.at(back, self._server_comes_back)
        for days in range(1, OUTAGE // DAY):
            self.diary.at(self.diary.now + days * DAY, self._look_soon)

    def _server_comes_back(self) -> None:
        self.server.start()
        for machine in self._machines:
            if machine.is_on:
                machine.pass_at(self.diary.now)
        self._look_soon()

    def _clear_of_outages(self, begin: datetime, length: timedelta) -> datetime:
        """So that a machine and the server meet at least once between two absences."""
        for outage in self._outages:
            if begin - DAY < outage + OUTAGE and outage < begin + length + DAY:
                begin = outage + OUTAGE + DAY
        return begin

    def _hear(self, machine: Machine, *, is_new: bool) -> None:
        """A machine waits for its first certificate, has a new one, or is back."""
        if not machine.is_settled:
            assert machine.certificate is None, "somebody would have to sign again"
            self.diary.at(self.diary.now + TIMER / 3, self._sign)
        elif is_new:
            self._look_soon()
        elif machine is not self.user:
            self._look([machine])

    def _sign(self) -> None:
        assert self.user.certificate is not None
        if self.server.is_on:
            self.figures["signatures"] += self.server.sign_all(self.user.certificate)

    def _revoke_one(self) -> None:
        revoked = [one.path for one in self.revoked]
        candidates = [
            one
            for one in self.services
            if one.is_settled and one.certificate is not None and one.files[-1] not in revoked
        ]
        if not self.server.is_on or not candidates:
            self.diary.at(self.diary.now + WEEK, self._revoke_one)
            return
        machine = self._random.choice(candidates)
        assert machine.certificate is not None
        assert self.user.certificate is not None
        self.server.revoke(machine.certificate, self.user.certificate)
        revoked = Revoked(path=machine.files[-1], certificate=machine.certificate, at=self.diary.now)
        self.revoked.append(revoked)
        self.diary.at(revoked.at + self._known_after, self._look_soon)

    # What must hold.

    def _look_soon(self) -> None:
        if not self._is_look_due:
            self._is_look_due = True
            self.diary.at(self.diary.now + LOOK_AFTER, self._look_at_all)

    def _look_at_all(self) -> None:
        self._is_look_due = False
        self._look_when_cas_end()
        parties = [one for one in self.services if one.is_settled]
        # They may be right, and have said it: without the server no list lives for ever.
        failed = [one for one in parties if one.has_failed]
        assert not failed or not self.server.is_on
        self.figures["looks at machines that have failed"] += len(failed)
        self._look([one for one in parties if one not in failed])

    def _look_when_cas_end(self) -> None:
        for ca in self.server.cas() if self.server.is_on else []:
            if ca not in self._cas:
                self._cas.append(ca)
                for moment in (not_after(ca), not_after(ca) + SECOND, not_after(ca) + DAY):
                    self.diary.at(moment, self._look_at_all)

    def _look(self, parties: list[Machine]) -> None:
        """Who is on and has passed has a valid certificate, and accepts everybody who ought to be, and nobody else."""
        now = self.diary.now
        # Its last seconds are over where a clock is fast.
        soon = now + SECONDS_FAST
        revoked = {one.path: one for one in self.revoked if soon <= not_after(one.certificate)}
        good = []
        for holder in self.services:
            if holder.certificate is not None:
                end = not_after(holder.certificate)
                assert now <= end or not holder.is_settled, f"{holder.name} has expired at {now}"
                if soon <= end:
                    good.append(holder.files[-1])
        presented = list({*good, *revoked})
        if not presented:
            return
        judged = self._openssl.map(lambda party: self._judge(party, presented), parties)
        for party, refused in zip(parties, judged, strict=True):
            self.figures["verifications"] += len(presented)
            self.figures["runs of openssl"] += 1
            wrong = {path.name: reason for path, reason in refused.items() if path not in revoked}
            assert not wrong, f"{party.name} at {now}: {wrong}"
            for path, one in revoked.items():
                self._check_revoked(party, one, refused.get(path, ""))

    def _judge(self, party: Machine, certificates: list[Path]) -> dict[Path, str]:
        config = party.config
        return refusals(config.ca, config.crl, certificates, self.diary.now + party.character.ahead)

    def _check_revoked(self, party: Machine, one: Revoked, reason: str) -> None:
        assert party.on_since is not None
        since = max(one.at, party.on_since, self.server.on_since or self.diary.now)
        if self.diary.now >= since + self._known_after:
            assert party.checked_at > one.at, f"{party.name} has not looked since {one.at}"
        if party.checked_at > one.at:
            assert "certificate revoked" in reason, f"{party.name} accepts {one.path.name}: {reason}"
            self.figures["refusals of revoked"] += 1
