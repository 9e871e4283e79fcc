"""caucase-key-id: identifies keys, and the keys that open a backup, by the same identifier."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from caucase.cli.common import EX_OK, Parser, run
from caucase.client import read_key
from caucase.core.backup import read_key_ids
from caucase.core.x509 import key_id
from caucase.errors import Malformed

PROGRAM = "caucase-key-id"


def parser() -> Parser:
    result = Parser(
        PROGRAM,
        "Print the identifier of a private key, or those of the keys that open a backup: the SHA-1 of the "
        "public key, in hexadecimal, as the subject key identifier of a certificate has it.",
    )
    result.add_argument(
        "--private-key",
        metavar="FILE",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="keys (PEM)",
    )
    result.add_argument(
        "--backup", metavar="FILE", type=Path, nargs="+", action="extend", default=[], help="backups"
    )
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run(PROGRAM, lambda: _print(parser().parse_args(argv)))


def _print(options: argparse.Namespace) -> int:
    for path in options.private_key:
        print(path, key_id(read_key(path).public_key()).hex())
    for path in options.backup:
        with path.open("rb") as stream:
            try:
                identifiers = read_key_ids(stream)
            except Malformed as error:
                raise Malformed(f"{path}: {error.message}") from None
        print(path)
        for identifier in identifiers:
            print(f"  {identifier.hex()}")
    return EX_OK
