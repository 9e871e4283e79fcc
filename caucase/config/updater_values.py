"""Parsers for the values that only the updater's file has: text in, typed value out, ``ValueError`` with a sentence;
and what editors are told of them.

Nothing here looks at the machine: owners and units are looked up where they are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from caucase.config.parser import (
    BLANK,
    IPV4,
    IPV6,
    Parser,
    Schema,
    any_case,
    any_of,
    either,
    explained,
    matching,
    one_of,
    parser,
)
from caucase.config.updater import Part
from caucase.config.values import NETLOC_PATTERN
from caucase.core import asked, keys, subject
from caucase.core.netloc import NetLoc
from caucase.errors import Malformed

Value = TypeVar("Value")

MODES = ("service", "user")

# Not somebody's home, and nothing that leads out of a folder.
_PATH_PATTERN = r"(?!~)(?!(?:[^\x00]*/)?\.\.(?![^/]))[^\x00]+"

# Others may never write a certificate, and nobody executes one. To editors 0640 is a decimal number: that is how YAML
# 1.2 has it.
_FORBIDDEN_MODE = 0o7113
_MODES = [f"{mode:03o}" for mode in range(0o1000) if not mode & _FORBIDDEN_MODE]
PRIVATE_MODES = explained(
    either(one_of(int(mode) for mode in _MODES if mode.endswith("0")), matching("[0-7]*0")),
    "This would let everybody read a private key: the last digit must be 0.",
)
"""Of what ``file_mode`` takes, what gives others no right."""

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


# A path begins with a slash; what follows a ? or a # is none.
@parser(
    "the CA's address, http://host, http://host:port or with a path",
    matching(rf"[Hh][Tt][Tt][Pp]://{NETLOC_PATTERN}(?:/[^\s?#]*)?"),
)
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
    if {"?", "#", " "} & set(text) or not text.isprintable():
        raise ValueError(f"{text!r} has more than a host, a port and a path; {example}")
    return text


@parser(" or ".join(MODES), one_of(MODES))
def mode_of_updater(text: str) -> str:
    """``service`` or ``user``."""
    if text not in MODES:
        raise ValueError(f"{text!r} is neither {' nor '.join(MODES)}")
    return text


@parser("the name of a file or folder, without '..' in it and without '~' in front", matching(_PATH_PATTERN))
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


@parser("an absolute path, without '..' in it", matching(f"(?=/){_PATH_PATTERN}"))
def absolute_path(text: str) -> Path:
    """A file name from the root on."""
    if not path(text).is_absolute():
        raise ValueError(f"{text!r} does not start with '/'")
    return Path(text)


_PART = any_of(Part)


@parser(
    f"{', '.join(Part)}, or several joined by '+'",
    # None of them twice.
    matching(rf"(?!.*\b(\w+)\b.*\b\1\b){BLANK}{_PART}{BLANK}(?:\+{BLANK}{_PART}{BLANK})*"),
)
def content(text: str) -> tuple[Part, ...]:
    """Parts joined by ``+``, in the order in which the file has them."""
    words = [word.strip(" \t") for word in text.split("+")]
    known = [part.value for part in Part]
    for word in words:
        if word not in known:
            raise ValueError(f"{word!r} is none of {', '.join(known)}, which can be joined by '+'")
    if len(set(words)) != len(words):
        raise ValueError(f"{text!r} has the same part twice")
    return tuple(map(Part, words))


@parser(
    "permissions in octal, such as 0640, neither executable nor writable for everybody",
    either(one_of(map(int, _MODES)), matching(f"0?{any_of(_MODES)}")),
)
def file_mode(text: str) -> int:
    """Octal permissions, ``0640`` or ``640``: neither writable for others nor executable."""
    if not re.fullmatch(r"0?[0-7]{3}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a mode in octal, such as 0640")
    if (mode := int(text, 8)) & _FORBIDDEN_MODE:
        raise ValueError(f"{text} would make the file executable, or writable for everybody")
    return mode


@parser(
    "a name or a number",
    either({"type": "integer", "minimum": 0, "maximum": _ID_MAX}, matching(_ACCOUNT.pattern)),
)
def account(text: str) -> str:
    """The name of a user or a group, or its number."""
    if not _ACCOUNT.fullmatch(text) or (text.isdigit() and int(text) > _ID_MAX):
        raise ValueError(f"{text!r} is not the name of a user or a group")
    return text


@parser("the full name of a unit, such as nginx.service", matching(_UNIT.pattern, longest=_UNIT_LIMIT))
def unit(text: str) -> str:
    """The full name of a systemd unit that can be reloaded, restarted or started."""
    if len(text) > _UNIT_LIMIT or not _UNIT.fullmatch(text):
        raise ValueError(f"{text!r} is not the full name of a unit, such as nginx.service")
    return text


def _of_core(parse: Callable[[str], Value], words: str, schema: Schema) -> Parser[Value]:
    """A parser of ``caucase.core``, which raises Malformed, as one for a setting."""

    def parse_setting(text: str) -> Value:
        try:
            return parse(text)
        except Malformed as error:
            raise ValueError(str(error).rstrip(".")) from None

    return Parser(parse_setting, words, schema)


name = _of_core(
    asked.parse_name,
    f"one of: an IP address, {', '.join(asked.NAME_PATTERNS)}",
    matching("|".join([IPV4, IPV6, *asked.NAME_PATTERNS.values()]), longest=asked.NAME_LIMIT),
)
"""Whom a certificate is for."""

_ATTRIBUTE = rf""" *{any_of(map(any_case, subject.KEYWORDS))} *=(?! *#)(?:\\[^\n]|[^\\",+;<>])+"""
subject_name = _of_core(
    subject.parse_subject,
    f"attributes such as CN=www,O=Example, of {', '.join(subject.KEYWORDS)}",
    matching(f"{_ATTRIBUTE}(?:[,+]{_ATTRIBUTE})*", longest=subject.SUBJECT_LIMIT),
)

key_usage = _of_core(asked.parse_key_usage, f"one of {', '.join(asked.KEY_USAGES)}", one_of(asked.KEY_USAGES))

purpose = _of_core(
    asked.parse_purpose,
    f"one of {', '.join(asked.PURPOSES)}, or an OID in dots",
    either(one_of(asked.PURPOSES), matching(asked.OID_PATTERN)),
)

key_type = _of_core(
    keys.KeyType.parse,
    f"one of {', '.join(keys.USUAL_KEY_TYPES)}, or another RSA length",
    either(one_of(keys.USUAL_KEY_TYPES), matching("rsa:0?[2-8][0-9]{3}")),
)
