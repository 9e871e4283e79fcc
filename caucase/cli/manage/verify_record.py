"""``--verify-record``: whether the record of what was issued and revoked is whole, and how far it reaches."""

from __future__ import annotations

import argparse
import json
from typing import Any

from caucase.authority import ChainState, record_size, verify
from caucase.cli.common import EX_OK
from caucase.cli.manage.action import JSON, Action
from caucase.config.schema import ServerConfig
from caucase.errors import EX_ERROR
from caucase.host.events import escape
from caucase.host.progress import progress
from caucase.store import Database


def _add(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--verify-record",
        action="store_true",
        help="read the whole record of what was issued and revoked, and say of each authority how far it reaches, and "
        "its last hash, to be compared with the journal's; changes nothing, and fails if an entry is not what it was",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    with (
        Database(config.db, read_only=True) as database,
        database.read() as transaction,
        progress("Verifying", record_size(transaction)) as bar,
    ):
        states = verify(transaction, note=bar.add)
    if options.json:
        print(json.dumps({"authorities": list(map(_document, states))}, indent=2))
    else:
        for state in states:
            print(escape(_sentence(state)))
    return EX_ERROR if any(state.problem for state in states) else EX_OK


def _document(state: ChainState) -> dict[str, Any]:
    """The keys stay; they are described in docs/record.md."""
    return {
        "name": state.context.lower(),
        "entries": state.entries,
        "first": state.first,
        "last": state.head.number,
        "hash": state.head.hash.hex(),
        "problem": state.problem or None,
    }


def _sentence(state: ChainState) -> str:
    if state.problem:
        return state.problem
    reached = f"{state.head.number}, {state.head.hash.hex()}"
    if state.first is None:
        return f"{state.context}: no entries; the last one made was {reached}"
    return f"{state.context}: {state.entries} entries, from {state.first} to {reached}"


ACTION = Action(key="verify_record", add=_add, run=_run, extras=JSON)
