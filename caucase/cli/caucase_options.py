"""The options of the command ``caucase``, and what does not go together."""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import combinations
from pathlib import Path

from caucase.cli.common import DEFAULT_KEY_BITS, Parser, days, key_bits
from caucase.cli.defaults import client_config, where
from caucase.client import CA_ENDING, PemFiles
from caucase.core.x509 import SERIAL_MAX, Serial

PROGRAM = "caucase"

_AUTHENTICATED = (
    *("list_csr", "list_crt", "sign_csr", "sign_csr_with", "reject_csr", "revoke_other_crt"),
    "revoke_serial",
)

# What prints a list, and what prints something else.
_LISTINGS = ("status", "list_csr", "list_crt", "show_csr")
_PRINTING = ("send_csr", "get_crt", "renew_crt")

# Files of CA certificates and revocation lists, in the current folder, as caucase 0.9 has them.
_FILES = {
    "ca_crt": Path("cas.crt.pem"),
    "user_ca_crt": Path("cau.crt.pem"),
    "crl": Path("cas.crl.pem"),
    "user_crl": Path("cau.crl.pem"),
}

_TEXT_LIMIT = 256  # the server's

_EPILOG = """Without --ca-url, the CA is that of ~/.config/caucase/client.yaml or /etc/caucase/client.yaml.
Every call also updates the files with CA certificates and revocation lists.
Exit status: 0 done, 1 an error, 2 a certificate is still pending, 3 the command of --on-renew failed."""


