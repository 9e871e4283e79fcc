"""How lives are drawn: to the column."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.cli.timeline import Row, draw
from caucase.core.rollover import Lifetime, Phase, Span, timeline

START = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def span(phase: Phase, start: float, end: float) -> Span:
    return Span(phase=phase, start=START + start * DAY, end=START + end * DAY)


OLD = (span(Phase.SIGNING, 0, 30), span(Phase.TRUSTED, 30, 40))
NEW = (span(Phase.KNOWN, 20, 30), span(Phase.SIGNING, 30, 60))


def test_two_cas() -> None:
    rows = [Row(label="CAS ca 1", spans=OLD), Row(label="CAS ca 2", spans=NEW)]
    assert draw(rows, now=START + 25 * DAY, width=71) == [
        "          2030-01-01               ^ now 2030-01-26          2030-03-02",
        "CAS ca 1  [============signs============|-trusted-]",
        "CAS ca 2                      [..known..|============signs============]",
    ]


@pytest.mark.parametrize(
    ("age", "scale"),
    [
        (0, "^ now 2030-01-01                                  2030-03-02"),
        (10, "          ^ now 2030-01-11                        2030-03-02"),
        (11, "2030-01-01 ^ now 2030-01-12                       2030-03-02"),
        (30, "2030-01-01                    ^ now 2030-01-31    2030-03-02"),
        (34, "2030-01-01                        ^ now 2030-02-04"),
        (50, "2030-01-01                         now 2030-02-20 ^"),
        (60, "2030-01-01                                  now 2030-03-02 ^"),
        (-60, "^ now 2029-11-02                                  2030-03-02"),
        (120, "2030-01-01                                  now 2030-05-01 ^"),
    ],
)
def test_now(age: float, scale: str) -> None:
    lines = draw([Row(label="", spans=OLD), Row(label="", spans=NEW)], now=START + age * DAY, width=62)
    assert lines[0] == "  " + scale


def test_nothing() -> None:
    assert draw([], now=START, width=80) == []
    assert draw([Row(label="x", spans=())], now=START, width=80) == []


def test_a_moment() -> None:
    """Everything at once: nothing to divide by."""
    lines = draw([Row(label="x", spans=(span(Phase.SIGNING, 0, 0),))], now=START, width=40)
    assert lines[1] == "x  ]"


@given(
    st.lists(st.integers(0, 2000), min_size=1, max_size=5),
    st.integers(-1000, 4000),
    st.integers(0, 200),
    st.sampled_from([1, 10, 93]),
)
def test_any_lives_in_any_width(born: list[int], age: int, width: int, period: int) -> None:
    lifetimes = [
        Lifetime(not_before=START + birth * DAY, not_after=START + (birth + 4 * period) * DAY)
        for birth in born
    ]
    rows = [
        Row(label=f"ca {number}", spans=spans)
        for number, spans in enumerate(timeline(lifetimes, period * DAY))
    ]
    lines = draw(rows, now=START + age * DAY, width=width)
    assert len(lines) == len(rows) + 1
    assert all(len(line) <= max(width, 6 + 24) for line in lines)
    assert lines[0].count("^") == 1
    for line in lines[1:]:
        assert line.endswith("]")
        assert line.isascii()
        assert line.isprintable()
