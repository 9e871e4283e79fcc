"""The lives of CAs as a picture: where everything is on one axis of time. A pure function: what is drawn goes in.

Positions are percentages of the width, so that it fits a telephone as well and no letter is scaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from caucase.authority import CaStatus
from caucase.core.rollover import Phase

# Pixels.
_ROW = 46
_HEAD = 24
_BAR = 22
# Percent: a narrower bar has no room for its name, on a telephone.
_NAMED = 22.0
# Where a text beside a mark would leave the picture.
_RIGHT = 60.0


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One phase: from ``x``, ``width`` wide, percent. ``is_named``: there is room for a word in it."""

    phase: Phase
    start: datetime
    end: datetime
    x: float
    width: float
    is_named: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One CA, ``number`` counted from 1. ``y``: of its bars, pixels."""

    number: int
    y: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A moment. ``is_right``: there is no room for a text on its right side."""

    moment: datetime
    x: float
    is_right: bool


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """``height`` in pixels. ``bar``: of a bar. ``due``: when the next CA is made, ``None`` if that is not known."""

    height: int
    bar: int
    rows: tuple[Row, ...]
    now: Mark
    due: Mark | None


def draw(cas: Sequence[CaStatus], *, now: datetime, due: datetime | None) -> Timeline:
    """``cas``: oldest first."""
    moments = [now, *(ca.not_before for ca in cas), *(ca.not_after for ca in cas), *([due] if due else [])]
    start, end = min(moments), max(moments)

    def x(moment: datetime) -> float:
        return round(100 * ((moment - start) / (end - start)), 2) if end > start else 0.0

    def mark(moment: datetime) -> Mark:
        return Mark(moment=moment, x=x(moment), is_right=x(moment) > _RIGHT)

    rows = []
    for number, ca in enumerate(cas):
        bars = []
        for span in ca.spans:
            width = round(x(span.end) - x(span.start), 2)
            bars.append(
                Bar(
                    phase=span.phase,
                    start=span.start,
                    end=span.end,
                    x=x(span.start),
                    width=width,
                    is_named=width >= _NAMED,
                )
            )
        rows.append(Row(number=number + 1, y=_HEAD + number * _ROW + _ROW - _BAR, bars=tuple(bars)))
    return Timeline(
        height=_HEAD * 2 + len(cas) * _ROW,
        bar=_BAR,
        rows=tuple(rows),
        now=mark(now),
        due=None if due is None or due < now else mark(due),
    )
