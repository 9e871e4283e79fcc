"""The options of ``caucase-updater``, and the configuration they amount to: of a YAML file, or flag by flag."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from caucase.cli.common import Parser, days, key_bits
from caucase.cli.defaults import client_config, where
from caucase.config.updater import UpdaterConfig
from caucase.core.keys import KeyType

PROGRAM = "caucase-updater"

_EPILOG = """Meant for a timer: whether anything is due is decided without the network, in a moment.
Exit status: 0 nothing was due, all is done, or a request waits for a signature; 1 an error, also if something
ends soon and could not be replaced; 3 the command of --on-renew failed, and is run again by the next pass."""

# Flags that a YAML file has as keys, and those of them that cannot be left out without one.
_FLAGS = (
    "ca_url",
    "cas_ca",
    "ca",
    "crl",
    "threshold",
    "crl_threshold",
    "key_len",
    "mode",
    "csr",
    "key",
    "crt",
)
_THRESHOLD, _CRL_THRESHOLD = timedelta(days=31), timedelta(days=7)
_REQUIRED = ("ca_url", "cas_ca", "ca", "crl")


def parser() -> Parser:
    result = Parser(
        PROGRAM,
        "Keep a certificate, its CA certificates and revocation lists current: one pass, and done.",
    )
    result.epilog = _EPILOG
    result.formatter_class = argparse.RawDescriptionHelpFormatter
    result.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="the YAML file of one certificate, instead of the flags below",
    )
    actions = result.add_argument_group("instead of a pass").add_mutually_exclusive_group()
    actions.add_argument(
        "--deploy",
        action="store_true",
        help="install what was renewed as the YAML file says, and reload, restart or start what it names",
    )
    actions.add_argument("--status", action="store_true", help="say what is here, what is next, and when")
    actions.add_argument(
        "--wait", action="store_true", help="make passes until the request is signed; for scripts"
    )
    result.add_argument("--json", action="store_true", help="with --status: for programs")
    _add_flags(result.add_argument_group("what to keep, without a YAML file"))
    return result


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options, checked together; exits with 1 and one sentence if they are wrong."""
    result = parser()
    options = result.parse_args(argv)
    if options.config is None and options.ca_url is None:
        options.ca_url = client_config().ca_url
    given = [name for name in _FLAGS if getattr(options, name) is not None]
    if options.config is not None and given:
        result.error(f"{_flag(given[0])} and --config do not go together: it is a key of the YAML file")
    if options.config is not None and options.on_renew is not None:
        result.error("--on-renew and --config do not go together: name a unit with start: in the YAML file")
    if options.config is None:
        missing = [_flag(name) for name in _REQUIRED if name not in given]
        if missing:
            instead = f" (or ca_url in {where()})" if "--ca-url" in missing else ""
            result.error(f"{', '.join(missing)} must be given{instead}, or --config")
        if options.deploy:
            result.error("--deploy needs --config, with what to install where")
        for name in ("csr", "key"):
            if name in given and options.crt is None:
                result.error(f"{_flag(name)} needs --crt, where the certificate is kept")
    if options.json and not options.status:
        result.error("--json goes with --status")
    return options


def from_flags(options: argparse.Namespace) -> UpdaterConfig:
    """The configuration that the flags describe. Notes are kept beside the certificate, else beside the lists."""
    kept = options.crl if options.crt is None else options.crt
    return UpdaterConfig(
        name=kept.name,
        ca_url=options.ca_url,
        mode=options.mode or "service",
        directory=kept.parent,
        cas_ca=options.cas_ca,
        ca=options.ca,
        crl=options.crl,
        csr=options.csr,
        asked=None,
        key=options.key or options.crt,
        crt=options.crt,
        key_type=None if options.key_len is None else KeyType.parse(f"rsa:{options.key_len}"),
        threshold=_THRESHOLD if options.threshold is None else options.threshold,
        crl_threshold=_CRL_THRESHOLD if options.crl_threshold is None else options.crl_threshold,
        install=(),
        reload=(),
        restart=(),
        start=(),
    )


def _add_flags(group: argparse._ActionsContainer) -> None:
    group.add_argument("--ca-url", metavar="URL", help="the server's HTTP address [that of client.yaml]")
    for flag, what in (
        ("--cas-ca", "CA certificates of services"),
        ("--ca", "CA certificates for this mode; for services the same as --cas-ca"),
        ("--crl", "revocation lists for this mode"),
    ):
        group.add_argument(
            flag,
            metavar="PATH",
            type=Path,
            help=f"{what}: a file, or a folder with a file for each; what does not exist becomes a file "
            "if it has an extension, else a folder",
        )
    group.add_argument("--mode", choices=("service", "user"), help="what the certificate is of [service]")
    group.add_argument(
        "--csr",
        metavar="FILE",
        type=Path,
        help="the request for the first certificate; ignored once there is one",
    )
    group.add_argument(
        "--key", metavar="FILE", type=Path, help="the private key, which must exist [the file of --crt]"
    )
    group.add_argument(
        "--crt",
        metavar="FILE",
        type=Path,
        help="the certificate; without it only CA certificates and lists are kept",
    )
    group.add_argument(
        "--threshold",
        metavar="DAYS",
        type=days,
        help="the certificate is renewed when less than this is left [31]",
    )
    group.add_argument(
        "--crl-threshold",
        metavar="DAYS",
        type=days,
        help="lists are fetched when less than this is left of one [7]",
    )
    group.add_argument(
        "--key-len",
        metavar="BITS",
        type=key_bits,
        help="new keys are RSA of so many bits; when not given, as the key before",
    )
    group.add_argument(
        "--on-renew",
        metavar="EXECUTABLE",  # no Path: that would make of ./hook one that is looked for in PATH
        help="a command to run after a pass that replaced anything, again and again until it succeeds",
    )
    group.add_argument(
        "--max-sleep",
        metavar="DAYS",
        type=days,
        help="accepted for compatibility, and of no effect: this command never sleeps, when it is started again is "
        "up to the timer",
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
