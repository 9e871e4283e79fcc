"""A certificate authority at work: users who sign, services who ask, and somebody who makes backups of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from caucase.authority import Authority, Policy
from caucase.config.schema import ServerConfig
from caucase.core.keys import PrivateKey
from caucase.core.x509 import load_certificate
from caucase.host.events import Named
from caucase.jobs.backup import BackupFile, back_up
from caucase.jobs.restore import restore
from caucase.store import Database
from tests.authority.world import POLICY, World


class Reports:
    """An audit that remembers."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, dict[str, str | int | None]]] = []

    def __call__(self, event: Named, **fields: str | int | None) -> None:
        self.entries.append((event.value, fields))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.entries]


@dataclass(kw_only=True)
class Office:
    world: World
    authority: Authority
    folder: Path
    reports: Reports = field(default_factory=Reports)
    delivered: list[bytes] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.world.path

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def user(self, name: str, key: PrivateKey) -> x509.Certificate:
        return self.world.issue(self.authority.users, name, key)

    def service(self, name: str) -> x509.Certificate:
        return self.world.issue(self.authority.services, name)

    def back_up(self, keep: int = 30) -> BackupFile | None:
        return back_up(self.path, self.backups, keep=keep, clock=self.world.clock, audit=self.reports)  # type: ignore[arg-type]

    def made(self) -> Path:
        """A backup that is there."""
        made = self.back_up()
        assert made is not None
        return made.path

    def names(self) -> list[str]:
        return sorted(path.name for path in self.backups.iterdir())

    def config(self, path: Path, **options: object) -> ServerConfig:
        return ServerConfig(db=path, key_type=POLICY.key_type, **options)  # type: ignore[arg-type]

    def restore(
        self,
        backup: Path,
        key: PrivateKey,
        new_key: PrivateKey,
        *,
        at: Path | None = None,
        published: Sequence[x509.CertificateRevocationList] = (),
        **options: object,
    ) -> x509.Certificate:
        """Into a new folder; the new certificate of the key's holder."""
        with backup.open("rb") as file:
            restore(
                file,
                key,
                self.world.make_csr("ignored", key=new_key),
                self.config(at or self.restored_path(), **options),
                published=published,
                deliver=self.delivered.append,
                clock=self.world.clock,
                audit=self.reports,  # type: ignore[arg-type]
            )
        return load_certificate(self.delivered[-1])

    def restored_path(self) -> Path:
        folder = self.folder / "restored"
        folder.mkdir(exist_ok=True)
        return folder / "caucase.sqlite"

    def restored(self, policy: Policy = POLICY) -> Authority:
        """The authority over the restored database, as a server starts it."""
        database = Database(self.restored_path(), create=False)
        self.world._open.append(database)
        made = Authority(
            database,
            policy,
            https_file=self.world.https_file,
            clock=self.world.clock,
            audit=self.world.audit,
        )
        made.maintain()
        return made
