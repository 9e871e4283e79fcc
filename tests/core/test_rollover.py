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
    roles_until,
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
    # The server was off while it should have made one: known for the rest of the old one's life.
    ([0, 3.5], 3.5, 0 * SECOND, [SIGNING, KNOWN]),
    # After a gap there are two unripe ones: the newest of all signs.
    ([0, 5, 5.5], 5.6, 0 * SECOND, [EXPIRED, TRUSTED, SIGNING]),
    # All asleep for years: nobody is left.
    ([0, 2, 4], 8, SECOND, [EXPIRED, EXPIRED, EXPIRED]),
    # One of the future, made while the clock was wrong, does not sign before its time, ripe or not.
    ([0, 50], 0.5, 0 * SECOND, [SIGNING, KNOWN]),
    ([0, 50], 2, 0 * SECOND, [SIGNING, KNOWN]),
    ([0, 0.5, 50], 0.5, -MOMENT, [SIGNING, KNOWN, KNOWN]),
    ([0, 0.5, 50], 0.5, 0 * SECOND, [TRUSTED, SIGNING, KNOWN]),
    # If all are of the future, the one that begins first signs.
    ([1, 2], 0, 0 * SECOND, [SIGNING, KNOWN]),
    # The clock was put back by some hours when the second had just begun to sign: the first signs again.
    ([0, 2], 3, -timedelta(hours=5), [SIGNING, KNOWN]),
    # It ends before it signs, and before its time: the clock went ahead.
    ([0, 2, 5.9], 6, SECOND, [EXPIRED, EXPIRED, SIGNING]),
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
        else:
            assert (found.signing, found.successor_due) == (None, None)


CELLS = {
    # A phase, and the one that follows for the same CA within a moment or a step of the clock.
    (KNOWN, SIGNING),
    (SIGNING, TRUSTED),
    (SIGNING, EXPIRED),
    (TRUSTED, EXPIRED),
    (SIGNING, KNOWN),
    (TRUSTED, SIGNING),
}


def test_every_phase_and_transition() -> None:
    """Walked second by second around each border, and back again: exactly these changes, no others."""
    lifetimes = [ca(0), ca(2), ca(4)]
    borders = sorted({START + periods * PERIOD for periods in range(9)})
    moments = [border + step for border in borders for step in (-SECOND, 0 * SECOND, MOMENT, SECOND)]
    seen = set()
    for before, after in itertools.pairwise(moments):
        forth = zip(
            roles(lifetimes, before, PERIOD).phases, roles(lifetimes, after, PERIOD).phases, strict=True
        )
        seen |= {change for change in forth if change[0] is not change[1]}
    assert seen == {(KNOWN, SIGNING), (SIGNING, TRUSTED), (TRUSTED, EXPIRED), (SIGNING, EXPIRED)}
    back = {(after, before) for before, after in seen if EXPIRED not in (before, after)}
    assert seen | back == CELLS


def test_what_was_signed_outlives_no_ca() -> None:
    """When a CA begins to be only trusted, what it signed last has a whole period left; made in time, that is."""
    born = [0, 2, 4, 6]
    for age in range(700):
        now = START + age / 100 * PERIOD
        lifetimes = [ca(birth) for birth in born if START + birth * PERIOD <= now]
        signing = roles(lifetimes, now, PERIOD).signing
        assert signing is not None
        assert now + PERIOD <= lifetimes[signing].not_after


def test_nothing_is_known_of_nothing() -> None:
    found = roles([], START, PERIOD)
    assert (found.phases, found.signing, found.successor_due) == ((), None, None)


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


@pytest.mark.parametrize(
    ("born", "age", "due"),
    [
        # Made by a clock that was ahead by up to a third of a period: it counts, and no second one is made.
        ([0, 2 + 1 / 3 - 1e-6], 0, 4 + 1 / 3),
        ([0, 2 + 1 / 3 + 1e-3], 0, 2),
        ([0, 2.3], 2, 4.3),
        # Further ahead: the first needs one in time, until the future has come.
        ([0, 3.9], 0, 2),
        ([0, 3.9], 2, 2),
        ([0, 3.9], 3.6, 5.9),
        ([0, 2, 3.9], 2, 5.9),
        ([0, 50], 3.9, 2),
        # The clock was put back to before the second was made, which was late.
        ([0, 3], 2.9, 5),
        ([0, 3], 2.7, 5),
        ([0, 3], 2.6, 2),
        # All are of the future: it is the clock that is wrong.
        ([1], 0, 3),
        ([500], 0, 502),
    ],
)
def test_successor_with_a_ca_of_the_future(born: list[float], age: float, due: float) -> None:
    found = roles([ca(birth) for birth in born], START + age * PERIOD, PERIOD).successor_due
    assert found is not None
    assert abs(found - (START + due * PERIOD)) < timedelta(minutes=1)


def test_successor_is_due_by_the_newest_not_by_the_one_that_ends_last() -> None:
    """An imported CA may live for long; it does not sign any more."""
    imported = Lifetime(not_before=START - PERIOD, not_after=START + 100 * PERIOD)
    found = roles([imported, ca(0)], START + 2 * PERIOD, PERIOD)
    assert found.phases == (TRUSTED, SIGNING)
    assert found.successor_due == START + 2 * PERIOD


@pytest.mark.parametrize("life", [timedelta(seconds=1), PERIOD, 1.5 * PERIOD])
def test_short_lives_are_survived(life: timedelta) -> None:
    """An imported CA may live for less than it should: refused elsewhere, but nothing breaks here."""
    for start in (START, START + 50 * PERIOD):
        short = Lifetime(not_before=start, not_after=start + life)
        found = roles([short], START, PERIOD)
        assert (found.phases, found.successor_due) == ((SIGNING,), short.not_after - 2 * PERIOD)


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


@given(
    st.lists(st.tuples(st.integers(-2000, 2000), st.integers(200, 800)), min_size=1, max_size=5),
    st.integers(-1500, 1500),
    st.floats(0, 1, exclude_max=True),
)
def test_roles_stay_until_they_are_said_to(cas: list[tuple[int, int]], day: int, share: float) -> None:
    lives = [
        Lifetime(not_before=START + timedelta(days=begin), not_after=START + timedelta(days=begin + life))
        for begin, life in cas
    ]
    period, now = timedelta(days=93), START + timedelta(days=day)
    until = roles_until(lives, now, period)
    assert until >= now
    if until > now:
        within = min(now + share * (until - now), until - MOMENT)
        assert roles(lives, within, period) == roles(lives, now, period)
