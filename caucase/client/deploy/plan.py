"""What deployment has to do: pure, from the files as they shall be, the files as they are, and what is pending."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from caucase.config.updater import Installed, Part, UpdaterConfig

# What checks is replaced before what is checked: a certificate of a new CA arrives where that CA is known.
_ORDER = (Part.CA, Part.CRL, Part.CERTIFICATE, Part.KEY)


class Verb(enum.StrEnum):
    """What can be done to a unit, in this order."""

    RELOAD = "reload"
    RESTART = "restart"
    START = "start"


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something to do to a unit."""

    verb: Verb
    unit: str


@dataclass(frozen=True, kw_only=True)
class FileState:
    """A file: its content, owner and group as numbers, permissions. ``repr`` never shows the content."""

    content: bytes = field(repr=False)
    uid: int
    gid: int
    mode: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``replace``: files in the order of their replacement. ``waiting``: files that cannot be made yet.
    ``actions``: what to do afterwards.
    """

    replace: Mapping[Path, FileState]
    waiting: tuple[Path, ...]
    actions: tuple[Action, ...]


def plan(
    config: UpdaterConfig,
    wanted: Mapping[Path, FileState],
    found: Mapping[Path, FileState],
    *,
    is_pending: bool,
) -> Plan:
    """``wanted``: each file of ``config.install`` that can be made; ``found``: each that is there.

    Units are acted upon when a file is replaced, and when something is pending. While a file is waiting they are
    left alone: they might be told to read what is not there.
    """
    installed = sorted(config.install, key=_rank)
    differ = {
        entry.path: wanted[entry.path]
        for entry in installed
        if entry.path in wanted and wanted[entry.path] != found.get(entry.path)
    }
    waiting = tuple(entry.path for entry in config.install if entry.path not in wanted)
    act = (differ or is_pending) and not waiting
    return Plan(replace=differ, waiting=waiting, actions=tuple(actions(config)) if act else ())


def actions(config: UpdaterConfig) -> Sequence[Action]:
    """Everything that has to be done to units once something is new."""
    by_verb = {Verb.RELOAD: config.reload, Verb.RESTART: config.restart, Verb.START: config.start}
    return [Action(verb=verb, unit=unit) for verb, units in by_verb.items() for unit in units]


def _rank(entry: Installed) -> int:
    return max(map(_ORDER.index, entry.content))
