"""Root deploys while somebody else, a real one, exchanges files and folders of his own for symbolic links as fast as he
can. Each deployment may fail; none may be led astray.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.config.updater import Part
from caucase.errors import CaucaseError
from tests.client.machine import OTHER, Machine

TIMES = 200
MOST = 20_000  # on a busy machine one of the two may not get its turn for long

# Exchanges argv[1] for a symbolic link to argv[2], and back.
EXCHANGE = """
import os, sys
path, target = sys.argv[1:]
print(flush=True)
while True:
    os.rename(path, path + ".real")
    os.symlink(target, path)
    os.unlink(path)
    os.rename(path + ".real", path)
"""

pytestmark = pytest.mark.root("become somebody else")


@pytest.fixture
def machine() -> Iterator[Machine]:
    # pytest's own folders let nobody but root through.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        machine = Machine(folder)
        machine.renew()
        yield machine


@contextlib.contextmanager
def exchanging(path: Path, target: Path) -> Iterator[None]:
    """Somebody else at work."""
    process = subprocess.Popen(
        [sys._base_executable, "-I", "-c", EXCHANGE, str(path), str(target)],  # type: ignore[attr-defined]
        user=OTHER, group=OTHER, extra_groups=[], cwd="/", stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield
        assert process.poll() is None  # at work all the time
    finally:
        process.kill()
        process.communicate()


def deploy_often(machine: Machine, content: str) -> set[bytes]:
    """What was installed; both happened: that it succeeded and that it was hindered."""
    entry = machine.file("folder/tls.pem", content, owner="nobody", group="nogroup")
    config = machine.config(entry)
    outcomes: Counter[str] = Counter()
    seen = set()
    while outcomes.total() < MOST and (outcomes.total() < TIMES or len(outcomes) < 2 or not outcomes["good"]):
        try:
            outcomes["waiting" if machine.deploy(config).waiting else "good"] += 1
        except (OSError, CaucaseError) as error:
            outcomes[type(error).__name__] += 1
        with contextlib.suppress(OSError):
            seen.add(entry.path.read_bytes())
            entry.path.unlink()
    assert outcomes["good"], outcomes
    assert len(outcomes) > 1, outcomes
    return seen


def test_a_folder_to_install_to(machine: Machine) -> None:
    folder, protected = machine.etc / "folder", machine.state.parent / "protected"
    for path in (folder, protected):
        path.mkdir()
    for path in (machine.etc, folder):
        os.chown(path, OTHER, OTHER)
    with exchanging(folder, protected):
        seen = deploy_often(machine, "key+certificate")
    assert list(protected.iterdir()) == []
    # The reader here may always have come when the folder was away.
    assert seen <= {machine.texts[Part.KEY] + machine.texts[Part.CERTIFICATE]}


def test_a_file_to_be_read(machine: Machine) -> None:
    (machine.etc / "folder").mkdir()
    secret = machine.state.parent / "secret"
    good = (machine.state / "cas.crt.pem").read_bytes()
    secret.write_bytes(good + good)  # it could be installed, if it were read
    secret.chmod(0o600)
    for path in (machine.state, machine.state / "cas.crt.pem"):
        os.chown(path, OTHER, OTHER)
    with exchanging(machine.state / "cas.crt.pem", secret):
        assert deploy_often(machine, "ca") == {good}
