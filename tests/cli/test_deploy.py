"""``caucase-updater --config FILE --deploy``: the command itself, with the real systemctl and a unit that no machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from caucase.errors import EX_CONFIG, EX_HOOK_FAILED
from tests.client.machine import Machine, mode_of

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from caucase.cli.updater import main; sys.exit(main(sys.argv[1:]))"


def deploy(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "--config", str(file), "--deploy"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.renew()
    return machine


def yaml(machine: Machine, more: str = "") -> Path:
    file = machine.state.parent / "www.yaml"
    file.write_text(
        f"ca_url: http://ca.example.com\nnames: www.example.com\ndirectory: {machine.state}\n"
        f"install: {{path: {machine.etc}/tls.pem, content: key+certificate}}\n{more}"
    )
    return file


def test_it_installs_says_so_and_is_silent_when_there_is_nothing_to_do(machine: Machine) -> None:
    file, installed = yaml(machine), machine.etc / "tls.pem"
    done = deploy(file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{installed} was installed.\n"
    assert mode_of(installed) == 0o600
    done = deploy(file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_unit_that_cannot_be_reloaded_fails_again_and_again(machine: Machine) -> None:
    file = yaml(machine, "reload: caucase-no-such-unit.service\n")
    for _ in range(2):
        done = deploy(file)
        assert done.returncode == EX_HOOK_FAILED
        assert "caucase-no-such-unit.service could not be reloaded: " in done.stderr
        assert done.stderr.endswith(". It will be tried again.\n")
        assert "Traceback" not in done.stderr
    yaml(machine, "")
    assert deploy(file).returncode == 0
    assert not machine.pending.path.exists()


def test_mistakes(machine: Machine) -> None:
    file = yaml(machine, "relaod: nginx.service\n")
    done = deploy(file)
    assert done.returncode == EX_CONFIG
    assert f"{file}:5: 'relaod': there is no such key; did you mean reload?" in done.stderr
    yaml(machine).chmod(0o666)
    done = deploy(file)
    assert done.returncode == EX_CONFIG
    assert "can be written by others" in done.stderr
    assert list(machine.etc.iterdir()) == []
