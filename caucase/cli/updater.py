"""caucase-updater: keeps one certificate and what belongs to it current; one pass, and done.

What changed is marked before it changes, and stays marked until it has been deployed, or the on-renew command has
succeeded: a service must never go on with a certificate that was renewed without its knowing.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence

from caucase import clock
from caucase.cli.common import EX_OK, run, run_hook
from caucase.cli.updater_options import PROGRAM, from_flags, parse, parser
from caucase.client.pending import DEPLOY_PENDING, Pending
from caucase.client.updater import Outcome, Surroundings, one_pass
from caucase.config.updater import UpdaterConfig

# The parser as in the module of every command: completion and the manual's test look for it there.
__all__ = ["main", "parser"]

# Between two looks for a signature with --wait: at first a user may be sitting there, later it takes a while.
_WAIT_SECONDS = 2.0
_WAIT_SECONDS_MOST = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run(PROGRAM, lambda: _execute(parse(argv)))


def _execute(options: argparse.Namespace) -> int:
    config = _config(options)
    of_file = options.config is not None
    pending = Pending(
        folder=config.directory.absolute(), name=DEPLOY_PENDING if of_file else f".{config.name}.on-renew"
    )
    try:
        _pass(options, config, pending)
    finally:
        # Also after a failure: what was replaced before that has to be known, too.
        if not of_file:
            _run_hook(options, pending)
    return EX_OK


def _run_hook(options: argparse.Namespace, pending: Pending) -> None:
    """Run the on-renew command if anything was replaced since it last succeeded. HookFailed, OSError."""
    tokens = pending.tokens()
    if tokens and options.on_renew is not None:
        run_hook(options.on_renew)
    pending.clear(tokens)


def _config(options: argparse.Namespace) -> UpdaterConfig:
    if options.config is None:
        return from_flags(options)
    from caucase.config.load_updater import load_updater_config  # YAML only where there is some

    return load_updater_config(options.config)


def _pass(options: argparse.Namespace, config: UpdaterConfig, pending: Pending) -> None:
    around = Surroundings(clock=clock.now, sleep=clock.sleep, random=random.random, changing=pending.changing)
    pause = _WAIT_SECONDS
    outcome = one_pass(config, around)
    _say(config, outcome)
    while options.wait and outcome.pending:
        clock.sleep(pause)
        pause = min(pause * 1.5, _WAIT_SECONDS_MOST)
        outcome = one_pass(config, around)
        if not outcome.pending:
            _say(config, outcome)


def _say(config: UpdaterConfig, outcome: Outcome) -> None:
    for sentence in outcome.sentences:
        print(sentence)
    if outcome.trouble is not None:
        print(f"Later: {outcome.trouble} Nothing ends soon; the next pass tries again.")
    elif outcome.pending:
        print(f"Request {outcome.pending} at {config.ca_url} waits for a user's signature.")
