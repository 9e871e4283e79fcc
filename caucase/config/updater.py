"""What ``caucase-updater --config`` is told about one certificate. Nothing is read here."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from caucase.core.keys import KeyType
from caucase.core.profile import Asked


class Part(enum.StrEnum):
    """What an installed file can be made of; the words of ``content`` in YAML, joined by ``+``."""

    KEY = "key"
    CERTIFICATE = "certificate"
    CA = "ca"
    CRL = "crl"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A file that deployment keeps: PEM texts, one after the other. ``owner`` and ``group``: names, or ``None``
    for those that an existing file has.
    """

    path: Path
    content: tuple[Part, ...]
    owner: str | None
    group: str | None
    mode: int


@dataclass(frozen=True, kw_only=True)
class UpdaterConfig:
    """One certificate and what belongs to it.

    ``name``: of the instance, the YAML file's without its ending. ``mode``: ``service`` or ``user``. ``asked``: what
    the certificate shall say, if key and request are made here; ``csr``: else a request that exists, whose key is
    in ``key``; with neither only CA certificates and lists are kept. ``cas_ca``, ``ca``, ``crl``: files or folders.
    ``crt`` may be the same file as ``key``. ``key_type`` is ``None`` for that of the key before it.
    """

    name: str
    ca_url: str
    mode: str
    directory: Path
    cas_ca: Path
    ca: Path
    crl: Path
    csr: Path | None
    asked: Asked | None
    key: Path | None
    crt: Path | None
    key_type: KeyType | None
    threshold: timedelta
    crl_threshold: timedelta
    install: tuple[Installed, ...]
    reload: tuple[str, ...]
    restart: tuple[str, ...]
    start: tuple[str, ...]
