"""One parser for each kind of value that an option takes: text in, typed value out, ``ValueError`` with a
sentence; and what editors are told of it.

The same text means the same in the YAML file and on the command line. Nothing here looks at the machine:
names are not resolved and files not opened.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from caucase.config.parser import (
    BLANK,
    IPV4,
    IPV6,
    Parser,
    any_case,
    any_of,
    either,
    in_range,
    matching,
    one_of,
    parser,
)
from caucase.core.keys import KeyType
from caucase.core.netloc import HOST_PATTERN, NetLoc
from caucase.errors import Malformed

Value = TypeVar("Value")

DAY = timedelta(days=1)

# The HTTPS CA lives forty periods: with ten years as the longest period that is still a date every verifier
# can read.
LONGEST = timedelta(days=3650)

# HTTPS listens one port further up, so the last port cannot be HTTP's.
MAX_BASE_PORT = 65534

# What the CA's keys may be. P-521 and Ed25519 are left out: too many verifiers do not know them.
CA_KEY_TYPES = ("rsa:2048", "rsa:3072", "rsa:4096", "ec:P-256", "ec:P-384")

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

# systemd.time(7), "Parsing Time Spans", from milliseconds to weeks.
_UNITS = {
    name: span
    for names, span in (
        ("ms msec", timedelta(milliseconds=1)),
        ("s sec second seconds", timedelta(seconds=1)),
        ("m min minute minutes", timedelta(minutes=1)),
        ("h hr hour hours", timedelta(hours=1)),
        ("d day days", DAY),
        ("w week weeks", 7 * DAY),
    )
    for name in names.split()
}
_WHOLE = "[0-9]{1,12}"
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
# Blanks belong to what follows them: if to either side, there were 2^n ways for n parts to fail.
_TIME_SPAN_PART = re.compile(rf"{BLANK}({_NUMBER.pattern}){BLANK}([a-z]+)", re.ASCII)
_TIME_SPAN = re.compile(rf"(?:{_TIME_SPAN_PART.pattern})+{BLANK}", re.ASCII)
_SPAN_PATTERN = rf"{_NUMBER.pattern}|(?:{BLANK}{_NUMBER.pattern}{BLANK}{any_of(_UNITS)})+{BLANK}"

_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 6454 section 6.2: an origin is scheme://host[:port] and nothing else. RFC 3986 section 3.1 has the
# scheme.
_ORIGIN = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII
)

# What NetLoc takes, but for the range of the port and what an IPv6 address is.
NETLOC_PATTERN = rf"(?:{IPV4}|{HOST_PATTERN}|\[{IPV6}\])(?::[0-9]{{1,5}})?"


@parser("yes or no", either({"type": "boolean"}, matching(any_of(map(any_case, _BOOLEANS)))))
def boolean(text: str) -> bool:
    """``true``, ``yes``, ``on`` or ``false``, ``no``, ``off``."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


@parser("the name of a file or folder", matching(r"[^\x00]+"))
def path(text: str) -> Path:
    """A file name; ``~`` is a home directory, a relative one is relative to the current directory."""
    if not text or "\0" in text:
        raise ValueError(f"{text!r} is not a file name")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text!r}: there is no such home directory") from None


def whole(minimum: int, maximum: int) -> Parser[int]:
    """A parser of decimal integers from ``minimum`` to ``maximum``, which are not negative."""

    @parser(
        f"a whole number from {minimum} to {maximum}",
        in_range(minimum, maximum, _WHOLE, kind="integer"),
    )
    def parse(text: str) -> int:
        if not re.fullmatch(rf"-?{_WHOLE}", text, re.ASCII):
            raise ValueError(f"{text!r} is not a whole number")
        if not minimum <= (number := int(text)) <= maximum:
            raise ValueError(f"{number} is not between {minimum} and {maximum}")
        return number

    return parse


