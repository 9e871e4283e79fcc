"""The secrets that sign consent cookies, in a file of their own that several processes may share.

Nobody else can read the file. It is made, and added to, when something has to be signed, and not before.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from caucase.clock import Clock
from caucase.errors import StoreError
from caucase.host.files import read_limited, write_atomic

LIFE = timedelta(days=365)

_SECRET_BYTES = 32
_FILE_LIMIT = 64 * 1024
_MODE = 0o600
# What the peer keeps under the same name. It is of no use to anybody, so it may be replaced.
_PEERS = b"SQLite format 3\0"

_Identity: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class _Secret:
    made: datetime
    value: bytes = field(repr=False)


class ConsentKeys:
    """Thread-safe."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._read: tuple[_Identity | None, list[_Secret]] = (None, [])

    def valid(self) -> list[bytes]:
        """The secrets that a cookie may be signed with, oldest first; perhaps none. StoreError."""
        return [secret.value for secret in self._current()]

    def signing(self) -> list[bytes]:
        """Likewise, and the last one is to sign with: there is one, and it is not past half of its life."""
        if not self._has_fresh(self._current()):
            with _errors(self._path), _locked(self._path.parent):
                if not self._has_fresh(known := self._current()):
                    added = _Secret(made=self._clock(), value=secrets.token_bytes(_SECRET_BYTES))
                    write_atomic(self._path, _dump([*known, added]), mode=_MODE)
        return self.valid()

    def _has_fresh(self, known: list[_Secret]) -> bool:
        return bool(known) and self._clock() < known[-1].made + LIFE / 2

    def _current(self) -> list[_Secret]:
        """What is in the file and not too old, oldest first."""
        with _errors(self._path):
            identity = _identity(self._path)
            if identity != self._read[0]:
                data = read_limited(self._path, _FILE_LIMIT) if identity else b""
                self._read = identity, _load(data)
        oldest = self._clock() - LIFE
        return [secret for secret in self._read[1] if secret.made > oldest]


def _identity(path: Path) -> _Identity | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _dump(known: list[_Secret]) -> bytes:
    entries = [{"made": int(secret.made.timestamp()), "secret": secret.value.hex()} for secret in known]
    return json.dumps(entries, indent=1).encode("ascii") + b"\n"


def _load(data: bytes) -> list[_Secret]:
    if not data or data.startswith(_PEERS):
        return []
    entries = json.loads(data)
    loaded = [
        _Secret(made=datetime.fromtimestamp(entry["made"], UTC), value=bytes.fromhex(entry["secret"]))
        for entry in entries
    ]
    return sorted(loaded, key=lambda secret: secret.made)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time. The folder is locked, because the file is replaced and not rewritten."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"The consent keys {path} cannot be used: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError) as error:
        hint = "Give another file as cors_key_store."
        raise StoreError(f"{path} does not hold consent keys.", hint) from error
