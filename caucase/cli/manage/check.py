"""``--check``: whether all is as it should be, a line each."""

from __future__ import annotations

import argparse

from caucase import clock
from caucase.cli.manage.action import Action
from caucase.config.schema import ServerConfig
from caucase.host.events import escape
from caucase.host.units import listening_ports
from caucase.jobs.check import Verdict, check


def _add(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--check",
        action="store_true",
        help="look at configuration, files, database and sockets, and say a line of each; changes nothing, and fails "
        "if something is wrong",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    is_wrong = False
    for finding in check(config, options.config, clock=clock.now, listening=listening_ports):
        print(escape(str(finding)))
        is_wrong = is_wrong or finding.verdict is Verdict.WRONG
    return 1 if is_wrong else 0


ACTION = Action(key="check", add=_add, run=_run)
