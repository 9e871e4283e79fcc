"""The life of a CA key, as a table: which one signs, which are handed out, when the next is due.

Nothing here reads a clock or a key; everything follows from the dates of the CA certificates, ``now``, and
the *period* (the life of a normal certificate). There is no cross-signing: a new CA certificate is only
distributed for one period, in which every holder of a certificate renews at least once and so learns of it;
then it signs.

    age of the CA     0 ......... 1 period ......... 2 periods ......... 3 periods ......... 4 periods
    this CA           KNOWN       SIGNING            SIGNING             TRUSTED             EXPIRED
    its successor                                    made: KNOWN         SIGNING
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from caucase.errors import NotAcceptable

# A CA certificate lives for so many periods; fewer than the least leave holders no time to renew under the
# successor.
CA_PERIODS = 4
CA_PERIODS_LEAST = 3
HTTPS_CA_PERIODS = 40
SUCCESSOR_DUE_PERIODS = 2
# A CA that was made while the clock was ahead counts as successor if it begins so many periods after one would
# be made now, at most: certificates are cut short by no more than that, and no second successor is made for a
# clock that was set back by days.
_LATE_PERIODS = 1 / 3
# Everything is back-dated by this much, against clock differences.
BACKDATE = timedelta(seconds=10)


class Phase(enum.Enum):
    """Where a CA key is in its life."""

    KNOWN = "known"  # handed out, so that everybody knows it before it signs
    SIGNING = "signs"
    TRUSTED = "trusted"  # a newer one signs; what this one signed is still valid
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """The dates of a CA certificate, aware, both included."""

    not_before: datetime
    not_after: datetime

    def is_valid(self, now: datetime) -> bool:
        """Valid to the last second. A CA of the future is valid: its clock-skewed maker may be right."""
        return now.replace(microsecond=0) <= self.not_after


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Who does what at one moment; indices into the sequence that was given, ``None`` when no CA is valid."""

    phases: tuple[Phase, ...]
    signing: int | None
    successor_due: datetime | None


def check_ca_life(lifetime: timedelta, period: timedelta) -> None:
    """NotAcceptable for a CA life under three periods."""
    if lifetime < CA_PERIODS_LEAST * period:
        raise NotAcceptable(
            f"A CA that lives for {lifetime.days} days cannot sign certificates that live for {period.days} days.",
            f"A CA must live for at least {CA_PERIODS_LEAST} periods; shorten the certificates' life.",
        )


def roles(lifetimes: Sequence[Lifetime], now: datetime, period: timedelta) -> Roles:
    """Who does what at ``now``. ``lifetimes`` in any order.

    Signing: the newest valid CA that is older than one period, else the newest that has begun; one of the
    future, made while the clock was wrong, only if there is no other. A successor is due once the newest has
    two periods left, at once (``successor_due`` in the past) when there is none; one of the future counts
    unless it would come too late (``_LATE_PERIODS``). If all are of the future, it is rather the clock that is
    wrong now, and nothing new is due.
    """
    by_age = sorted(range(len(lifetimes)), key=lambda index: lifetimes[index].not_before)
    valid = [index for index in by_age if lifetimes[index].is_valid(now)]
    if not valid:
        return Roles(phases=(Phase.EXPIRED,) * len(lifetimes), signing=None, successor_due=None)
    begun = [index for index in valid if lifetimes[index].not_before <= now] or valid[:1]
    ripe = [index for index in begun if now - lifetimes[index].not_before > period]
    signing = (ripe or begun)[-1]
    started = lifetimes[signing].not_before
    phases = []
    for index, life in enumerate(lifetimes):
        if index == signing:
            phases.append(Phase.SIGNING)
        elif not life.is_valid(now):
            phases.append(Phase.EXPIRED)
        else:
            phases.append(Phase.KNOWN if life.not_before > started else Phase.TRUSTED)
    due = _successor_due(lifetimes[begun[-1]], period)
    too_late = max(due, now) + _LATE_PERIODS * period
    in_time = [index for index in valid if lifetimes[index].not_before <= too_late or index == begun[-1]]
    return Roles(
        phases=tuple(phases),
        signing=signing,
        successor_due=_successor_due(lifetimes[in_time[-1]], period),
    )


def roles_until(lifetimes: Sequence[Lifetime], now: datetime, period: timedelta) -> datetime:
    """Until when ``roles`` gives what it gives at ``now``; that moment is not included.

    It is ``now`` itself once a successor is due: that changes with every moment.
    """
    due = roles(lifetimes, now, period).successor_due
    if due is None or now >= due:
        return now
    moment = timedelta(microseconds=1)
    borders = [
        border
        for life in lifetimes
        for border in (
            life.not_before - _LATE_PERIODS * period,
            life.not_before,
            life.not_before + period + moment,
            _successor_due(life, period),
            life.not_after + timedelta(seconds=1),
        )
        if border > now
    ]
    return min(borders, default=now)


def _successor_due(life: Lifetime, period: timedelta) -> datetime:
    return life.not_after - SUCCESSOR_DUE_PERIODS * period


@dataclass(frozen=True, kw_only=True)
class Span:
    """One phase of one CA, from ``start`` to ``end``."""

    phase: Phase
    start: datetime
    end: datetime


def timeline(lifetimes: Sequence[Lifetime], period: timedelta) -> list[list[Span]]:
    """The phases of each CA, past and to come, as far as the CAs that exist decide them; oldest CA first."""
    by_age = sorted(lifetimes, key=lambda life: life.not_before)
    borders = sorted(
        {moment for life in by_age for moment in (life.not_before, life.not_before + period, life.not_after)}
    )
    result: list[list[Span]] = [[] for _ in by_age]
    for start, end in itertools.pairwise(borders):
        phases = roles(by_age, start + (end - start) / 2, period).phases
        for spans, life, phase in zip(result, by_age, phases, strict=True):
            if not life.not_before <= start < end <= life.not_after:
                continue
            goes_on = spans and spans[-1].phase is phase
            spans.append(Span(phase=phase, start=spans.pop().start if goes_on else start, end=end))
    return result
