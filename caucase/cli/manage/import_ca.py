"""``--import-ca``: CAs that were made elsewhere go on certifying services here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from caucase import clock
from caucase.cli.manage import import_crl
from caucase.cli.manage.action import Action
from caucase.cli.manage.passphrase import ask
from caucase.config.schema import ServerConfig
from caucase.core.x509 import not_after
from caucase.host.events import Audit, escape
from caucase.jobs.exchange import import_cas


def _add(actions: argparse._ActionsContainer, parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--import-ca",
        nargs="+",
        action="extend",
        type=Path,
        metavar="FILE",
        help="add the CAs in these files to those of services: keys and certificates in any order and in any of "
        "the usual formats; a passphrase is asked for on the terminal, or read as a line from standard input",
    )
    parser.add_argument(
        "--import-bad-ca",
        action="store_true",
        help="with --import-ca: also certificates that do not look like a CA's",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    result = import_cas(
        options.import_ca,
        config,
        ask=ask,
        allow_bad=options.import_bad_ca,
        clock=clock.now,
        audit=Audit(),
    )
    for sentence in result.skipped:
        print(f"skipped: {escape(sentence)}", file=sys.stderr)
    for signers, what in ((result.new, "imported"), (result.known, "was there already")):
        for signer in signers:
            name = escape(signer.certificate.subject.rfc4514_string())
            print(f"{signer.key_id.hex()} {name}, until {not_after(signer.certificate):%Y-%m-%d}: {what}")
    if options.import_crl:
        import_crl.ACTION.run(options, config)
    return 0


ACTION = Action(
    key="import_ca",
    add=_add,
    run=_run,
    takes=frozenset({"import_crl"}),
    extras={"import_bad_ca": "--import-bad-ca"},
)
