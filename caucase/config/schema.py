"""Every option of ``caucased``, once: its name, its parser, its default, its help.

The YAML file, the command line and the documentation are generated from ``OPTIONS``. Nothing is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from caucase.config import values
from caucase.config.parser import Parser
from caucase.config.setting import Setting
from caucase.core.keys import KeyType
from caucase.core.message import MESSAGE_LIMIT
from caucase.core.netloc import NetLoc


@dataclass(frozen=True, kw_only=True)
class Option(Setting):
    """One option. ``flag`` is the long option, and ``from_flag`` turns its argument into the text that YAML
    would have.
    """

    flag: str
    from_flag: Callable[[str], str]

    @property
    def is_switch(self) -> bool:
        """Whether the long option takes no argument and can have ``--no-`` before it."""
        return self.parse is values.boolean


def _option(
    parse: Parser[Any],
    default: str | None,
    help: str,  # noqa: A002 - the word that argparse uses for it
    *,
    metavar: str = "",
    many: bool = False,
    flag: str = "",
    from_flag: Callable[[str], str] = str,
) -> Any:
    value: Any = () if many else None if default is None else parse(default)
    described = {
        "parse": parse, "default": default, "help": help, "metavar": metavar, "many": many,
        "flag": flag, "from_flag": from_flag,
    }  # fmt: skip
    return field(default=value, metadata=described)


_validity = values.days(minimum=values.DAY)
_count = values.whole(0, 1_000_000)


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """What ``caucased`` is told. Lengths of time are ``timedelta``; ``netloc`` is ``None`` until someone
    chose it.
    """

    db: Path = _option(values.path, "caucase.sqlite", "The SQLite database.", metavar="FILE")
    server_key: Path = _option(
        values.path,
        "server.key.pem",
        "Key and certificate of the HTTPS server, made when missing.",
        metavar="FILE",
    )
    cors_key_store: Path = _option(
        values.path, "cors.key", "The secrets that sign consent cookies, made when missing.", metavar="FILE"
    )
    cors_whitelist: tuple[str, ...] = _option(
        values.origin, None, "Web origins that need no consent.", metavar="URL", many=True
    )
    netloc: NetLoc | None = _option(
        values.netloc,
        None,
        "Address at which verifiers reach the service, for good: it is written into certificates.",
        metavar="HOST[:PORT]",
    )
    base_port: int | None = _option(
        values.whole(1, values.MAX_BASE_PORT),
        None,
        "Port to listen on for HTTP, if not netloc's; HTTPS is 443 if it is 80, else the next. "
        "Sockets handed over by systemd go first.",
        metavar="PORT",
    )
    bind: tuple[str, ...] = _option(
        values.address,
        None,
        "Addresses to listen on, if not those of netloc's host. Sockets handed over by systemd go first.",
        metavar="ADDRESS",
        many=True,
    )
    threshold: timedelta = _option(
        values.days(),
        "31",
        "The server renews its HTTPS certificate when less than so many days are left of it.",
        metavar="DAYS",
    )
    key_type: KeyType = _option(
        values.ca_key_type,
        "rsa:2048",
        f"Type of the keys of new CAs: {', '.join(values.CA_KEY_TYPES)}. "
        "On the command line the bits of an RSA key.",
        metavar="BITS",
        flag="--key-len",
        from_flag="rsa:{}".format,
    )
    service_crt_validity: timedelta = _option(
        _validity, "93", "Life of service certificates, in days.", metavar="DAYS"
    )
    user_crt_validity: timedelta = _option(
        _validity, "93", "Life of user certificates, in days.", metavar="DAYS"
    )
    service_max_csr: int = _option(_count, "50", "Service requests that may wait at once.", metavar="COUNT")
    user_max_csr: int = _option(_count, "50", "User requests that may wait at once.", metavar="COUNT")
    service_auto_approve_count: int = _option(
        _count, "0", "The first so many service requests are signed without asking.", metavar="COUNT"
    )
    user_auto_approve_count: int = _option(
        _count, "1", "The first so many user requests are signed without asking.", metavar="COUNT"
    )
    lock_auto_approve_count: bool = _option(
        values.boolean, "no", "Store the two counts above for good; later ones are ignored."
    )
    record_retention: timedelta = _option(
        values.days(),
        "365",
        "The record keeps what was issued and revoked for so many days after the certificate's end.",
        metavar="DAYS",
    )
    backup_directory: Path | None = _option(
        values.path, None, "Folder for encrypted backups; without it there are none.", metavar="FOLDER"
    )
    backup_period: timedelta = _option(
        values.days(),
        "1",
        "Days between backups of a server that systemd did not start; else a timer makes them.",
        metavar="DAYS",
    )
    backup_keep: int = _option(
        values.whole(1, 1_000_000), "30", "So many backups are kept; older ones are removed.", metavar="COUNT"
    )
    workers: int | None = _option(
        values.whole(1, 64),
        None,
        "Processes that answer at once, at most; when not given, as many as there are processors.",
        metavar="COUNT",
    )
    idle_timeout: timedelta = _option(
        values.time_span,
        "10min",
        "Started by systemd, the server exits after so long without a request; 0 for never.",
        metavar="TIME",
    )
    access_log: bool | None = _option(
        values.boolean, None, "Log every request. When not given: not under systemd, elsewhere yes."
    )
    # A browser's request with the longest consent cookie has about 5,000 bytes and 25 headers.
    limit_header_size: int = _option(
        values.whole(1024, 1 << 20), "16384", "Bytes of a request before its body.", metavar="BYTES"
    )
    limit_header_count: int = _option(values.whole(8, 1000), "64", "Headers of a request.", metavar="COUNT")
    # Paths are short; what can be long is where the consent page leads back to.
    limit_url_length: int = _option(values.whole(256, 1 << 16), "4096", "Bytes of a URL.", metavar="BYTES")
    # What the parser of messages takes: the largest is a renewal, with a certificate and a request of 64 KiB each.
    limit_body_size: int = _option(
        values.whole(1 << 16, MESSAGE_LIMIT),
        f"{MESSAGE_LIMIT}",
        "Bytes of the body of a request.",
        metavar="BYTES",
    )
    # What the parser of PEM takes: room for hundreds of names.
    limit_csr_size: int = _option(
        values.whole(4096, 1 << 16), "65536", "Bytes of a certificate request.", metavar="BYTES"
    )
    # Headers are one packet or two; the rest is for packets that got lost.
    limit_header_time: timedelta = _option(
        values.seconds(1, 3600),
        "10s",
        "A connection ends when the headers of a request are not there so long after they began, or "
        "after the connection did.",
        metavar="TIME",
    )
    # 64 KiB, a request, at 2 KiB a second.
    limit_body_time: timedelta = _option(
        values.seconds(1, 3600), "30s", "Time for the body of a request to come.", metavar="TIME"
    )
    # Longer than the minute after which many proxies ask again over a connection that they keep.
    limit_idle_time: timedelta = _option(
        values.seconds(1, 86400), "75s", "A connection ends after so long without a request.", metavar="TIME"
    )
    # The slowest line that a list of a million entries, 40 MB, makes sense on is far faster than 1 KiB a second.
    limit_send_time: timedelta = _option(
        values.seconds(1, 3600),
        "60s",
        "A connection ends when its client has not taken the next 64 KiB of an answer, or the rest, for so long.",
        metavar="TIME",
    )
    # Ten times what a worker has under way at full load; each may hold a body.
    limit_requests: int = _option(
        values.whole(1, 100_000),
        "256",
        "Requests that each worker process may have in work at once. One whose body is still coming is in none.",
        metavar="COUNT",
    )
    # Some 12 KiB of memory each, and 60 over TLS; the unit allows twice as many files.
    limit_connections: int = _option(
        values.whole(16, 1_000_000),
        "8192",
        "Connections at once; fewer where the process may not have so many files open.",
        metavar="COUNT",
    )
    # One client has a few, an office behind one address some dozens.
    limit_connections_per_address: int = _option(
        values.whole(1, 1_000_000),
        "256",
        "Connections at once from one IPv4 address or one IPv6 /64. A proxy is one address, unless it comes over a "
        "Unix socket.",
        metavar="COUNT",
    )
    # Off, as in caucase 0.9; the installed server has it on.
    limit_pending_per_address: int = _option(
        _count,
        "0",
        "Requests from one IPv4 address or one IPv6 /64 that may wait at once, in each context; 0 for as many as may "
        "wait in all.",
        metavar="COUNT",
    )


def _options() -> Iterator[Option]:
    for described in fields(ServerConfig):
        metadata = dict(described.metadata)
        flag = metadata.pop("flag") or "--" + described.name.replace("_", "-")
        yield Option(key=described.name, flag=flag, **metadata)


OPTIONS: Mapping[str, Option] = {option.key: option for option in _options()}
"""Every option by its YAML key, in the order of documentation."""


def contradictions(config: ServerConfig) -> Iterator[tuple[tuple[str, str], str]]:
    """What is wrong between options that are right each for itself: the keys of the two, and a sentence."""
    for key in ("service_crt_validity", "user_crt_validity"):
        validity: timedelta = getattr(config, key)
        if config.threshold >= validity:
            yield (
                (key, "threshold"),
                f"threshold ({config.threshold / values.DAY:g} days) must be shorter than {key} "
                f"({validity / values.DAY:g} days), or every certificate is due at once",
            )
