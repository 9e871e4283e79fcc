"""Somebody who works with the commands of one implementation, against a server of the same or the other.

Must never do behind the commands' back what a scenario is about: only what has to be there before it begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .material import Request, make_request
from .programs import Programs, Result
from .servers import Server
from .wire import become_user, issue


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Somebody at work: a folder, a server to talk to, and the commands to do it with."""

    folder: Path
    server: Server
    programs: Programs

    def caucase(self, *arguments: str) -> Result:
        """Run ``caucase`` against the server, from the folder."""
        return self.programs.run("caucase", "--ca-url", self.server.url, *arguments, cwd=self.folder)

    def command(self, program: str, *arguments: str) -> Result:
        return self.programs.run(program, *arguments, cwd=self.folder)

    def request(self, name: str, *extensions: str) -> Request:
        """A new key and request in the folder."""
        return make_request(self.folder, name, extensions=extensions)

    def user(self, name: str) -> str:
        """A new user of the shared server, behind the commands' back; the file with key and certificate."""
        made = self.request(name)
        return self._bundle(name, made, become_user(self.server, made.csr_pem))

    def service(self, name: str, user: str, *extensions: str) -> str:
        """A new service with a signed certificate, made likewise; the file with key and certificate."""
        made = self.request(name, *extensions)
        return self._bundle(name, made, issue(self.server, made.csr_pem, self.folder / user))

    def _bundle(self, name: str, made: Request, crt_pem: bytes) -> str:
        bundle = f"{name}.pem"
        path = self.folder / bundle
        path.touch(mode=0o600)
        path.write_bytes(made.key_path.read_bytes() + crt_pem)
        return bundle

    def split(self, bundle: str) -> tuple[str, str]:
        """The certificate and the key of a bundle as two files of their own."""
        crt, key = f"only.{bundle}.crt", f"only.{bundle}.key"
        text = (self.folder / bundle).read_text()
        cut = text.index("-----BEGIN CERTIFICATE-----")
        (self.folder / key).write_text(text[:cut])
        (self.folder / crt).write_text(text[cut:])
        return crt, key
