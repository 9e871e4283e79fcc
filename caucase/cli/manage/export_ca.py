"""``--export-ca``: the CAs of services with their keys, for another program."""

from __future__ import annotations

import argparse
from pathlib import Path

from caucase.cli.manage.action import Action
from caucase.cli.manage.passphrase import choose
from caucase.config.schema import ServerConfig
from caucase.errors import Conflict
from caucase.host.events import Audit
from caucase.host.owner import as_caller
from caucase.jobs.exchange import export_cas


def _add(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--export-ca",
        type=Path,
        metavar="FILE",
        help="write the CAs of services to a new file, their keys encrypted with a passphrase, which is asked for",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    path: Path = options.export_ca
    with as_caller():
        is_there = path.exists()
    if is_there:  # told before anybody types a passphrase twice
        raise Conflict(f"{path} exists already, and may hold keys.", "Name another file.")
    signers = export_cas(path, config, passphrase=choose(str(path)), audit=Audit())
    print(f"{path}: {len(signers)} CA certificates with their keys.")
    return 0


ACTION = Action(key="export_ca", add=_add, run=_run)
