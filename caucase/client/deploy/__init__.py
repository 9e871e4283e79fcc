"""Deployment: what was renewed is installed where services read it, and their units are told.

It is a step of its own, run as root, without network: it compares, replaces what differs, and acts upon units.
What fails stays pending and is done again next time, even if nothing new came. It remembers nothing else.
Of root's capabilities it needs CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_FOWNER.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from caucase.client.deploy.install import intended, look, ownerships, replace
from caucase.client.deploy.material import read_material
from caucase.client.deploy.plan import Action, FileState, Plan, Verb, plan
from caucase.client.deploy.units import SYSTEMCTL, act
from caucase.client.pending import Pending
from caucase.config.load_updater import load_updater_config
from caucase.config.updater import UpdaterConfig
from caucase.errors import ConfigError, HookFailed
from caucase.host.places import Place, check_sealed, place

__all__ = ["Action", "FileState", "Outcome", "Plan", "Verb", "deploy", "load_for_root", "plan"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a deployment ended well. ``installed``: files that were replaced. ``acted``: upon which units, and how.
    ``waiting``: files whose content has not come yet; until then units are left alone.
    """

    installed: tuple[Path, ...]
    acted: tuple[Action, ...]
    waiting: tuple[Path, ...]


def load_for_root(path: Path, *, directory: Path | None = None) -> UpdaterConfig:
    """``load_updater_config`` for whoever acts with root's rights: the file must be root's (or our own user's) alone,
    and so must the folders above it. ConfigError, OSError.
    """
    check_sealed(path.absolute())
    return load_updater_config(path, directory=directory)


def deploy(
    config: UpdaterConfig, *, systemctl: Path = SYSTEMCTL, say: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Install what differs from what was renewed, then act upon units; nothing, if nothing differs or is pending.

    ``say`` hears a sentence about each thing done. Raises ConfigError for what this machine does not allow, Malformed,
    TooLarge or OSError for what cannot be read, and then nothing is replaced; OSError from replacing; HookFailed
    with a sentence for each unit, after all of them. Whatever it raises, the next call tries again.
    """
    pending = Pending(folder=config.directory)
    # Before anything is read: what is renewed from now on is not known to be dealt with.
    tokens = pending.tokens()
    owners = ownerships(config.install)
    material = read_material(config)
    with contextlib.ExitStack() as stack:
        places = {entry.path: stack.enter_context(place(entry.path)) for entry in config.install}
        _check_distinct(places)
        found = {path: state for path, where in places.items() if (state := look(where)) is not None}
        wanted = {
            entry.path: intended(
                entry,
                b"".join(material[part] for part in entry.content),
                ownership,
                places[entry.path],
                found.get(entry.path),
            )
            for entry, ownership in zip(config.install, owners, strict=True)
            if all(part in material for part in entry.content)
        }
        planned = plan(config, wanted, found, is_pending=bool(tokens))
        if planned.replace:
            if not tokens:
                # Or a crash between files and units would leave nothing that differs.
                tokens = frozenset({pending.mark()})
            _replace(planned, places, say)
    for path in planned.waiting:
        say(f"{path} is waiting for what it is made of.")
    _act(planned.actions, systemctl, say)
    if not planned.waiting:
        pending.clear(tokens)
    return Outcome(installed=tuple(planned.replace), acted=planned.actions, waiting=planned.waiting)


def _check_distinct(places: Mapping[Path, Place]) -> None:
    """Two entries for one file would replace each other's, and tell units, for ever."""
    seen: dict[tuple[int, int, str], Path] = {}
    for path, where in places.items():
        if (other := seen.setdefault(where.identity(), path)) != path:
            raise ConfigError(f"{path} is the same file as {other}, by a symbolic link.", "Install it once.")


def _replace(planned: Plan, places: Mapping[Path, Place], say: Callable[[str], None]) -> None:
    replace([(places[path], state) for path, state in planned.replace.items()])
    for path in planned.replace:
        say(f"{path} was installed.")


def _act(actions: Sequence[Action], systemctl: Path, say: Callable[[str], None]) -> None:
    failures = []
    for action in actions:
        try:
            say(act(action, systemctl))
        except HookFailed as error:
            failures.append(error.message)
    if failures:
        raise HookFailed("\n".join(failures), "It will be tried again.")
