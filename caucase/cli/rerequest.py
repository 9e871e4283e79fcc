"""caucase-rerequest: a new key, and a request with the subject and the extensions of an existing one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from caucase.cli.common import DEFAULT_KEY_BITS, EX_OK, Parser, key_bits, run
from caucase.client import make_request, read_request, save_new_key, successor_key
from caucase.core.x509 import dump_pem, public_key
from caucase.host.files import write_atomic

PROGRAM = "caucase-rerequest"


def parser() -> Parser:
    result = Parser(
        PROGRAM,
        "Make a new key, and a certificate signing request that asks for what an existing one asks for.",
    )
    result.add_argument(
        "--template", metavar="CSR", type=Path, required=True, help="the existing request (PEM)"
    )
    result.add_argument(
        "--csr", metavar="FILE", type=Path, required=True, help="where to write the new request"
    )
    result.add_argument(
        "--key",
        metavar="FILE",
        type=Path,
        required=True,
        help="where to write the new key; an existing file is refused",
    )
    result.add_argument(
        "--key-len",
        metavar="BITS",
        type=key_bits,
        default=DEFAULT_KEY_BITS,
        help="bits of the new key, if that of the template is RSA; else it has that type [%(default)s]",
    )
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run(PROGRAM, lambda: _rerequest(parser().parse_args(argv)))


def _rerequest(options: argparse.Namespace) -> int:
    template = read_request(options.template)
    key = successor_key(public_key(template), rsa_bits=options.key_len)
    csr = make_request(key, template.subject, template.extensions)
    # The key first: a request without its key would be worthless.
    save_new_key(options.key, key)
    write_atomic(options.csr, dump_pem(csr))
    return EX_OK
