"""What a key of a YAML file is: its name, its parser, its default, its help; and what it needs beside it. Nothing is
read here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from caucase.config.parser import Parser


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key. ``default`` is text, as a person would write it, ``None`` if there is none.

    ``parse`` turns text into a value or raises ``ValueError`` with the reason; of ``many`` values there may be
    a list. With ``inner`` each value is not text but a mapping with those keys, and ``parse`` is not called.
    ``required``: the file, or the mapping, makes no sense without it.
    """

    key: str
    parse: Parser[Any]
    default: str | None
    help: str
    metavar: str
    many: bool
    inner: Mapping[str, Setting] = field(default_factory=dict)
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """``key`` can stand only where one of ``needs`` does, if there are any, and none of ``excludes``; ``why`` is the
    sentence about it.
    """

    key: str
    needs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    why: str

    def is_broken(self, given: Collection[str]) -> bool:
        """Whether it is, in a file where these keys are given."""
        lacking = bool(self.needs) and not any(key in given for key in self.needs)
        return self.key in given and (lacking or any(key in given for key in self.excludes))
