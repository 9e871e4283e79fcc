"""Looks whether the server can rely on what it has: configuration, files, database, sockets. It changes nothing."""

from __future__ import annotations

import enum
import pwd
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from caucase.appliance import KeyFile
from caucase.authority import ContextName, examine
from caucase.clock import Clock
from caucase.config.schema import ServerConfig
from caucase.core import rollover
from caucase.core.netloc import https_port_for
from caucase.core.rollover import Lifetime
from caucase.core.spki import spki
from caucase.core.x509 import check_validity, load_certificates, load_private_key, spki_in
from caucase.errors import CaucaseError
from caucase.store import COMPANIONS, Database, cas, settings
from caucase.store.db import schema_versions
from caucase.store.schema import from_seconds

HTTP_UNIT, HTTPS_UNIT = "caucased.socket", "caucased-https.socket"

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


class Verdict(enum.StrEnum):
    """``NOTE``: nothing to worry about, or something that could not be looked at."""

    OK = "ok"
    WRONG = "WRONG"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line."""

    verdict: Verdict
    what: str

    def __str__(self) -> str:
        return f"{self.verdict:<5} {self.what}"


def check(
    config: ServerConfig,
    config_path: Path | None,
    *,
    clock: Clock,
    listening: Callable[[str], set[int] | None],
) -> Iterator[Finding]:
    """What is found, in the order in which a person would look. ``listening``: the ports of a socket unit, ``None``
    where that cannot be known.
    """
    yield from _configuration(config, config_path)
    yield from _files(config)
    yield from _database(config, clock())
    yield from _https(config, clock())
    yield from _ports(config, listening)


def _ok(what: str) -> Finding:
    return Finding(verdict=Verdict.OK, what=what)


def _wrong(what: str) -> Finding:
    return Finding(verdict=Verdict.WRONG, what=what)


def _note(what: str) -> Finding:
    return Finding(verdict=Verdict.NOTE, what=what)


def _configuration(config: ServerConfig, path: Path | None) -> Iterator[Finding]:
    if config.netloc is None:
        yield _wrong("configuration: netloc is not set")
    else:
        yield _ok(f"configuration: netloc is {config.netloc}")
    if path is None:
        return
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield _note(f"configuration: {path}: not checked: {error.strerror}")
        return
    if mode & _WRITABLE:
        yield _wrong(f"configuration: {path} can be changed by others; run: chmod go-w {path}")
    else:
        yield _ok(f"configuration: {path} can be changed by its owner alone")


def _files(config: ServerConfig) -> Iterator[Finding]:
    database = config.db.absolute()
    if not database.exists():
        return  # said where the database is looked at
    owner = database.stat().st_uid
    folders = [path.absolute().parent for path in (database, config.server_key, config.cors_key_store)]
    if config.backup_directory is not None:
        folders.append(config.backup_directory)
    for folder in dict.fromkeys(folders):
        yield _folder(folder, owner, database)
    # The log and its index hold what the database holds.
    companions = [database.with_name(database.name + suffix) for suffix in COMPANIONS]
    for path in (database, *(one for one in companions if one.exists())):
        yield _private(path, owner)
    for path in (config.server_key, config.cors_key_store):
        yield _private(path, owner)


def _folder(path: Path, owner: int, database: Path) -> Finding:
    try:
        found = path.stat()
    except OSError as error:
        return _wrong(f"files: {path}: {error.strerror}")
    if found.st_mode & _WRITABLE:
        return _wrong(f"files: others can replace files in {path}; run: chmod go-w {path}")
    if found.st_uid != owner:
        return _wrong(f"files: {path} belongs to {_user(found.st_uid)}, {database} to {_user(owner)}")
    return _ok(f"files: {path} belongs to {_user(owner)}")


def _private(path: Path, owner: int) -> Finding:
    try:
        found = path.stat()
    except FileNotFoundError:
        return _note(f"files: {path} is not there yet: the server makes it")
    except OSError as error:
        return _wrong(f"files: {path}: {error.strerror}")
    if found.st_uid != owner:
        return _wrong(f"files: {path} belongs to {_user(found.st_uid)}; run: chown {_user(owner)} {path}")
    if found.st_mode & _OTHERS:
        return _wrong(f"files: {path} is open to others; run: chmod 600 {path}")
    return _ok(f"files: {path} is open to {_user(owner)} alone")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _database(config: ServerConfig, now: datetime) -> Iterator[Finding]:
    try:
        found, newest = schema_versions(config.db)
        if found != newest:
            yield _note(
                f"database: of schema {found}, which the server's next start makes {newest}; not looked into"
            )
            return
        yield _ok(f"database: of schema {found}, which is this release's")
        with Database(config.db, read_only=True) as database:
            yield from _content(database, config, now)
    except CaucaseError as error:
        yield _wrong(f"database: {error}")


def _content(database: Database, config: ServerConfig, now: datetime) -> Iterator[Finding]:
    examination = examine(database)
    for problem in examination.problems:
        yield _wrong(f"database: {problem}")
    if not examination.problems:
        yield _ok(
            "database: whole; keys match certificates, each CA vouches for the next, the record is unbroken"
        )
    with database.read() as transaction:
        netloc = settings.setting(transaction, settings.NETLOC)
        rows = {name: cas.select_all(transaction, name) for name in ContextName}
    if config.netloc is not None and netloc is not None:
        if netloc == str(config.netloc):
            yield _ok(f"database: made for netloc {netloc}")
        else:
            yield _wrong(f"database: made for netloc {netloc}, and the configuration says {config.netloc}")
    for name, of_context in rows.items():
        period = config.user_crt_validity if name is ContextName.CAU else config.service_crt_validity
        lifetimes = [
            Lifetime(not_before=from_seconds(row.not_before), not_after=from_seconds(row.not_after))
            for row in of_context
        ]
        yield _succession(name, lifetimes, period, now)
        valid = [row for row, life in zip(of_context, lifetimes, strict=True) if life.is_valid(now)]
        for row in valid[1:]:
            if row.link is None:
                yield _wrong(f"CA of {name}: {row.key_id.hex()} is not vouched for by the one before it")


def _succession(name: ContextName, lifetimes: list[Lifetime], period: timedelta, now: datetime) -> Finding:
    shown = f"CA of {name}"
    if not lifetimes:
        return _note(f"{shown}: there is none yet: the server makes it")
    roles = rollover.roles(lifetimes, now, period)
    if roles.successor_due is None:
        newest = max(life.not_after for life in lifetimes)
        return _wrong(f"{shown}: the last one expired on {newest:%Y-%m-%d} and has no successor")
    newest_life = max((life for life in lifetimes if life.is_valid(now)), key=lambda life: life.not_before)
    try:
        rollover.check_ca_life(newest_life.not_after - newest_life.not_before, period)
    except CaucaseError as error:
        return _wrong(f"{shown}: {error}")
    if roles.successor_due <= now:
        return _note(f"{shown}: a successor is due since {roles.successor_due:%Y-%m-%d}: the server makes it")
    return _ok(f"{shown}: a successor is made on {roles.successor_due:%Y-%m-%d}")


def _https(config: ServerConfig, now: datetime) -> Iterator[Finding]:
    try:
        content = KeyFile(config.server_key).read()
    except OSError as error:
        yield _wrong(f"HTTPS: {config.server_key}: {error.strerror}")
        return
    if content is None:
        return  # said among the files
    try:
        key, certificates = load_private_key(content), load_certificates(content)
        if not certificates or spki_in(certificates[0]) != spki(key.public_key()):
            yield _wrong(
                f"HTTPS: {config.server_key} does not hold a key with its certificate; the server makes another"
            )
            return
        check_validity(certificates[0], now)
    except CaucaseError as error:
        yield _wrong(f"HTTPS: {config.server_key}: {error.message}")
        return
    yield _ok(f"HTTPS: {config.server_key} holds a key with its certificate")


def _ports(config: ServerConfig, listening: Callable[[str], set[int] | None]) -> Iterator[Finding]:
    if config.netloc is None:
        return
    http = config.netloc.http_port if config.base_port is None else config.base_port
    for unit, port in ((HTTP_UNIT, http), (HTTPS_UNIT, https_port_for(http))):
        ports = listening(unit)
        if ports is None:
            yield _note(f"sockets: {unit} not checked: no systemd, or no such unit")
        elif port in ports:
            yield _ok(f"sockets: {unit} listens on port {port}")
        else:
            others = ", ".join(map(str, sorted(ports))) or "none"
            yield _wrong(
                f"sockets: {unit} listens on port {others}, and netloc or base_port means {port}; "
                f"run: systemctl edit {unit}"
            )
