"""Parsers for the values that only the updater's file has: text in, typed value out, ``ValueError`` with a sentence.

Nothing here looks at the machine: owners and units are looked up where they are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from caucase.config.updater import Part
from caucase.core.netloc import NetLoc
from caucase.errors import Malformed

Value = TypeVar("Value")

MODES = ("service", "user")

# Others may never write a certificate, and nobody executes one.
_FORBIDDEN_MODE = 0o7113

# useradd(8): what Debian and others accept for users and groups, or a number.
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?|[0-9]{1,10}", re.ASCII)
_ID_MAX = 2**32 - 2  # 2**32 - 1 means "leave it" to chown(2)

# systemd.unit(5): the characters, the length, and the types that can be reloaded, restarted or started. A
# template has no instance after its @ and cannot be.
_UNIT = re.compile(
    r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\-]*(?:@[A-Za-z0-9:_.\\-]+)?"
    r"\.(?:service|socket|target|path|timer|mount|automount|swap|slice|scope)",
    re.ASCII,
)
_UNIT_LIMIT = 255


def ca_url(text: str) -> str:
    """``http://host[:port][/path]``; HTTPS follows from it."""
    example = "give the CA's HTTP address, for example http://ca.example.com:8009"
    try:
        parts = urlsplit(text)
        NetLoc.parse(parts.netloc)
    except (ValueError, Malformed):
        raise ValueError(f"{text!r} is not a URL; {example}") from None
    if parts.scheme != "http":
        raise ValueError(f"{text!r} does not start with http://; {example}, that of HTTPS follows from it")
    if parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise ValueError(f"{text!r} has more than a host, a port and a path; {example}")
    return text


def mode_of_updater(text: str) -> str:
    """``service`` or ``user``."""
    if text not in MODES:
        raise ValueError(f"{text!r} is neither {' nor '.join(MODES)}")
    return text


def path(text: str) -> Path:
    """A file name; a relative one will be within the state directory.

    A ``~`` is refused: whose home that is depends on who asks.
    """
    if not text or "\0" in text:
        raise ValueError(f"{text!r} is not a file name")
    if text.startswith("~"):
        raise ValueError(f"{text!r} starts with '~', which is somebody else's for another user; write it out")
    if ".." in Path(text).parts:
        raise ValueError(f"{text!r} has '..' in it; write it without")
    return Path(text)


def absolute_path(text: str) -> Path:
    """A file name from the root on."""
    if not path(text).is_absolute():
        raise ValueError(f"{text!r} does not start with '/'")
    return Path(text)


def content(text: str) -> tuple[Part, ...]:
    """Parts joined by ``+``, in the order in which the file has them."""
    words = [word.strip() for word in text.split("+")]
    known = [part.value for part in Part]
    for word in words:
        if word not in known:
            raise ValueError(f"{word!r} is none of {', '.join(known)}, which can be joined by '+'")
    if len(set(words)) != len(words):
        raise ValueError(f"{text!r} has the same part twice")
    return tuple(map(Part, words))


def file_mode(text: str) -> int:
    """Octal permissions, ``0640`` or ``640``: neither writable for others nor executable."""
    if not re.fullmatch(r"0?[0-7]{3}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a mode in octal, such as 0640")
    if (mode := int(text, 8)) & _FORBIDDEN_MODE:
        raise ValueError(f"{text} would make the file executable, or writable for everybody")
    return mode


def account(text: str) -> str:
    """The name of a user or a group, or its number."""
    if not _ACCOUNT.fullmatch(text) or (text.isdigit() and int(text) > _ID_MAX):
        raise ValueError(f"{text!r} is not the name of a user or a group")
    return text


def unit(text: str) -> str:
    """The full name of a systemd unit that can be reloaded, restarted or started."""
    if len(text) > _UNIT_LIMIT or not _UNIT.fullmatch(text):
        raise ValueError(f"{text!r} is not the full name of a unit, such as nginx.service")
    return text


def of_core(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """A parser of ``caucase.core``, which raises Malformed, as one for a setting."""

    def parse_setting(text: str) -> Value:
        try:
            return parse(text)
        except Malformed as error:
            raise ValueError(str(error).rstrip(".")) from None

    return parse_setting
