"""What a terminal makes of text: how wide it shows it, in which colours, and whether there is a terminal at all."""

from __future__ import annotations

import enum
import os
import unicodedata
from dataclasses import dataclass
from typing import TextIO


class Colour(enum.Enum):
    """ECMA-48 section 8.3.117, those that every terminal has."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"


@dataclass(frozen=True)
class Painted:
    """Text with a colour, for where there are colours."""

    text: str
    colour: Colour | None


def has_colours(stream: TextIO) -> bool:
    """Whether colours are wanted there: on a terminal that has some, if nobody asked for none (no-color.org)."""
    terminal = os.environ.get("TERM", "dumb")
    return stream.isatty() and terminal not in ("", "dumb") and not os.environ.get("NO_COLOR")


def paint(text: str, colour: Colour | None) -> str:
    """With the colour switched on before and off after it."""
    return text if colour is None or not text else f"\x1b[{colour.value}m{text}\x1b[0m"


def width(text: str) -> int:
    """In how many columns a terminal shows a line of printable text: East Asian wide characters take two, marks that
    are put onto the character before them none (UAX #11).
    """
    if text.isascii():
        return len(text)
    return sum(map(_width_of, text))


def _width_of(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def wrapped(text: str, columns: int) -> list[str]:
    """Text without line ends in lines of at most so many columns, one at least; together they are the text again.

    They end after a space if there is one in their second half, and else anywhere.
    """
    lines, line, used = [], "", 0
    for char in text:
        wide = _width_of(char)
        while used + wide > columns and line:
            space = line.rfind(" ", len(line) // 2) + 1 or len(line)
            lines.append(line[:space])
            line = line[space:]
            used = width(line)
        line, used = line + char, used + wide
    return [*lines, line]
