"""A machine on which something was renewed and is to be deployed: its state directory, a folder to install to, and a
``systemctl`` that keeps a record instead of having units (tests/system has a real systemd).
"""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from caucase.client.deploy import Outcome, deploy
from caucase.client.pending import Pending
from caucase.config.load_updater import load_updater_config
from caucase.config.updater import Installed, Part, UpdaterConfig
from caucase.core.crl import build_crl
from caucase.core.issue import Validity, issue, random_serial
from caucase.core.keys import PrivateKey
from caucase.core.pem import CRL, to_pem
from caucase.core.profile import Asked, leaf_extensions
from caucase.core.spki import key_id
from caucase.core.x509 import dump_pem, dump_private_key
from tests.client.simulator import new_ca, new_key

OTHER = 65534  # nobody's user and group, on every Debian


class Machine:
    """``renew`` is what the updater does; ``deploy`` is the real thing."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.etc = folder / "etc"
        self.state.mkdir()
        self.etc.mkdir()
        self.said: list[str] = []
        self._record = folder / "record"
        self._broken = folder / "broken"
        self.systemctl = folder / "systemctl"
        self.systemctl.write_text(
            "#!/bin/sh\n"
            f'echo "$@" >>{self._record}\n'
            'for unit; do :; done\n'
            f'if grep -qx "$unit" {self._broken} 2>/dev/null; then echo "Job for $unit failed." >&2; exit 1; fi\n'
        )  # fmt: skip
        self.systemctl.chmod(0o755)
        self.ca = new_ca("CAS")
        self.number = 0
        self.texts: dict[Part, bytes] = {}

    @property
    def pending(self) -> Pending:
        return Pending(folder=self.state)

    def config(self, *install: Installed, content: str = "", **changes: object) -> UpdaterConfig:
        """``content``: of the YAML file, besides URL and names; ``changes``: fields that are replaced."""
        file = self.state.parent / "www.yaml"
        file.write_text(f"ca_url: http://ca.example.com\nnames: www.example.com\n{content}")
        config = load_updater_config(file, directory=self.state)
        return replace(config, install=install or config.install, **changes)  # type: ignore[arg-type]

    def file(
        self,
        name: str,
        content: str,
        *,
        mode: int = 0o600,
        owner: str | None = None,
        group: str | None = None,
    ) -> Installed:
        parts = tuple(map(Part, content.split("+")))
        return Installed(path=self.etc / name, content=parts, owner=owner, group=group, mode=mode)

    def renew(self, *, mark: bool = True) -> None:
        """New key, certificate, and list in the state directory."""
        self.number += 1
        key, now = new_key(), datetime.now(UTC)
        crl = build_crl(
            self.ca, b"", number=self.number, this_update=now, next_update=now + timedelta(days=30)
        )
        self.texts = {
            Part.KEY: dump_private_key(key),
            Part.CERTIFICATE: dump_pem(self.certificate(key)),
            Part.CA: dump_pem(self.ca.certificate),
            Part.CRL: to_pem(crl, CRL),
        }
        if mark:
            self.pending.mark()
        (self.state / "pair.pem").write_bytes(self.texts[Part.KEY] + self.texts[Part.CERTIFICATE])
        (self.state / "pair.pem").chmod(0o600)
        (self.state / "cas.crt.pem").write_bytes(self.texts[Part.CA])
        (self.state / "cas.crl.pem").write_bytes(self.texts[Part.CRL])

    def certificate(self, key: PrivateKey) -> x509.Certificate:
        """A certificate for ``key``."""
        public = key.public_key()
        asked = Asked(
            subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")]),
            extensions=x509.Extensions([]),
        )
        return issue(
            self.ca,
            key=public,
            subject=asked.subject,
            extensions=leaf_extensions(
                asked,
                key_id=key_id(public),
                issuer=key_id(self.ca.key.public_key()),
                crl_url=None,
                auto_signed=False,
            ),
            validity=Validity.starting(datetime.now(UTC), timedelta(days=93)),
            serial=random_serial(),
        )

    def deploy(self, config: UpdaterConfig) -> Outcome:
        self.said = []
        return deploy(config, systemctl=self.systemctl, say=self.said.append)

    def called(self) -> list[str]:
        """What systemctl was asked to do since the last time."""
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        self._record.unlink(missing_ok=True)
        return [line.removeprefix("--no-ask-password --no-pager ") for line in lines]

    def broken(self, *units: str) -> None:
        """From now on these units fail."""
        self._broken.write_text("".join(f"{unit}\n" for unit in units))

    def text(self, installed: Installed) -> bytes:
        """What an installed file shall hold."""
        return b"".join(self.texts[part] for part in installed.content)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
