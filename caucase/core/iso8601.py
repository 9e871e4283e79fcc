"""Moments as JSON has them: ISO 8601, in UTC, to the second, ``2030-12-31T12:00:00Z``."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import overload

from caucase.errors import Malformed


@overload
def dump(moment: datetime) -> str: ...
@overload
def dump(moment: None) -> None: ...


def dump(moment: datetime | None) -> str | None:
    """An aware moment as text; ``None`` stays ``None``."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def load(text: object) -> datetime:
    """The aware moment that ``text`` writes; Malformed for anything else, and for a moment without a zone."""
    if isinstance(text, str):
        with contextlib.suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
    raise Malformed("It has a date that is none.", "Dates are written like 2030-12-31T12:00:00Z.")
