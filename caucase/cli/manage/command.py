"""The command line of ``caucased-manage``, and which action a call means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from caucase.cli.common import Parser, run
from caucase.cli.manage import refresh, sign, status
from caucase.config import installed
from caucase.config.flags import add_options, given
from caucase.config.load import load_server_config
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

ACTIONS = (status.ACTION, refresh.ACTION, sign.ACTION)


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
    group = result.add_argument_group("actions").add_mutually_exclusive_group(required=True)
    for action in ACTIONS:
        action.add(group, result)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 78 for a configuration that cannot be used, 1 for other trouble."""
    return run(PROGRAM, partial(_manage, arguments))


def _manage(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    setup_logging(program=PROGRAM)
    overrides = given(options)
    file = options.config
    if file is None and "db" not in overrides and installed.FILE.exists():
        file = installed.FILE
    config = load_server_config(file, overrides)
    action = next(action for action in ACTIONS if action.is_wanted(options))
    # Actions go back to the caller (as_caller) for the files that the caller named.
    with as_owner_of(config.db):
        return action.run(options, config)
