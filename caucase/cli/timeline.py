"""Draws lives in phases as text, on one axis of time, with a mark for now. A pure function: what is drawn goes in.

::

              2030-01-01               ^ now 2030-01-26          2030-03-02
    CAS ca 1  [============signs============|-trusted-]
    CAS ca 2                      [..known..|============signs============]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from caucase.core.rollover import Phase, Span

_FILL = {Phase.KNOWN: ".", Phase.SIGNING: "=", Phase.TRUSTED: "-", Phase.EXPIRED: " "}
# Less could not show where one phase ends and the next begins.
_AXIS_LEAST = 24
_DATE = "%Y-%m-%d"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line. ``spans``: one after the other, each of some length; a row without any is left out."""

    label: str
    spans: Sequence[Span]


def draw(rows: Sequence[Row], *, now: datetime, width: int) -> list[str]:
    """Lines of at most ``width`` columns (more, if labels leave no room), without line ends; none for no spans."""
    rows = [row for row in rows if row.spans]
    if not rows:
        return []
    margin = max(len(row.label) for row in rows) + 2
    axis = _Axis(
        start=min([now, *(row.spans[0].start for row in rows)]),
        end=max([now, *(row.spans[-1].end for row in rows)]),
        columns=max(width - margin, _AXIS_LEAST),
    )
    bars = [f"{row.label:<{margin}}{_bar(row.spans, axis)}" for row in rows]
    return [line.rstrip() for line in (" " * margin + _scale(axis, now), *bars)]


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """Time from ``start`` to ``end`` over so many columns."""

    start: datetime
    end: datetime
    columns: int

    def column(self, moment: datetime) -> int:
        length = self.end - self.start
        share = (moment - self.start) / length if length else 0.0
        return min(int(share * self.columns), self.columns - 1)


def _bar(spans: Sequence[Span], axis: _Axis) -> str:
    cells = [" "] * axis.columns
    for span in spans:
        begin, end = axis.column(span.start), axis.column(span.end)
        inside = max(end - begin - 1, 0)
        name = span.phase.value if len(span.phase.value) <= inside else ""
        cells[begin + 1 : begin + 1 + inside] = f"{name:{_FILL[span.phase]}^{inside}}" if inside else ""
        cells[begin] = cells[end] = "|"
    cells[axis.column(spans[0].start)] = "["
    cells[axis.column(spans[-1].end)] = "]"
    return "".join(cells)


def _scale(axis: _Axis, now: datetime) -> str:
    """First and last date where there is room for them beside that of now."""
    cells = [" "] * axis.columns
    column, mark = axis.column(now), f"^ now {now:{_DATE}}"
    begin = column
    if column + len(mark) > axis.columns:
        mark = f"now {now:{_DATE}} ^"
        begin = max(column - len(mark) + 1, 0)
    cells[begin : begin + len(mark)] = mark
    first, last = f"{axis.start:{_DATE}}", f"{axis.end:{_DATE}}"
    if begin > len(first):
        cells[: len(first)] = first
    if begin + len(mark) < axis.columns - len(last):
        cells[-len(last) :] = last
    return "".join(cells)
