"""What a key of a YAML file is: its name, its parser, its default, its help. Nothing is read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key. ``default`` is text, as a person would write it, ``None`` if there is none.

    ``parse`` turns text into a value or raises ``ValueError`` with the reason; of ``many`` values there may be
    a list. With ``inner`` each value is not text but a mapping with those keys, and ``parse`` is not called.
    """

    key: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    metavar: str
    many: bool
    inner: Mapping[str, Setting] = field(default_factory=dict)
