"""``--migrate``: from caucase 0.9, with everything that its clients know."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from caucase import clock
from caucase.cli.manage.action import Action
from caucase.config.schema import ServerConfig
from caucase.host.events import Audit, escape
from caucase.jobs.migrate import migrate


def _add(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--migrate",
        type=Path,
        metavar="OLD",
        help="make the database out of that of a stopped caucased 0.9.9 or later, which is only read",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    result = migrate(options.migrate, config, clock=clock.now, audit=Audit())
    for sentence in result.left_out:
        print(f"left out: {escape(sentence)}", file=sys.stderr)
    print(
        f"{config.db}: {result.cas} CA certificates, {result.pending} pending requests, "
        f"{result.certificates} kept certificates and {result.revocations} revocations taken over."
    )
    return 0


ACTION = Action(key="migrate", add=_add, run=_run)
