"""When a machine is on: the table of habits, and when it is off because of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta

DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)


class Habit(enum.Enum):
    """What makes a machine go off, and for how long."""

    ALWAYS_ON = None
    THREE_WEEKS_OF_FOUR = 21 * DAY
    AT_ANY_MOMENT = 30 * DAY
    AFTER_RENEWING = 60 * DAY


@dataclass(frozen=True, kw_only=True)
class Character:
    """``ahead``: by how much its clock is wrong. ``is_exact``: its passes are at the very second something is due,
    not at the next quarter of an hour.
    """

    habit: Habit
    ahead: timedelta = timedelta(0)
    is_exact: bool = False


SECONDS_FAST = timedelta(seconds=8)  # certificates and lists are back-dated by ten
SERVICES = (
    Character(habit=Habit.ALWAYS_ON, is_exact=True),
    Character(habit=Habit.ALWAYS_ON, ahead=SECONDS_FAST),
    *[Character(habit=Habit.THREE_WEEKS_OF_FOUR)] * 4,
    Character(habit=Habit.THREE_WEEKS_OF_FOUR, is_exact=True),
    Character(habit=Habit.THREE_WEEKS_OF_FOUR, ahead=SECONDS_FAST),
    *[Character(habit=Habit.AT_ANY_MOMENT)] * 4,
    Character(habit=Habit.AT_ANY_MOMENT, is_exact=True),
    Character(habit=Habit.AT_ANY_MOMENT, ahead=SECONDS_FAST),
    *[Character(habit=Habit.AFTER_RENEWING)] * 4,
    Character(habit=Habit.AFTER_RENEWING, is_exact=True),
    Character(habit=Habit.AFTER_RENEWING, ahead=SECONDS_FAST),
)
