"""``--import-crl``: what is revoked on a published list is revoked here too."""

from __future__ import annotations

import argparse
from pathlib import Path

from caucase.cli.manage.action import Action
from caucase.config.schema import ServerConfig
from caucase.host.events import Audit
from caucase.jobs.exchange import import_crls


def _add(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--import-crl",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="revoke what the revocation lists in the file name, which must be signed by CAs of this server; "
        "the next list has a higher number. With --restore-backup: lists that were published after the backup, to lose "
        "no revocation",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    entries = import_crls(options.import_crl, config, audit=Audit())
    print(f"{entries} entries were read; all of them are revoked here.")
    return 0


ACTION = Action(key="import_crl", add=_add, run=_run)
