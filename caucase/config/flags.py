"""The command-line side of the server's options: every YAML key is a long option too, and overrides the file.

Values stay text here; ``caucase.config.load`` parses them, so that all mistakes are told together.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any

from caucase.config.schema import OPTIONS, Option


def add_options(parser: argparse.ArgumentParser, keys: Collection[str] = OPTIONS.keys()) -> None:
    """Add a long option to ``parser`` for each of ``keys``; its namespace has those only that are given."""
    for option in map(OPTIONS.__getitem__, keys):
        if option.is_switch:
            parser.add_argument(
                option.flag,
                dest=option.key,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=_help(option),
            )
        else:
            many: dict[str, Any] = {"action": "extend", "nargs": "+"} if option.many else {}
            parser.add_argument(
                option.flag,
                dest=option.key,
                metavar=option.metavar,
                default=argparse.SUPPRESS,
                help=_help(option),
                **many,
            )


def given(namespace: argparse.Namespace) -> dict[str, str | list[str]]:
    """The server options on the command line, by YAML key: text, a list of texts, ``yes`` or ``no``."""
    present = {key: value for key, value in vars(namespace).items() if key in OPTIONS}
    return {
        key: ("yes" if value else "no") if isinstance(value, bool) else value
        for key, value in present.items()
    }


def _help(option: Option) -> str:
    default = "" if option.default is None else f" [{option.default}]"
    return (option.help + default).replace("%", "%%")
