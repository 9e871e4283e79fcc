"""``--import-crl``: what is revoked on a published list is revoked here too."""

from __future__ import annotations

import argparse
from pathlib import Path

from caucase.cli.manage.action import Action
from caucase.config.schema import ServerConfig
from caucase.host.events import Audit
from caucase.jobs.exchange import import_crl


def _add(_actions: argparse._ActionsContainer, parser: argparse.ArgumentParser) -> None:
    # Not one of the actions that exclude each other: it goes along with others too.
    parser.add_argument(
        "--import-crl",
        type=Path,
        metavar="FILE",
        help="revoke what the revocation lists in the file name, which must be signed by CAs of this server; "
        "the next list has a higher number",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    entries = import_crl(options.import_crl, config, audit=Audit())
    print(f"{options.import_crl}: {entries} entries; all of them are revoked here.")
    return 0


ACTION = Action(key="import_crl", add=_add, run=_run)
