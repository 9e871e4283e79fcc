"""caucase-key-id: identifies keys, and the keys that open a backup, by the same identifier."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from caucase.cli.common import EX_OK, Parser, run
from caucase.client import read_key
from caucase.core.backup import read_key_ids
from caucase.core.spki import key_id
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
    result.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run(PROGRAM, lambda: _print(parser().parse_args(argv)))


def _print(options: argparse.Namespace) -> int:
    if options.json:
        document = {
            "keys": [{"path": str(path), "key_id": _of_key(path)} for path in options.private_key],
            "backups": [{"path": str(path), "key_ids": _of_backup(path)} for path in options.backup],
        }
        print(json.dumps(document, indent=2))
        return EX_OK
    for path in options.private_key:
        print(path, _of_key(path))
    for path in options.backup:
        identifiers = _of_backup(path)
        print(path)
        for identifier in identifiers:
            print(f"  {identifier}")
    return EX_OK


def _of_key(path: Path) -> str:
    return key_id(read_key(path).public_key()).hex()


def _of_backup(path: Path) -> list[str]:
    with path.open("rb") as stream:
        try:
            return [identifier.hex() for identifier in read_key_ids(stream)]
        except Malformed as error:
            raise Malformed(f"{path}: {error.message}", error.hint) from None
