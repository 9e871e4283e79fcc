"""The life of a CA key, as a table: which one signs, which is handed out, when the next is due.

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
    anchor: int | None
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

    Signing: the newest valid CA that is older than one period, else the newest of all. Anchor: the oldest
    valid one. A successor is due once the newest has two periods left, at once (``successor_due`` in the
    past) when there is none.
    """
    by_age = sorted(range(len(lifetimes)), key=lambda index: lifetimes[index].not_before)
    valid = [index for index in by_age if lifetimes[index].is_valid(now)]
    if not valid:
        return Roles(phases=(Phase.EXPIRED,) * len(lifetimes), signing=None, anchor=None, successor_due=None)
    ripe = [index for index in valid if now - lifetimes[index].not_before > period]
    signing = (ripe or valid)[-1]
    started = lifetimes[signing].not_before
    phases = []
    for index, life in enumerate(lifetimes):
        if index == signing:
            phases.append(Phase.SIGNING)
        elif not life.is_valid(now):
            phases.append(Phase.EXPIRED)
        else:
            phases.append(Phase.KNOWN if life.not_before > started else Phase.TRUSTED)
    newest_end = max(lifetimes[index].not_after for index in valid)
    return Roles(
        phases=tuple(phases),
        signing=signing,
        anchor=valid[0],
        successor_due=newest_end - SUCCESSOR_DUE_PERIODS * period,
    )


@dataclass(frozen=True, kw_only=True)
class Span:
    """One phase of one CA, from ``start`` to ``end``."""

    phase: Phase
    start: datetime
    end: datetime


def timeline(lifetimes: Sequence[Lifetime], period: timedelta) -> list[list[Span]]:
    """The phases of each CA, past and to come, as far as the CAs that exist decide them; oldest CA first."""
    by_age = sorted(lifetimes, key=lambda life: life.not_before)
    begins = [
        life.not_before
        if index == 0
        else max(life.not_before, min(life.not_before + period, by_age[index - 1].not_after))
        for index, life in enumerate(by_age)
    ]
    result = []
    for index, (life, begin) in enumerate(zip(by_age, begins, strict=True)):
        end = min([life.not_after, *begins[index + 1 : index + 2]])
        spans = (
            Span(phase=Phase.KNOWN, start=life.not_before, end=begin),
            Span(phase=Phase.SIGNING, start=begin, end=end),
            Span(phase=Phase.TRUSTED, start=end, end=life.not_after),
        )
        result.append([span for span in spans if span.start < span.end])
    return result
