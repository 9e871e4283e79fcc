"""Text of strangers as pieces in which nothing is hidden: no character may be invisible, change the direction of what
is beside it, or pile up on it.

Letters that look like others cannot be told by a program; they are marked as not ASCII, and named.
"""

from __future__ import annotations

import enum
import itertools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Characters that ``str.isprintable`` lets pass, and that nobody sees: fillers, a blank in Braille, two vowels of
# Khmer.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VARIATIONS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
# Marks on one letter: scripts need two, and more of them cover the lines above.
_MARKS = 2


class Look(enum.StrEnum):
    """How a piece is shown: as it is, marked as not ASCII, or instead of what cannot be seen."""

    PLAIN = "plain"
    FOREIGN = "foreign"
    HIDDEN = "hidden"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """``text``: what is shown; code points such as ``U+202E`` for what is hidden."""

    look: Look
    text: str


def pieces(text: str) -> list[Piece]:
    """``text`` in its order, each piece as long as it can be; a hidden character is a piece of its own."""
    found = []
    for look, group in itertools.groupby(_looks(text), key=lambda pair: pair[0]):
        characters = [character for _, character in group]
        if look is Look.HIDDEN:
            found += [Piece(look=look, text=code_point(character)) for character in characters]
        else:
            found.append(Piece(look=look, text="".join(characters)))
    return found


def _looks(text: str) -> Iterator[tuple[Look, str]]:
    # So many marks are on the letter before; a mark that has no letter would be on whatever is shown there.
    marks = _MARKS
    for character, following in itertools.zip_longest(text, text[1:], fillvalue=""):
        marks = marks + 1 if _is_mark(character) else 0
        if _is_hidden(character) or marks > _MARKS:
            marks = _MARKS
            yield Look.HIDDEN, character
        elif character.isascii() and not (_is_mark(following) and not _is_hidden(following)):
            yield Look.PLAIN, character
        else:
            yield Look.FOREIGN, character


def _is_mark(character: str) -> bool:
    return character != "" and unicodedata.category(character) in ("Mn", "Me")


def _is_hidden(character: str) -> bool:
    return (
        not character.isprintable()
        or character in _BLANK
        or any(ord(character) in variations for variations in _VARIATIONS)
    )


def escaped(text: str) -> str:
    """``text`` to be edited: what is hidden as RFC 4514 section 2.4 writes bytes of UTF-8, ``\\E2\\80\\AE``."""
    return "".join(
        character if look is not Look.HIDDEN else "".join(f"\\{byte:02X}" for byte in _utf8(character))
        for look, character in _looks(text)
    )


def _utf8(character: str) -> bytes:
    return character.encode("utf-8", "surrogatepass")


def code_point(character: str) -> str:
    """As Unicode writes it: ``U+202E``."""
    return f"U+{ord(character):04X}"


def unusual(text: str, limit: int) -> list[str]:
    """The first different characters that are not ASCII, ``limit`` at most: code point and name."""
    found = dict.fromkeys(character for character in text if not _is_usual(character))
    return [
        f"{code_point(character)} {unicodedata.name(character, '')}".rstrip()
        for character in itertools.islice(found, limit)
    ]


def _is_usual(character: str) -> bool:
    return character.isascii() and character.isprintable()
