"""Judges figures and shows them: percentiles, verdicts, tables, and their place in docs/benchmarks.md."""

from __future__ import annotations

import argparse
import math
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A figure, and what it must be: at least ``target``, or with ``at_most`` no more than that."""

    name: str
    figure: float
    target: float
    unit: str = ""
    at_most: bool = False

    @property
    def passed(self) -> bool:
        return self.figure <= self.target if self.at_most else self.figure >= self.target

    @property
    def text(self) -> str:
        """PASS, or by how much it misses."""
        if self.passed:
            return "PASS"
        if math.isnan(self.figure):
            return "MISSED, nothing was measured"
        word = "more" if self.at_most else "less"
        return f"MISSED, {number(abs(self.figure - self.target))}{self._unit} {word} than asked"

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """A row of a table of verdicts."""
        sign = "≤" if self.at_most else "≥"
        return (
            self.name,
            f"{sign} {number(self.target)}{self._unit}",
            f"{number(self.figure)}{self._unit}",
            self.text,
        )

    @property
    def _unit(self) -> str:
        return self.unit if self.unit.startswith("/") else f" {self.unit}".rstrip()


VERDICT_HEADS = ("what", "target", "measured", "verdict")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of all are, by the nearest rank; NaN if there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def quotient(one: float, other: float) -> float:
    """``one / other``, or NaN."""
    return one / other if other else math.nan


def number(value: float) -> str:
    """With three digits, or all before the point: 0.123, 4.57, 89.1, 12,345."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    digits = 3 if abs(value) < 0.9995 else 2 if abs(value) < 9.995 else 1
    return f"{value:.{digits}f}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned for reading it as text: the first to the left, figures to the right."""
    is_text = [all(not _is_figure(row[column]) for row in rows) for column in range(len(heads))]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(cells, widths, is_text, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * width if text else "-" * (width - 1) + ":" for width, text in zip(widths, is_text, strict=True)
    ]
    return "\n".join([line(heads), line(rule), *(line(row) for row in rows)])


def verdicts(judged: Sequence[Verdict]) -> str:
    """Verdicts as a table."""
    return table(VERDICT_HEADS, [verdict.cells for verdict in judged])


def machine() -> str:
    """Where and with what this was measured, in a line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {model}, Linux {platform.release()}, Python {platform.python_version()}"


def with_results(document: str, name: str, results: str) -> str:
    """``document`` with ``results`` in the place that is marked for those of ``name``; ValueError if there is none."""
    start, end = f"<!-- results: {name} -->", "<!-- end -->"
    pattern = re.compile(f"({re.escape(start)}\n).*?({re.escape(end)})", re.DOTALL)
    if not pattern.search(document):
        raise ValueError(f"The document has no place for the results of {name}: {start} ... {end}")
    return pattern.sub(lambda match: f"{match[1]}{results.strip()}\n{match[2]}", document, count=1)


def parser(description: str | None) -> argparse.ArgumentParser:
    """What every benchmark's command line has."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="so short that the figures mean little")
    made.add_argument("--write", action="store_true", help="put the results into docs/benchmarks.md")
    return made


def publish(name: str, parts: Sequence[str], judged: Sequence[Verdict], *, write: bool) -> int:
    """Print results and verdicts, with ``write`` into the document too; the exit status."""
    parts = [*parts, verdicts(judged)] if judged else parts
    text = "\n\n".join(parts)
    print(text, flush=True)
    if write:
        dated = f"{date.today().isoformat()}, {machine()}.\n\n{text}"  # noqa: DTZ011 - the operator's day
        DOCUMENT.write_text(with_results(DOCUMENT.read_text(), name, dated))
    return 0 if all(verdict.passed for verdict in judged) else 1


def _is_figure(cell: str) -> bool:
    return bool(re.match(r"[-\d]", cell)) or not cell
