"""caucase-updater: keeps one certificate and what belongs to it current; one pass, and done.

What changed is marked before it changes, and stays marked until it has been deployed, or the on-renew command has
succeeded: a service must never go on with a certificate that was renewed without its knowing.
"""

from __future__ import annotations

import argparse
import contextlib
import random
from collections.abc import Sequence
from pathlib import Path

from caucase import clock
from caucase.cli.client_status import AuthorityFiles, ClientStatus, HeldCertificate, show
from caucase.cli.common import EX_OK, complain, run, run_hook
from caucase.cli.updater_options import PROGRAM, from_flags, parse
from caucase.client.authorities import read_lists, read_trusted
from caucase.client.pending import DEPLOY_PENDING, Pending
from caucase.client.updater import (
    Layout,
    Outcome,
    Surroundings,
    Task,
    look,
    one_pass,
    plan,
    renewal_due,
)
from caucase.config.updater import UpdaterConfig
from caucase.core.trust import valid_only
from caucase.errors import EX_ERROR, CaucaseError
from caucase.host.owner import as_owner_of

# Between two looks for a signature with --wait: at first a user may be sitting there, later it takes a while.
_WAIT_SECONDS = 2.0
_WAIT_SECONDS_MOST = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run(PROGRAM, lambda: _execute(parse(argv)))


def _execute(options: argparse.Namespace) -> int:
    if options.deploy:
        return _deploy(options.config)
    config = _config(options)
    of_file = options.config is not None
    pending = Pending(
        folder=config.directory.absolute(), name=DEPLOY_PENDING if of_file else f".{config.name}.on-renew"
    )
    # Root must neither be led astray by links of the updater's own user, nor leave files that this one cannot replace.
    as_updater = as_owner_of(config.directory) if of_file else contextlib.nullcontext()
    if options.status:
        with as_updater:  # it may have to put right what an interrupted pass left
            status = _status(config, pending)
        show(status, as_json=options.json)
        return EX_OK
    code = EX_OK
    try:
        with as_updater:
            _pass(options, config, pending)
    except (CaucaseError, OSError) as error:
        complain(PROGRAM, error)
        code = EX_ERROR
    if not of_file:
        # Also after a failure: what was replaced before that has to be known, too.
        _run_hook(options, pending)
    return code


def _deploy(path: Path) -> int:
    from caucase.client.deploy import deploy, load_for_root

    deploy(load_for_root(path), say=print)
    return EX_OK


def _status(config: UpdaterConfig, pending: Pending) -> ClientStatus:
    here, now, layout = look(config), clock.now(), Layout.of(config)
    planned = plan(here, config, now)
    authorities = [
        AuthorityFiles(
            name=mode.context.upper(),
            cas=valid_only(read_trusted(files), now),
            lists=read_lists(layout.lists) if files == layout.own_ca else (),
        )
        for mode, files in layout.cas
    ]
    held = []
    if here.certificate is not None and config.crt is not None:
        held.append(
            HeldCertificate(
                path=config.crt,
                certificate=here.certificate,
                due=renewal_due(here.certificate, config.threshold),
                is_revoked=here.is_revoked,
            )
        )
    waiting = here.memory.request if Task.FETCH in planned.tasks else None
    return ClientStatus(
        ca_url=config.ca_url,
        now=now,
        authorities=authorities,
        certificates=held,
        pending=None if waiting is None else waiting.csr_id,
        next_due=now if planned.tasks else planned.next_due,
        undeployed=bool(pending.tokens()) and _has_followers(config, pending),
    )


def _has_followers(config: UpdaterConfig, pending: Pending) -> bool:
    """Whether anything is to be done after a change; of a hook the note itself says so."""
    return pending.name != DEPLOY_PENDING or bool(
        config.install or config.reload or config.restart or config.start
    )


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
