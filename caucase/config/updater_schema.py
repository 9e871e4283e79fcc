"""Every key of a file in ``/etc/caucase/updater/``, once: its name, its parser, its default, its help.

Loading and documentation are made from ``SETTINGS``. Nothing is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from caucase.config import updater_values as values
from caucase.config.parser import Parser, Schema, explained
from caucase.config.setting import Rule, Setting
from caucase.config.values import days
from caucase.core.asked import KEY_USAGES, NAMES_LIMIT, PURPOSES

STATE_ROOT = "/var/lib/caucase-updater"

# The timer goes off every quarter of an hour: with less, a pass that came late would be too late.
_THRESHOLD = days(minimum=timedelta(hours=1.2))


def _setting(
    key: str,
    parse: Parser[Any],
    default: str | None,
    help: str,  # noqa: A002 - as in caucase.config.schema
    *,
    metavar: str = "",
    many: bool = False,
    inner: Mapping[str, Setting] | None = None,
    required: bool = False,
) -> Setting:
    return Setting(
        key=key,
        parse=parse,
        default=default,
        help=help,
        metavar=metavar,
        many=many,
        inner=inner or {},
        required=required,
    )


def _by_key(settings: Iterable[Setting]) -> Mapping[str, Setting]:
    return {setting.key: setting for setting in settings}


INSTALL_SETTINGS: Mapping[str, Setting] = _by_key(
    [
        _setting("path", values.absolute_path, None, "Where the file is kept.", metavar="FILE", required=True),
        _setting(
            "content",
            values.content,
            None,
            "What it is made of, in this order: key, certificate, ca, crl, joined by '+'.",
            metavar="PARTS",
            required=True,
        ),
        _setting(
            "owner",
            values.account,
            None,
            "Its owner. When not given: the owner of the file that is there, else root.",
            metavar="USER",
        ),
        _setting(
            "group",
            values.account,
            None,
            "Its group. When not given: the group of the file that is there, else root.",
            metavar="GROUP",
        ),
        _setting(
            "mode", values.file_mode, None, "Its permissions. When not given: 0600 with a key, else 0644.",
            metavar="OCTAL",
        ),
    ]
)  # fmt: skip
"""The keys of an entry of ``install``."""

SETTINGS: Mapping[str, Setting] = _by_key(
    [
        _setting("ca_url", values.ca_url, None, "The CA's HTTP address.", metavar="URL", required=True),
        _setting(
            "mode",
            values.mode_of_updater,
            "service",
            "What the certificate is of: service, or user (who may sign requests).",
            metavar="MODE",
        ),
        _setting(
            "names",
            values.name,
            None,
            "Whom the certificate is for: DNS names (*.example.com too), IP addresses, e-mail addresses, URI: and "
            "a URI. Key and request are made. With neither names nor csr only CA certificates and lists are kept.",
            metavar="NAME",
            many=True,
        ),
        _setting(
            "subject",
            values.subject_name,
            None,
            "The subject, as CN=www,O=Example. When not given: the first name as CN, if that has 64 "
            "characters at most.",
            metavar="NAME",
        ),
        _setting(
            "key_usage",
            values.key_usage,
            "digitalSignature",
            f"What the key may do: {', '.join(KEY_USAGES)}.",
            metavar="USAGE",
            many=True,
        ),
        _setting(
            "extended_key_usage",
            values.purpose,
            None,
            f"What the certificate may be used for: {', '.join(PURPOSES)}, or OIDs. When not given: serverAuth and "
            "clientAuth, for a user clientAuth.",
            metavar="PURPOSE",
            many=True,
        ),
        _setting(
            "csr", values.path, None, "A request that exists, instead of names; its key is in key.",
            metavar="FILE",
        ),
        _setting(
            "directory",
            values.absolute_path,
            f"{STATE_ROOT}/NAME",
            "The state directory; NAME is this file's name without .yaml. Relative file names are within it.",
            metavar="FOLDER",
        ),
        _setting("key", values.path, "pair.pem", "The private key.", metavar="FILE"),
        _setting("crt", values.path, None, "The certificate. When not given: the file of key.", metavar="FILE"),
        _setting("cas_ca", values.path, "cas.crt.pem", "CA certificates of services.", metavar="PATH"),
        _setting(
            "ca", values.path, None,
            "CA certificates for this mode. When not given: cas_ca, for a user cau.crt.pem.",
            metavar="PATH",
        ),
        _setting(
            "crl",
            values.path,
            None,
            "Revocation lists for this mode. When not given: cas.crl.pem, for a user cau.crl.pem.",
            metavar="PATH",
        ),
        _setting(
            "key_type",
            values.key_type,
            None,
            "Type of new keys: rsa:2048, rsa:3072, rsa:4096, ec:P-256, ec:P-384, ec:P-521 or ed25519. When not "
            "given: that of the key before.",
            metavar="TYPE",
        ),
        _setting(
            "threshold", _THRESHOLD, "31", "The certificate is renewed when less than so many days are left of it.",
            metavar="DAYS",
        ),
        _setting(
            "crl_threshold", _THRESHOLD, "7", "Lists are fetched when less than so many days are left of one.",
            metavar="DAYS",
        ),
        _setting(
            "install",
            Parser(str, f"a mapping with {', '.join(INSTALL_SETTINGS)}", {"type": "object"}),
            None,
            "Files that --deploy keeps up to date.",
            many=True,
            inner=INSTALL_SETTINGS,
        ),
        _setting(
            "reload", values.unit, None, "Units that reread their files when reloaded.",
            metavar="UNIT", many=True,
        ),
        _setting(
            "restart", values.unit, None, "Units that have to be restarted for it.",
            metavar="UNIT", many=True,
        ),
        _setting(
            "start", values.unit, None,
            "Units to start and wait for after that: hooks of the administrator's, with their own rights.",
            metavar="UNIT", many=True,
        ),
    ]
)  # fmt: skip
"""Every key of the file, in the order of documentation."""

_UNITS = ("reload", "restart", "start")

RULES = (
    Rule(key="csr", excludes=("names",), why="names are given too; a request says by itself whom it is for"),
    *(
        Rule(key=key, needs=("names",), why="is for a request that is made here, from names")
        for key in ("subject", "key_usage", "extended_key_usage")
    ),
    Rule(key="csr", needs=("key",), why="the key of the request is missing; give its file as key"),
    *(
        Rule(
            key=key,
            needs=("names", "csr"),
            why="is of a certificate, and neither names nor csr ask for one",
        )
        for key in ("key", "crt", "key_type", "threshold")
    ),
)
"""What has to stand beside what."""


def _holds(schema: Schema) -> Schema:
    """One value that ``schema`` accepts, or a list with one."""
    return {"anyOf": [schema, {"type": "array", "contains": schema}]}


def _part(words: str) -> Schema:
    return {
        "type": "object",
        "required": ["content"],
        "properties": {"content": {"type": "string", "pattern": rf"\b(?:{words})\b"}},
    }


CONDITIONS: Sequence[Schema] = (
    {
        "properties": {
            "names": {"maxItems": NAMES_LIMIT, "uniqueItems": True},
            **{key: {"uniqueItems": True} for key in _UNITS},
        }
    },
    {
        "if": {"not": {"required": ["subject"]}},
        "then": {
            "properties": {"names": explained({"minItems": 1}, "Without a subject there must be a name.")}
        },
    },
    {
        "if": {
            "required": ["install"],
            "properties": {"install": _holds(_part("key|certificate"))},
        },
        "then": {
            "anyOf": [
                explained({"required": [key]}, "install: neither names nor csr ask for a certificate.")
                for key in ("names", "csr")
            ]
        },
    },
    {
        "if": {
            "required": ["key_usage"],
            "properties": {"key_usage": _holds({"enum": ["encipherOnly", "decipherOnly"]})},
        },
        "then": {
            "properties": {
                "key_usage": explained(
                    {"type": "array", "contains": {"const": "keyAgreement"}},
                    "encipherOnly and decipherOnly need keyAgreement beside them.",
                )
            }
        },
    },
)
"""What else of ``caucase.config.load_updater`` JSON Schema can say of the file, for its editor."""

INSTALL_CONDITIONS: Sequence[Schema] = (
    {
        "if": _part("key"),
        "then": {"properties": {"mode": values.PRIVATE_MODES}},
    },
)
"""The same of an entry of ``install``."""
