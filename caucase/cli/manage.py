"""caucased-manage: what an operator does on the server itself, with the database at hand and without the
network.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from caucase.appliance import Appliance
from caucase.authority import Principal
from caucase.cli.common import Parser, run
from caucase.client.keyfiles import save_certificate
from caucase.config.flags import add_options, given
from caucase.config.load import load_server_config
from caucase.core.x509 import PEM_LIMIT, load_certificate
from caucase.host.events import Audit
from caucase.host.files import read_limited
from caucase.host.journal import setup_logging

_OPTIONS = (
    "db",
    "server_key",
    "netloc",
    "key_type",
    "user_crt_validity",
    "service_crt_validity",
)


def parser() -> Parser:
    """The command line of ``caucased-manage``."""
    result = Parser("caucased-manage", "Manage a certificate authority on the machine where its database is.")
    result.add_argument(
        "--config", type=Path, metavar="FILE", help="the server's YAML file; the options below override it"
    )
    add_options(result, _OPTIONS)
    actions = result.add_argument_group("actions").add_mutually_exclusive_group(required=True)
    actions.add_argument(
        "--sign-user-csr",
        nargs=2,
        type=Path,
        metavar=("CSR", "CRT"),
        help="sign the user request in the file CSR at once and write the certificate to the file CRT, "
        "to make the first user without anybody racing for it over the network",
    )
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 78 for a configuration that cannot be used, 1 for other trouble."""
    return run("caucased-manage", partial(_manage, arguments))


def _manage(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    setup_logging(program="caucased-manage")
    config = load_server_config(options.config, given(options))
    csr_path, crt_path = options.sign_user_csr
    csr_pem = read_limited(csr_path, PEM_LIMIT)
    with Appliance(Audit()) as appliance:
        authority = appliance.configure(config)
        certificate = authority.users.requests.approve(csr_pem, by=Principal.local(os.getuid()))
    save_certificate(crt_path, load_certificate(certificate))
    print(f"{crt_path}: signed; its holder may now sign, reject and revoke.")
    return 0
