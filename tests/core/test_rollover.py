"""The life of a CA key: every phase and every change of phase, to the second."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.core.rollover import (
    CA_PERIODS,
    CA_PERIODS_LEAST,
    HTTPS_CA_PERIODS,
    SUCCESSOR_DUE_PERIODS,
    Lifetime,
    Phase,
    check_ca_life,
    roles,
    timeline,
)
from caucase.errors import NotAcceptable

START = datetime(2030, 1, 1, tzinfo=UTC)
PERIOD = timedelta(days=10)
SECOND = timedelta(seconds=1)
MOMENT = timedelta(microseconds=1)
KNOWN, SIGNING, TRUSTED, EXPIRED = Phase.KNOWN, Phase.SIGNING, Phase.TRUSTED, Phase.EXPIRED


def ca(born: float) -> Lifetime:
    """A CA made so many periods after the start, that lives for four."""
    not_before = START + born * PERIOD
    return Lifetime(not_before=not_before, not_after=not_before + CA_PERIODS * PERIOD)


# CAs, by the period they were made in; age of the first in periods; a moment more or less; their phases.
TABLE = [
    # Alone: it signs from the first second, ripe or not, to the last.
    ([0], 0, -SECOND, [SIGNING]),  # a clock that is behind
    ([0], 0, 0 * SECOND, [SIGNING]),
    ([0], 1, 0 * SECOND, [SIGNING]),
    ([0], 4, 0 * SECOND, [SIGNING]),
    ([0], 4, SECOND - MOMENT, [SIGNING]),
    ([0], 4, SECOND, [EXPIRED]),
    # With a successor: known for one period, then signs.
    ([0, 2], 2, 0 * SECOND, [SIGNING, KNOWN]),
    ([0, 2], 3, -SECOND, [SIGNING, KNOWN]),
    ([0, 2], 3, 0 * SECOND, [SIGNING, KNOWN]),
    ([0, 2], 3, MOMENT, [TRUSTED, SIGNING]),
    ([0, 2], 3, SECOND, [TRUSTED, SIGNING]),
    ([0, 2], 4, SECOND - MOMENT, [TRUSTED, SIGNING]),
    ([0, 2], 4, SECOND, [EXPIRED, SIGNING]),
    ([0, 2], 6, 0 * SECOND, [EXPIRED, SIGNING]),
    ([0, 2], 6, SECOND, [EXPIRED, EXPIRED]),
    # Three generations.
    ([0, 2, 4], 4, 0 * SECOND, [TRUSTED, SIGNING, KNOWN]),
    ([0, 2, 4], 5, 0 * SECOND, [EXPIRED, SIGNING, KNOWN]),
    ([0, 2, 4], 5, SECOND, [EXPIRED, TRUSTED, SIGNING]),
    # The successor came late: the old one signs until it ends, then the new one must, ripe or not.
    ([0, 3.5], 4, 0 * SECOND, [SIGNING, KNOWN]),
    ([0, 3.5], 4, SECOND, [EXPIRED, SIGNING]),
    # After a gap there are two unripe ones: the newest of all signs.
    ([0, 5, 5.5], 5.6, 0 * SECOND, [EXPIRED, TRUSTED, SIGNING]),
    # One of the future, made while the clock was wrong, does not sign before its time.
    ([0, 50], 2, 0 * SECOND, [SIGNING, KNOWN]),
]


@pytest.mark.parametrize(("born", "age", "more", "phases"), TABLE)
def test_phases(born: list[float], age: float, more: timedelta, phases: list[Phase]) -> None:
    lifetimes = [ca(birth) for birth in born]
    now = START + age * PERIOD + more
    for order in itertools.permutations(range(len(born))):
        found = roles([lifetimes[index] for index in order], now, PERIOD)
        assert found.phases == tuple(phases[index] for index in order)
        if SIGNING in phases:
            assert found.signing is not None
            assert order[found.signing] == phases.index(SIGNING)
            valid = [index for index, phase in enumerate(phases) if phase is not EXPIRED]
            assert found.anchor is not None
            assert order[found.anchor] == valid[0]
        else:
            assert (found.signing, found.anchor, found.successor_due) == (None, None, None)


def test_every_phase_and_transition_is_in_the_table() -> None:
    """The first CA of [0, 2] and the second go through all there is."""
    walks = []
    for index in (0, 1):
        steps = [phases[index] for born, _, _, phases in TABLE if born == [0, 2]]
        walks.append([phase for phase, _ in itertools.groupby(steps)])
    assert walks == [[SIGNING, TRUSTED, EXPIRED], [KNOWN, SIGNING, EXPIRED]]


def test_nothing_is_known_of_nothing() -> None:
    found = roles([], START, PERIOD)
    assert (found.phases, found.signing, found.anchor, found.successor_due) == ((), None, None, None)


@pytest.mark.parametrize(("born", "due"), [([0], 2), ([0, 2], 4), ([0, 2, 4], 6)])
def test_a_successor_is_due_when_the_newest_has_two_periods_left(born: list[float], due: float) -> None:
    now = START + born[-1] * PERIOD
    assert roles([ca(birth) for birth in born], now, PERIOD).successor_due == START + due * PERIOD
    assert CA_PERIODS - SUCCESSOR_DUE_PERIODS == 2


def test_a_successor_is_overdue_when_only_an_old_one_is_left() -> None:
    now = START + 3.9 * PERIOD
    due = roles([ca(0)], now, PERIOD).successor_due
    assert due is not None
    assert due < now


@pytest.mark.parametrize("periods", [CA_PERIODS_LEAST, CA_PERIODS, HTTPS_CA_PERIODS])
def test_a_ca_life_is_accepted(periods: int) -> None:
    check_ca_life(periods * PERIOD, PERIOD)


@pytest.mark.parametrize("life", [timedelta(0), PERIOD, 2 * PERIOD, CA_PERIODS_LEAST * PERIOD - MOMENT])
def test_a_short_ca_life_is_refused(life: timedelta) -> None:
    with pytest.raises(NotAcceptable, match="A CA that lives for"):
        check_ca_life(life, PERIOD)


@given(st.lists(st.integers(0, 100), max_size=6), st.integers(-10, 200))
def test_roles_are_consistent(born: list[int], age: int) -> None:
    lifetimes = [ca(birth / 10) for birth in born]
    now = START + age / 10 * PERIOD
    found = roles(lifetimes, now, PERIOD)
    assert found.phases.count(SIGNING) == (found.signing is not None)
    for life, phase in zip(lifetimes, found.phases, strict=True):
        assert (phase is EXPIRED) == (now > life.not_after)
    if found.signing is not None:
        assert found.anchor is not None
        assert found.phases[found.anchor] in (SIGNING, TRUSTED, KNOWN)
        signer = lifetimes[found.signing]
        ripe = [life for life in lifetimes if life.is_valid(now) and now - life.not_before > PERIOD]
        if ripe:
            assert signer.not_before == max(life.not_before for life in ripe)


def test_timeline() -> None:
    first, second = timeline([ca(2), ca(0)], PERIOD)
    assert [(span.phase, span.start, span.end) for span in first] == [
        (SIGNING, START, START + 3 * PERIOD),
        (TRUSTED, START + 3 * PERIOD, START + 4 * PERIOD),
    ]
    assert [(span.phase, span.start, span.end) for span in second] == [
        (KNOWN, START + 2 * PERIOD, START + 3 * PERIOD),
        (SIGNING, START + 3 * PERIOD, START + 6 * PERIOD),
    ]
    assert timeline([], PERIOD) == []


@given(st.lists(st.integers(20, 60), max_size=4), st.integers(0, 2400))
def test_timeline_says_what_roles_say(gaps: list[int], age: int) -> None:
    """With CAs made when due, late, or after a gap; at any moment that is not the border of two phases."""
    born = [total / 10 for total in itertools.accumulate(gaps, initial=0)]
    now = START + age / 100 * PERIOD + timedelta(minutes=5)
    lifetimes = [life for life in map(ca, born) if life.not_before <= now]
    phases = roles(lifetimes, now, PERIOD).phases
    for life, phase, spans in zip(lifetimes, phases, timeline(lifetimes, PERIOD), strict=True):
        assert [span.phase for span in spans if span.start <= now <= span.end] == (
            [] if phase is EXPIRED else [phase]
        )
        assert all(life.not_before <= span.start < span.end <= life.not_after for span in spans)
