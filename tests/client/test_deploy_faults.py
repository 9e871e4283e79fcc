"""Deployment that is killed at any call that changes something, or meets a full disk: whoever reads a file sees the
old one or the new one, whole, with its owner and mode, and the next deployment completes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.config.updater import UpdaterConfig
from tests.client import killed_deploy
from tests.client.machine import OTHER, Machine
from tests.client.simulator import new_ca

ROOT = Path(__file__).parents[2]
GROUP = 33  # www-data, on every Debian

pytestmark = pytest.mark.root("give files away and mount")

State = tuple[bytes, int, int, int]


def state_of(path: Path) -> State:
    status = path.stat()
    return path.read_bytes(), status.st_uid, status.st_gid, status.st_mode & 0o7777


def wanted(machine: Machine, config: UpdaterConfig) -> dict[Path, State]:
    """Each installed file in the order of its replacement, as it shall be now."""
    ids = {None: 0, "nobody": OTHER, "www-data": GROUP}
    return {
        entry.path: (machine.text(entry), ids[entry.owner], ids[entry.group], entry.mode)
        for entry in config.install
    }


def configured(machine: Machine) -> UpdaterConfig:
    files = [("ca.pem", "ca", "0644"), ("crl.pem", "crl", "0644"), ("tls.pem", "key+certificate", "0640")]
    entries = "".join(
        f"  - {{path: {machine.etc / name}, content: {content}, mode: {mode}, owner: nobody, group: www-data}}\n"
        for name, content, mode in files
    )
    return machine.config(content=f"install:\n{entries}reload: nginx.service\n")


class Killer:
    """A process that deploys and is killed, each time at another call."""

    def __init__(self, machine: Machine) -> None:
        self._process = subprocess.Popen(
            [sys.executable, killed_deploy.__file__, str(machine.state.parent / "www.yaml"), str(machine.state),
             str(machine.systemctl)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def deploy(self, at: int) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(at, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.communicate(timeout=60)


@contextlib.contextmanager
def killer(machine: Machine) -> Iterator[Killer]:
    process = Killer(machine)
    try:
        yield process
    finally:
        process.close()


def put_back(machine: Machine, states: dict[Path, State], *, mark: bool) -> None:
    for path in machine.etc.iterdir():
        path.unlink()
    for path, (content, uid, gid, mode) in states.items():
        path.write_bytes(content)
        os.chown(path, uid, gid)
        path.chmod(mode)
    shutil.rmtree(machine.pending.path, ignore_errors=True)
    if mark:
        machine.pending.mark()


def check_temporary(path: Path, states: dict[Path, State]) -> None:
    """What is left beside the files has content only once nobody can read it who may not."""
    name = path.name.removeprefix(".").partition(".caucase-")[0]
    content, *rights = state_of(path)
    if content:
        assert tuple(rights) == states[path.with_name(name)][1:]


@pytest.mark.parametrize("mark", [True, False], ids=["pending", "differs"])
def test_killed_anywhere_the_next_deployment_completes(tmp_path: Path, mark: bool) -> None:
    machine = Machine(tmp_path)
    config = configured(machine)
    machine.renew()
    old = wanted(machine, config)
    machine.ca = new_ca("CAS")
    machine.renew()
    new = wanted(machine, config)
    assert all(old[path] != new[path] for path in new)
    replaced = set()
    with killer(machine) as process:
        for at in range(1, 200):
            put_back(machine, old, mark=mark)
            machine.called()
            how = process.deploy(at)
            seen = {path: state_of(path) for path in new}
            are_new = [seen[path] == new[path] for path in new]
            assert all(seen[path] in (old[path], new[path]) for path in new), at
            assert are_new == sorted(are_new, reverse=True), at  # in order
            replaced.add(sum(are_new))
            for path in machine.etc.iterdir():
                if path not in new:
                    check_temporary(path, new)
            if how == "done":
                break
            assert how == "killed"
            # Whoever starts deployments finds a note as soon as something is installed, until units were told.
            calls = machine.called()
            assert machine.pending.tokens() or not any(are_new) or calls
            machine.deploy(config)
            assert calls + machine.called(), at
            assert {path: state_of(path) for path in machine.etc.iterdir()} == new, at
            assert not machine.pending.path.exists()
    assert how == "done"
    assert at > 25  # so many calls there are at least
    assert replaced == {0, 1, 2, 3}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Machine]:
    """A machine whose folder to install to is a file system of six pages, three of them taken."""
    machine = Machine(tmp_path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k,mode=755", "tmpfs", machine.etc], check=True)
    yield machine
    subprocess.run(["umount", machine.etc], check=True)


def test_a_full_disk_leaves_everything_as_it_was(small_disk: Machine) -> None:
    machine = small_disk
    config = configured(machine)
    machine.renew()
    machine.deploy(config)
    old = wanted(machine, config)
    (machine.etc / "other").write_bytes(b"x" * 4096)  # so that one new file of three is too much
    machine.ca = new_ca("CAS")
    machine.renew()
    machine.called()
    for _ in range(2):
        with pytest.raises(OSError, match=r"No space left on device: .*/tls\.pem") as caught:
            machine.deploy(config)
        assert caught.value.errno == errno.ENOSPC
        assert {path: state_of(path) for path in machine.etc.iterdir() if path.name != "other"} == old
        assert machine.called() == []
        assert machine.pending.tokens()
    (machine.etc / "other").unlink()
    machine.deploy(config)
    assert {path: state_of(path) for path in machine.etc.iterdir()} == wanted(machine, config)
    assert machine.called()
    assert not machine.pending.path.exists()
