"""Each shell in turn, a simulated server, and somebody who works with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.client.simulator import Simulator, running

from .material import make_request
from .shells import NAMES, Result, Shell


@pytest.fixture(params=NAMES)
def sh(request: pytest.FixtureRequest, shells: Callable[[str], Shell]) -> Shell:
    return shells(request.param)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Simulator]:
    with running(tmp_path / "server") as simulator:
        yield simulator


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Somebody with a shell, in a folder, whose server this is."""

    sh: Shell
    server: Simulator
    folder: Path

    def run(self, *arguments: str | Path, before: Path | None = None) -> Result:
        return self.sh.run("--ca-url", self.server.url, *arguments, cwd=self.folder, before=before)

    def pair(self, key: str = "ec:P-256", name: str = "www") -> Path:
        """A file with a key and a certificate that the server has just issued."""
        made = make_request(key, name)
        path = self.folder / f"{name}.pem"
        path.touch(mode=0o600)
        path.write_bytes(made.key_pem + self.server.cas.sign(made.csr, made.csr_pem))
        return path

    def files(self) -> dict[str, bytes]:
        """All that is here, also what is hidden."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def desk(sh: Shell, server: Simulator, tmp_path: Path) -> Desk:
    folder = tmp_path / "work"
    folder.mkdir()
    return Desk(sh=sh, server=server, folder=folder)
