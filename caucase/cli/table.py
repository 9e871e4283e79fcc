"""Lays out rows of text in columns, as a terminal shows them. A pure function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from caucase.cli.terminal import Painted, paint, width

Cell: TypeAlias = str | Painted


def table(rows: Sequence[Sequence[Cell]], *, colours: bool = False, separator: str = "  ") -> list[str]:
    """One line for each row, each column as wide as its widest cell; all rows are of the same length, one at least."""
    widths = [max(width(_text(cell)) for cell in column) for column in zip(*rows, strict=True)]
    return [
        separator.join(
            _padded(cell, columns, colours) for cell, columns in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def _padded(cell: Cell, columns: int, colours: bool) -> str:
    text = _text(cell)
    shown = paint(text, cell.colour) if colours and isinstance(cell, Painted) else text
    return shown + " " * (columns - width(text))