def parser() -> Parser:
    result = Parser(
        PROGRAM,
        "Ask a caucase server for certificates, renew and revoke them; as a user, decide on requests.",
    )
    result.epilog = _EPILOG
    result.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_general(result)
    _add_anonymous(result.add_argument_group("what everybody can do"))
    _add_authenticated(result.add_argument_group("what users can do, with --user-key"))
    return result


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options, checked together; exits with 1 and one sentence if they are wrong. What is not given is as
    client.yaml has it; CaucaseError for mistakes in that. ``folder``: the one that the file wants to be made.
    """
    result = parser()
    options = result.parse_args(argv)
    is_default = options.ca_url is None
    _complete(options)
    try:
        for name, first in _PAIRS.items():
            setattr(options, name, [(first(one), Path(other)) for one, other in getattr(options, name)])
    except argparse.ArgumentTypeError as error:
        result.error(str(error))
    ids = [*options.sign_csr, *(csr_id for csr_id, _ in options.sign_csr_with), *options.reject_csr]
    for csr_id, count in Counter(ids).items():
        if count > 1:
            result.error(f"{csr_id} is given more than once to --sign-csr, --sign-csr-with and --reject-csr")
    if options.user_key is None:
        for name in _AUTHENTICATED:
            if getattr(options, name):
                elsewhere = f", or user_key in {where()}" if is_default else ""
                result.error(
                    f"{_option(name)} needs the key and certificate of a user: give --user-key{elsewhere}"
                )
    if options.ca_url is None and not options.status:
        result.error(f"--ca-url is needed, for everything but --status; or write ca_url into {where()}")
    if options.json:
        _check_json(result, options)
    for name in ("expiring", "name"):
        if getattr(options, name) is not None and not options.list_crt:
            result.error(f"{_option(name)} goes with --list-crt")
    if conflict := _conflict(options):
        result.error(conflict)
    return options


def _complete(options: argparse.Namespace) -> None:
    """Fill in what was not given. Whoever names a CA says all about it: no file is read then."""
    options.folder = None
    defaults: Mapping[str, Path] = _FILES
    if options.ca_url is None:
        config = client_config()
        options.user_key = options.user_key or config.user_key
        if config.ca_url is not None:
            options.ca_url = config.ca_url
            defaults = {name: getattr(config, name) for name in _FILES}
            kept = [path for name, path in defaults.items() if getattr(options, name) is None]
            if any(config.directory in path.parents for path in kept):
                options.folder = config.directory
    for name, path in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, path)


def _check_json(result: Parser, options: argparse.Namespace) -> None:
    """A program that reads the answer finds one document, and nothing else."""
    listings = [name for name in _LISTINGS if getattr(options, name)]
    if len(listings) != 1:
        result.error(f"--json goes with one of {', '.join(map(_option, _LISTINGS))}")
    for name in _PRINTING:
        if getattr(options, name):
            result.error(f"{_option(name)} prints something else; do it without --json")


def needs_user(options: argparse.Namespace) -> bool:
    """Whether something is asked for that only users can do."""
    return any(getattr(options, name) for name in _AUTHENTICATED)


def _conflict(options: argparse.Namespace) -> str:
    """Each of the four paths is another file; only CA certificates and lists can be in the same folder."""
    paths = {name: getattr(options, name) for name in ("ca_crt", "user_ca_crt", "crl", "user_crl")}
    for (one, path), (other, other_path) in combinations(paths.items(), 2):
        is_same = os.path.realpath(path) == os.path.realpath(other_path)  # also where links lead in a circle
        is_mixed = one.endswith("crt") and other.endswith("crl")
        if is_same and not (is_mixed and PemFiles(path=path, ending=CA_ENDING).is_folder):
            return f"{_option(one)} and {_option(other)} must not be the same"
    return ""


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _add_general(group: Parser) -> None:
    group.add_argument(
        "--ca-url",
        metavar="URL",
        help="the server's HTTP address [that of client.yaml, with everything that this file says]",
    )
    for name, what in (
        ("ca_crt", "CA certificates of services"),
        ("user_ca_crt", "CA certificates of users"),
        ("crl", "revocation lists of services"),
        ("user_crl", "revocation lists of users"),
    ):
        group.add_argument(
            _option(name),
            metavar="PATH",
            type=Path,
            help=f"{what}: a file, or a folder with a file for each; what does not exist becomes a file "
            f"if it has an extension, else a folder [as client.yaml says; with --ca-url {_FILES[name]}]",
        )
    group.add_argument(
        "--threshold",
        metavar="DAYS",
        type=days,
        default=timedelta(days=31),
        help="a certificate is renewed once no more than this remains of its life [31]",
    )
    group.add_argument(
        "--key-len",
        metavar="BITS",
        type=key_bits,
        default=DEFAULT_KEY_BITS,
        help="bits of a new key, if the old one is RSA; else it has the type of the old one [%(default)s]",
    )
    group.add_argument(
        "--on-renew",
        metavar="EXECUTABLE",  # no Path: that would make of ./hook one that is looked for in PATH
        help="a program to run, without a shell, after anything was renewed: CA, revocation list, certificate; if it "
        "fails, the next call with this option runs it again",
    )
    group.add_argument(
        "--user-key",
        metavar="FILE",
        type=Path,
        help="the key and certificate of a user, in one file [without --ca-url that of client.yaml]",
    )
    group.add_argument(
        "--require-https-ca",
        action="store_true",
        help="be an error, not a warning, if the server's HTTPS certificate cannot be verified",
    )
    group.add_argument(
        "--mode",
        choices=("service", "user"),
        default="service",
        help="whose certificates the actions are about: those of services, or those of users [%(default)s]",
    )


def _add_anonymous(group: argparse._ArgumentGroup) -> None:
    _add_list(group, "--send-csr", "CSR", Path, "submit requests; prints for each its id and its file")
    _add_pair(group, "--get-csr", ("ID", "FILE"), "fetch a request and append it to a file")
    _add_pair(
        group,
        "--get-crt",
        ("ID", "FILE"),
        "fetch a certificate; a file that exists must hold its key, and it is appended",
    )
    _add_pair(
        group,
        "--revoke-crt",
        ("CRT", "KEY"),
        "revoke a certificate with its key; KEY is ignored if CRT holds the key",
    )
    _add_pair(
        group,
        "--renew-crt",
        ("CRT", "KEY"),
        "renew a certificate in place, if it is due; KEY is ignored if CRT holds the key",
    )
    group.add_argument(
        "--status",
        action="store_true",
        help="only say what is here, what is next, and when; asks no server",
    )
    _add_list(
        group,
        "--show-csr",
        "ID",
        _csr_id,
        "show all that requests say, and what the CA would change or leave out; signs nothing",
    )
    group.add_argument(
        "--json",
        action="store_true",
        help="with --status, --list-csr, --list-crt and --show-csr: one JSON document, for programs",
    )
    group.add_argument(
        "--update-user",
        action="store_true",
        help="also update the CA certificates and revocation lists of users",
    )


def _add_authenticated(group: argparse._ArgumentGroup) -> None:
    _add_list(group, "--sign-csr", "ID", _csr_id, "sign requests")
    _add_pair(
        group,
        "--sign-csr-with",
        ("ID", "CSR"),
        "sign a request with the subject and extensions of another instead of its own",
    )
    _add_list(group, "--reject-csr", "ID", _csr_id, "reject requests")
    _add_list(group, "--revoke-other-crt", "CRT", Path, "revoke certificates without their keys")
    _add_list(
        group,
        "--revoke-serial",
        "SERIAL",
        _serial,
        "revoke serial numbers, in decimal, or in hexadecimal after 0x; nobody can check them for mistakes",
    )
    group.add_argument(
        "--list-csr",
        action="store_true",
        help="list the requests that wait for a decision: subject, names, key, how old, where from",
    )
    group.add_argument(
        "--list-crt",
        action="store_true",
        help="list the certificates that were issued, as far as the server's record goes back",
    )
    group.add_argument(
        "--expiring",
        metavar="DAYS",
        type=days,
        help="with --list-crt: only those that end within so many days, and were neither revoked nor renewed",
    )
    group.add_argument(
        "--name",
        metavar="TEXT",
        type=_shown_text,
        help="with --list-crt: only those whose subject or names contain this text, in small or capital letters",
    )


def _add_list(
    group: argparse._ArgumentGroup, option: str, metavar: str, kind: Callable[[str], object], text: str
) -> None:
    group.add_argument(option, metavar=metavar, nargs="+", action="extend", default=[], type=kind, help=text)


def _add_pair(group: argparse._ArgumentGroup, option: str, metavar: tuple[str, str], text: str) -> None:
    group.add_argument(
        option,
        metavar=metavar,
        nargs=2,
        action="append",
        default=[],
        help=f"{text}; can be given several times",
    )


def _shown_text(text: str) -> str:
    if not 0 < len(text) <= _TEXT_LIMIT or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no text of 1 to {_TEXT_LIMIT} characters")
    return text


def _csr_id(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no id of a request: those are numbers")
    return str(int(text))


def _serial(text: str) -> Serial:
    if not re.fullmatch(r"[0-9]{1,49}|0x[0-9A-Fa-f]{1,40}", text, re.ASCII):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no serial number, in decimal or after 0x in hexadecimal"
        )
    number = int(text[2:], 16) if text.startswith("0x") else int(text)
    if not 0 < number <= SERIAL_MAX:
        raise argparse.ArgumentTypeError(f"{text} is too large for a serial number, or 0")
    return Serial(number)


# The options that take a pair: what its first part is; the second is a path.
_PAIRS: dict[str, Callable[[str], object]] = {
    "get_csr": _csr_id,
    "get_crt": _csr_id,
    "revoke_crt": Path,
    "renew_crt": Path,
    "sign_csr_with": _csr_id,
}
