"""What a module of ``caucased-manage`` gives: one action, with its options and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from caucase.config.schema import ServerConfig


@dataclass(frozen=True, kw_only=True)
class Action:
    """One action, of which a call does exactly one.

    ``key`` is what its option is called in the parsed arguments. ``add`` puts that option into the group of
    actions, of which one is required, and options that go with it into the parser. ``run`` does it and returns
    the exit status; it raises what a person can understand as CaucaseError or OSError. ``takes``: keys of actions
    that it does itself when they are asked for too. ``extras``: options of the parser that go with it and not with all
    others, by what they are called in the parsed arguments.
    """

    key: str
    add: Callable[[argparse._ActionsContainer, argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, ServerConfig], int]
    takes: frozenset[str] = frozenset()
    extras: Mapping[str, str] = field(default_factory=dict)

    def is_wanted(self, options: argparse.Namespace) -> bool:
        """Whether it was asked for."""
        return _is_given(options, self.key)

    def given_extras(self, options: argparse.Namespace) -> list[str]:
        """The flags that were given of those that go with it."""
        return [flag for key, flag in self.extras.items() if _is_given(options, key)]


JSON = {"json": "--json"}
"""The extra of actions that list something."""


def _is_given(options: argparse.Namespace, key: str) -> bool:
    value = getattr(options, key, None)
    return value is not None and value is not False and value != []
