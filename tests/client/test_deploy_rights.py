"""Deployment as its unit runs it: root with three capabilities, and without any one of them it says what it may not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.machine import OTHER, Machine, mode_of

ROOT = Path(__file__).parents[2]
GROUP = 33  # www-data, on every Debian
PROGRAM = """
import sys
from pathlib import Path
from caucase.client.deploy import deploy, load_for_root
deploy(load_for_root(Path(sys.argv[1]), directory=Path(sys.argv[2])), systemctl=Path(sys.argv[3]))
"""
NEEDED = {"chown", "dac_override", "fowner"}

pytestmark = pytest.mark.root("give capabilities up")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """The state directory is the updater's alone, the folder to install to a service's alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        machine = Machine(folder)
        machine.renew()
        for path in (machine.state, *machine.state.rglob("*")):
            os.chown(path, OTHER, OTHER)
        os.chown(machine.etc, GROUP, GROUP)
        for path in (machine.state, machine.etc):
            path.chmod(0o700)
        machine.config(
            content=f"install: {{path: {machine.etc}/tls.pem, content: key+certificate, mode: 0640, owner: nobody, "
            "group: www-data}\nreload: nginx.service\n"
        )
        yield machine


def deploy(machine: Machine, capabilities: set[str]) -> subprocess.CompletedProcess[str]:
    kept = ",".join(["-all", *(f"+{name}" for name in sorted(capabilities))])
    return subprocess.run(
        ["setpriv", "--no-new-privs", "--inh-caps", "-all", "--bounding-set", kept, sys.executable, "-c", PROGRAM,
         machine.state.parent / "www.yaml", machine.state, machine.systemctl],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_three_capabilities_are_enough(machine: Machine) -> None:
    done = deploy(machine, NEEDED)
    assert (done.returncode, done.stderr) == (0, "")
    status = (machine.etc / "tls.pem").stat()
    assert (status.st_uid, status.st_gid, mode_of(machine.etc / "tls.pem")) == (OTHER, GROUP, 0o640)
    assert not machine.pending.path.exists()
    assert machine.called()


@pytest.mark.parametrize("missing", sorted(NEEDED))
def test_each_is_needed(machine: Machine, missing: str) -> None:
    done = deploy(machine, NEEDED - {missing})
    assert "PermissionError" in done.stderr
    assert str(machine.state.parent) in done.stderr.splitlines()[-1]  # which file
    assert list(machine.etc.iterdir()) == []
    assert machine.pending.tokens()
