"""Runs deployments that kill themselves at their n-th call that changes anything: one for each number on standard
input; the answer is ``killed`` or ``done``. Its argument is the configuration file, then the state directory and
systemctl.

A program of its own, because it forks, which a process with threads must not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from caucase.client.deploy import deploy, load_for_root

CHANGES = ("fchmod", "fchown", "fsync", "mkdir", "rename", "rmdir", "unlink", "write")


def deploy_and_die(config: Path, state: Path, systemctl: Path, at: int) -> None:
    left = at

    def dies(change: Callable[..., Any], *, halfway: bool = False) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                if halfway:
                    descriptor, data = arguments
                    change(descriptor, data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*arguments, **more)

        return call

    real_open, opened = os.open, dies(os.open)

    def open_or_die(path: Any, flags: int, *arguments: Any, **more: Any) -> int:
        return int((opened if flags & os.O_CREAT else real_open)(path, flags, *arguments, **more))

    loaded = load_for_root(config, directory=state)
    os.open = open_or_die
    for name in CHANGES:
        setattr(os, name, dies(getattr(os, name), halfway=name == "write"))
    subprocess.run = dies(subprocess.run)
    deploy(loaded, systemctl=systemctl)


def main() -> None:
    config, state, systemctl = map(Path, sys.argv[1:])
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                deploy_and_die(config, state, systemctl, int(line))
            except BaseException as error:  # noqa: BLE001 - told to the test
                os.write(2, repr(error).encode())
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print({0: "done", -signal.SIGKILL: "killed"}.get(status, f"status {status}"), flush=True)


if __name__ == "__main__":
    main()
