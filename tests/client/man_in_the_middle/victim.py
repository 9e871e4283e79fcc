"""Somebody who is attacked: the commands that they run, and the files that they have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from caucase.cli import caucase, probe, updater
from caucase.client import transport
from caucase.core.x509 import fingerprint, load_certificates, load_crls
from tests.server.material import make
from tests.shell.shells import NAMES, Shell, impatient

from .man import fall_silent
from .world import World

IN_SHELLS = tuple(f"caucase.sh, {name}" for name in NAMES)


class Victim:
    """Somebody in a folder of their own, whose network is the man's. ``command``: what is run for ``caucase``."""

    def __init__(
        self,
        world: World,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        shells: Callable[[str], Shell],
    ) -> None:
        self.world = world
        self.folder = folder
        self.said = ""
        self.command = "caucase"
        self._capsys = capsys
        self._shells = shells

    def caucase(self, *arguments: str | Path) -> int:
        if self.command in IN_SHELLS:
            return self._run_in_shell("--ca-url", self.world.man.url, *arguments)
        return self._run(caucase.main, "--ca-url", self.world.man.url, *arguments)

    def probe(self) -> int:
        return self._run(probe.main, self.world.man.url)

    def updater(self, *content: str) -> int:
        """A pass that does not rely on what an earlier one noted. ``content``: lines of the YAML file."""
        lines = (f"ca_url: {self.world.man.url}", f"directory: {self.folder}", *content)
        config = self.folder / "www.yaml"
        config.write_text("\n".join(lines) + "\n")
        return self._run(updater.main, "--config", config)

    def keep(self, command: str) -> int:
        """Bring CA certificates and lists up to date, and nothing else."""
        self.command = command
        return self.updater() if command == "caucase-updater" else self.caucase()

    def send_request(self, name: str) -> tuple[str, Path]:
        """A request that was sent through him; its id, and the file with its key."""
        made = make(name)
        (self.folder / f"{name}.csr.pem").write_bytes(made.csr_pem)
        path = made.bundle(self.folder / f"{name}.pem", b"")
        assert self.caucase("--send-csr", f"{name}.csr.pem") == 0
        return self.said.split()[0], path

    def forget(self) -> None:
        """Make the updater ask, which it does once a day."""
        for path in self.folder.glob(".*.json"):
            path.unlink()

    def files(self) -> dict[str, bytes]:
        """What is kept; not the updater's configuration, lock, and notes."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*.pem")}

    def trusts(self) -> set[bytes]:
        """The fingerprints of the CA certificates here."""
        path = self.folder / "cas.crt.pem"
        return {fingerprint(ca) for ca in load_certificates(path.read_bytes())} if path.exists() else set()

    def lists(self) -> set[bytes]:
        path = self.folder / "cas.crl.pem"
        return {crl.signature for crl in load_crls(path.read_bytes())} if path.exists() else set()

    @property
    def _is_silent(self) -> bool:
        return fall_silent in (self.world.man.to_all, *self.world.man.replies.values())

    def _run_in_shell(self, *arguments: str | Path) -> int:
        shell = self._shells(self.command.split()[-1])
        before = impatient(self.folder.with_name("impatient")) if self._is_silent else None
        done = shell.run(*arguments, cwd=self.folder, before=before)
        self.said = done.out + done.err
        return done.code

    def _run(self, main: Callable[[list[str]], int], *arguments: str | Path) -> int:
        with pytest.MonkeyPatch.context() as patience:
            patience.setattr(transport, "READ_SECONDS", 0.3 if self._is_silent else transport.READ_SECONDS)
            code = main([str(argument) for argument in arguments])
        out, self.said = self._capsys.readouterr()
        self.said += out
        assert "defect" not in self.said
        return code
