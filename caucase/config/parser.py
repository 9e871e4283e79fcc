"""What a kind of value is, in one place: how its text is read, how it is described, and its JSON Schema.

The schema is for editors, which read YAML 1.2: they see a number where a number is written, where the program
sees its text. It accepts whatever the parser accepts, and refuses what JSON Schema can express.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

Value = TypeVar("Value")
Schema: TypeAlias = Mapping[str, Any]
"""JSON Schema, draft 7. Patterns are written so that Python and JavaScript (ECMA-262, with its ``u`` flag) agree."""

BLANK = r"[ \t]*"
OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = rf"{OCTET}(?:\.{OCTET}){{3}}"
# Looks like one; which groups may be left out where, a pattern does not tell.
IPV6 = r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*(?:[0-9.]+)?"


@dataclass(frozen=True)
class Parser(Generic[Value]):
    """Call it with text: it gives a value, or raises ``ValueError`` with a sentence.

    ``words``: what may be written, as the end of "It must be …".
    """

    parse: Callable[[str], Value]
    words: str
    schema: Schema

    def __call__(self, text: str) -> Value:
        return self.parse(text)


def parser(words: str, schema: Schema) -> Callable[[Callable[[str], Value]], Parser[Value]]:
    """Make a function the ``parse`` of a ``Parser``."""
    return lambda parse: Parser(parse, words, schema)


def matching(pattern: str, *, longest: int | None = None) -> Schema:
    """Text that ``pattern`` matches as a whole, of at most ``longest`` characters."""
    limit = {} if longest is None else {"maxLength": longest}
    return {"type": "string", "pattern": f"^(?:{pattern})$", **limit}


def one_of(words: Iterable[str | int]) -> Schema:
    """Exactly one of ``words``."""
    return {"enum": list(words)}


def in_range(
    minimum: float, maximum: float, quoted: str, *, kind: str = "number", above: bool = False
) -> Schema:
    """A number from ``minimum`` (when ``above``: from what is more than it) to ``maximum``, or text that ``quoted``
    matches, the range of which is not checked.
    """
    limits = {
        "exclusiveMinimum" if above else "minimum": _shortest(minimum),
        "maximum": _shortest(maximum),
    }
    return either({"type": kind, **limits}, matching(quoted))


def either(*schemas: Schema) -> Schema:
    """Whatever one of ``schemas`` accepts."""
    return {"anyOf": list(schemas)}


def explained(schema: Schema, sentence: str) -> Schema:
    """The same, with what the YAML language server says of a mistake, instead of naming types and patterns."""
    if "anyOf" in schema:
        return {"anyOf": [explained(each, sentence) for each in schema["anyOf"]]}
    return {**schema, "errorMessage": sentence}


def any_of(patterns: Iterable[str]) -> str:
    """A pattern for one of ``patterns``."""
    return f"(?:{'|'.join(patterns)})"


def any_case(word: str) -> str:
    """A pattern for ``word`` in small and capital letters: JSON Schema has no flag for that."""
    return "".join(f"[{letter.upper()}{letter.lower()}]" if letter.isalpha() else letter for letter in word)


def _shortest(value: float) -> float:
    """The same number, without decimals where it has none."""
    return int(value) if value == int(value) else value
