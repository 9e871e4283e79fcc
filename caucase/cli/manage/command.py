"""The command line of ``caucased-manage``, and which action a call means."""

from __future__ import annotations

import argparse
import errno
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from caucase.cli.common import Parser, run
from caucase.cli.manage import (
    backup,
    check,
    export_ca,
    import_ca,
    import_crl,
    migrate,
    refresh,
    restore,
    sign,
    status,
    verify_record,
)
from caucase.cli.manage.action import JSON, Action
from caucase.config import installed
from caucase.config.flags import add_options, given
from caucase.config.load import load_server_config
from caucase.errors import CaucaseError
from caucase.host.journal import setup_logging
from caucase.host.owner import as_owner_of

PROGRAM = "caucased-manage"

_OPTIONS = (
    "db",
    "server_key",
    "netloc",
    "key_type",
    "user_crt_validity",
    "service_crt_validity",
    "threshold",
)

ACTIONS = (
    status.ACTION,
    refresh.ACTION,
    sign.ACTION,
    backup.ACTION,
    restore.RESTORE,
    restore.DRILL,
    migrate.ACTION,
    import_ca.ACTION,
    import_crl.ACTION,
    export_ca.ACTION,
    check.ACTION,
    verify_record.ACTION,
)

_HINT_TO_ROOT = "Started by root this works as the owner of the database, who needs to get there."
_HINT_TO_OTHERS = "Run it as root, or as the owner of the database."


def parser() -> Parser:
    result = Parser(PROGRAM, "Manage a certificate authority on the machine where its database is.")
    result.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the server's YAML file; the options below override it; without it and --db, if there is one: "
        f"{installed.FILE}",
    )
    add_options(result, _OPTIONS)
    group = result.add_argument_group("actions")
    for action in ACTIONS:
        action.add(group, result)
    for flag in JSON.values():
        result.add_argument(flag, action="store_true", help=f"with {_those_with(flag)}: one JSON document")
    return result


def chosen(parser: Parser, options: argparse.Namespace) -> Action:
    """The one action that was asked for, of those that another takes along none; the parser ends the program
    if there is none, more than one, or an option that goes with another one.
    """
    wanted = [action for action in ACTIONS if action.is_wanted(options)]
    taken = {key for action in wanted for key in action.takes}
    alone = [action for action in wanted if action.key not in taken]
    if len(alone) != 1:
        flags = ", ".join("--" + action.key.replace("_", "-") for action in (alone or ACTIONS))
        parser.error(f"not allowed together: {flags}" if alone else f"one of these is required: {flags}")
    given_extras = {flag for action in ACTIONS for flag in action.given_extras(options)}
    for flag in sorted(given_extras - set(alone[0].extras.values())):
        parser.error(f"{flag} goes with {_those_with(flag)}")
    return alone[0]


def _those_with(flag: str) -> str:
    return ", ".join(
        f"--{action.key.replace('_', '-')}" for action in ACTIONS if flag in action.extras.values()
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 78 for a configuration that cannot be used, 1 for other trouble."""
    return run(PROGRAM, partial(_manage, arguments))


def _manage(arguments: Sequence[str] | None) -> int:
    line = parser()
    options = line.parse_args(arguments)
    action = chosen(line, options)
    overrides = given(options)
    file = options.config
    if file is None and "db" not in overrides and installed.FILE.exists():
        file = installed.FILE
    setup_logging(program=PROGRAM, is_installed=file is not None and installed.is_installed(file))
    config = load_server_config(file, overrides)
    # Actions go back to the caller (as_caller) for the files that the caller named.
    try:
        with as_owner_of(config.db):
            return action.run(options, config)
    except PermissionError as error:
        if error.errno != errno.EACCES:
            raise
        hint = _HINT_TO_ROOT if os.geteuid() == 0 else _HINT_TO_OTHERS
        raise CaucaseError(f"{error.filename}: {error.strerror}.", hint) from None
