"""Puts the parts together: from a configuration to an authority over its database. Decides nothing itself.

The server, the jobs and the commands on the server all start here, so that they see the same authority.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

from caucase import clock
from caucase.authority import (
    AuditSink,
    Authority,
    ContextPolicy,
    Policy,
    Status,
    inspect,
    netloc_of,
)
from caucase.config.schema import ServerConfig
from caucase.errors import ConfigError, NotConfigured
from caucase.host.files import read_limited, write_atomic
from caucase.host.secrecy import check_folder, check_secret
from caucase.store import Database

_ONLY_OWNER = stat.S_IRUSR | stat.S_IWUSR
# A key and a few certificates.
_CREDENTIAL_LIMIT = 1 << 20


class KeyFile:
    """Key and certificate of the HTTPS server as one file that nobody else can read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """The content, ``None`` if there is no file. OSError."""
        try:
            return read_limited(self._path, _CREDENTIAL_LIMIT)
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> None:
        """Replace the content as one. OSError."""
        write_atomic(self._path, content, mode=_ONLY_OWNER)


def policy_of(config: ServerConfig) -> Policy:
    """What the authority is to do; NotConfigured before anybody has said where it is."""
    if config.netloc is None:
        raise NotConfigured(
            "This certificate authority is not configured: netloc is not set.",
            "Give the address at which others reach it, as in 'netloc: ca.example.com:8009'.",
        )
    return Policy(
        netloc=config.netloc,
        key_type=config.key_type,
        threshold=config.threshold,
        record_retention=config.record_retention,
        lock_auto_approve_count=config.lock_auto_approve_count,
        users=ContextPolicy(
            validity=config.user_crt_validity,
            max_pending=config.user_max_csr,
            max_pending_per_address=config.limit_pending_per_address,
            auto_approve_count=config.user_auto_approve_count,
        ),
        services=ContextPolicy(
            validity=config.service_crt_validity,
            max_pending=config.service_max_csr,
            max_pending_per_address=config.limit_pending_per_address,
            auto_approve_count=config.service_auto_approve_count,
        ),
    )


def look(config: ServerConfig) -> Status:
    """What there is, read beside a running server; nothing is made or changed, in the database or elsewhere.

    The netloc need not be given again. ConfigError, StoreError; OSError for the key file.
    """
    with Database(config.db, read_only=True) as database:
        if config.netloc is None:
            config = replace(config, netloc=netloc_of(database))
        return inspect(database, policy_of(config), https_file=KeyFile(config.server_key), clock=clock.now)


class Appliance:
    """An authority over its database, for as long as the context lasts. ``configure`` may be called again."""

    def __init__(self, audit: AuditSink) -> None:
        self._audit = audit
        self._database: Database | None = None

    def __enter__(self) -> Appliance:
        return self

    def __exit__(self, *_: object) -> None:
        if self._database is not None:
            self._database.close()

    def configure(self, config: ServerConfig) -> Authority:
        """The authority of that configuration, with everything made that it needs.

        NotConfigured, ConfigError, Exposed, StoreError; OSError for the key file. An authority from before
        goes on working.
        """
        authority = self.open(config)
        authority.maintain()
        return authority

    def open(self, config: ServerConfig) -> Authority:
        """The authority of that configuration as it is, with nothing made yet. Raises like ``configure``."""
        policy = policy_of(config)
        _check_secrecy(config)
        if self._database is None:
            self._database = Database(config.db)
        elif self._database.path != config.db:
            raise ConfigError("db cannot change while the server runs.", "Restart it.")
        return Authority(
            self._database,
            policy,
            https_file=KeyFile(config.server_key),
            clock=clock.now,
            audit=self._audit,
        )


def _check_secrecy(config: ServerConfig) -> None:
    """Exposed if others can get at what the server keeps; the database itself is looked at where it is opened."""
    secrets = (config.server_key, config.cors_key_store)
    for path in secrets:
        check_secret(path)
    folders = {path.absolute().parent for path in (config.db, *secrets)}
    for folder in sorted(folders | ({config.backup_directory} if config.backup_directory else set())):
        check_folder(folder)