def days(*, minimum: timedelta = timedelta(0)) -> Parser[timedelta]:
    """A parser of a number of days, decimals allowed: above zero, from ``minimum`` to ``LONGEST``."""
    least = f"from {minimum / DAY:g}" if minimum else "more than 0,"

    @parser(
        f"a number of days, {least} to {LONGEST / DAY:g}",
        in_range(minimum / DAY, LONGEST / DAY, _NUMBER.pattern, above=not minimum),
    )
    def parse(text: str) -> timedelta:
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"{text!r} is not a number of days")
        span = timedelta(days=float(text))
        if not span:
            raise ValueError("must be more than 0 days")
        if not minimum <= span <= LONGEST:
            raise ValueError(f"{text} days is not between {minimum / DAY:g} and {LONGEST / DAY:g} days")
        return span

    return parse


@parser(
    "a number of seconds, or a time span such as 90s, 10min or 1h 30min",
    in_range(0, LONGEST.total_seconds(), _SPAN_PATTERN),
)
def time_span(text: str) -> timedelta:
    """A number of seconds, or a time span as systemd writes it (systemd.time(7)): ``90s``, ``10min``, ``1h
    30min``.
    """
    if _NUMBER.fullmatch(text):
        total = float(text)
    elif not _TIME_SPAN.fullmatch(text):
        raise ValueError(f"{text!r} is neither a number of seconds nor a time span such as 90s or 10min")
    else:
        total = 0.0
        for amount, unit in _TIME_SPAN_PART.findall(text):
            if unit not in _UNITS:
                raise ValueError(f"{text!r}: {unit!r} is not a unit of time; ms, s, min, h, d and w are")
            total += float(amount) * _UNITS[unit].total_seconds()
    # Before it becomes a timedelta, which cannot be as long as what may be written.
    if total > LONGEST.total_seconds():
        raise ValueError(f"{text!r} is longer than {LONGEST / DAY:g} days")
    return timedelta(seconds=total)


def seconds(minimum: int, maximum: int) -> Parser[timedelta]:
    """A parser of time spans from ``minimum`` to ``maximum`` seconds."""

    @parser(
        f"a number of seconds from {minimum} to {maximum}, or such a time span, as 90s or 10min",
        in_range(minimum, maximum, _SPAN_PATTERN),
    )
    def parse(text: str) -> timedelta:
        span = time_span(text)
        if not timedelta(seconds=minimum) <= span <= timedelta(seconds=maximum):
            raise ValueError(f"{text!r} is not between {minimum} and {maximum} seconds")
        return span

    return parse


@parser("host or host:port", matching(NETLOC_PATTERN))
def netloc(text: str) -> NetLoc:
    """``host[:port]``."""
    return _of_core(NetLoc.parse, text)


@parser(f"one of {', '.join(CA_KEY_TYPES)}", one_of(CA_KEY_TYPES))
def ca_key_type(text: str) -> KeyType:
    """The type of key of a certificate authority, one of ``CA_KEY_TYPES``."""
    if text not in CA_KEY_TYPES:
        raise ValueError(f"{text!r} is not a key type for a CA; {', '.join(CA_KEY_TYPES)} are")
    return _of_core(KeyType.parse, text)


@parser("an IP address", matching(rf"{IPV4}|{IPV6}(?:%[^%/]+)?"))
def address(text: str) -> str:
    """An IPv4 or IPv6 address, without brackets; a link-local one may have a zone (``fe80::1%eth0``)."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


@parser("an origin, scheme://host or scheme://host:port, without a path", matching(_ORIGIN.pattern))
def origin(text: str) -> str:
    """A web origin, given back as browsers send it: in lower case and without the scheme's own port (RFC
    6454).
    """
    match = _ORIGIN.fullmatch(text)
    if not match or int(match[3] or 1) not in range(1, 65536):
        raise ValueError(f"{text!r} is not an origin, scheme://host or scheme://host:port, without a path")
    scheme, host, port = match[1].lower(), match[2].lower(), match[3]
    if not port or int(port) == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{int(port)}"


def _of_core(parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except Malformed as error:
        raise ValueError(str(error).rstrip(".")) from None
