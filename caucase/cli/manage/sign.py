"""``--sign-user-csr``: the first user, made on the server itself."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from caucase.appliance import Appliance
from caucase.authority import Principal
from caucase.cli.manage.action import Action
from caucase.client.keyfiles import save_certificate
from caucase.config.schema import ServerConfig
from caucase.core.pem import PEM_LIMIT
from caucase.core.x509 import load_certificate
from caucase.host.events import Audit
from caucase.host.files import read_limited
from caucase.host.owner import as_caller
from caucase.host.progress import counting_seconds


def _add(actions: argparse._ActionsContainer, _parser: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--sign-user-csr",
        nargs=2,
        type=Path,
        metavar=("CSR", "CRT"),
        help="sign the user request in the file CSR at once and write the certificate to the file CRT, "
        "to make the first user without anybody racing for it over the network",
    )


def _run(options: argparse.Namespace, config: ServerConfig) -> int:
    csr_path, crt_path = options.sign_user_csr
    with as_caller():
        csr_pem = read_limited(csr_path, PEM_LIMIT)
    with counting_seconds("Making what is missing, and signing"), Appliance(Audit()) as appliance:
        authority = appliance.configure(config)
        certificate = authority.users.requests.approve(csr_pem, by=Principal.local(os.getuid()))
    with as_caller():
        save_certificate(crt_path, load_certificate(certificate))
    print(f"{crt_path}: signed; its holder may now sign, reject and revoke.")
    return 0


ACTION = Action(key="sign_user_csr", add=_add, run=_run)
