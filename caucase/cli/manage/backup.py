"""``--backup``: an encrypted copy of the database, which any user can open."""

from __future__ import annotations

import argparse
from pathlib import Path

from caucase import clock
from caucase.cli.manage.action import Action
from caucase.config.schema import OPTIONS, ServerConfig
from caucase.host.events import Audit
from caucase.jobs.backup import back_up


def _add(actions: argparse._ActionsContainer, parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--backup",
        type=Path,
        metavar="DIRECTORY",
        help="write an encrypted copy of the database, which any user can open with the key of the user's "
        "certificate; the server may be running",
    )
    keep = OPTIONS["backup_keep"]
    parser.add_argument(
        "--keep",
        dest=keep.key,
        default=argparse.SUPPRESS,
        metavar=keep.metavar,
        help=f"with --backup: the newest so many stay, older ones are removed [{keep.default}]",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    # The timer's, for a server that nobody has connected to yet; a database that was named has to be there.
    if not hasattr(options, OPTIONS["db"].key) and not config.db.exists():
        print(f"There is nothing to back up yet: no database {config.db}.")
        return 0
    made = back_up(config.db, options.backup, keep=config.backup_keep, clock=clock.now, audit=Audit())
    if made is not None:
        users = len(made.key_ids)
        print(f"{made.path}: {made.size} bytes; {users} user{'' if users == 1 else 's'} can open it.")
    return 0


ACTION = Action(key="backup", add=_add, run=_run, extras={OPTIONS["backup_keep"].key: "--keep"})
