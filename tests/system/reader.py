"""Somebody who follows a document word for word: types what it says, puts files where it says, and looks whether what is
seen is what it shows.

What such a reader brings along, and the documents do not say: *yes* when apt asks (``/etc/apt/apt.conf.d``, see
``PREPARED``); a moment of patience before the next command, in which systemd finishes what it has begun; and what words in
capitals stand for: the last number of that kind that was seen (``SEEN``), or
what the test says, like ``URL``.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

from ..docs.markdown import Again, Command, File, Shown, Step, missing, named, read, steps
from .debian import copy_source
from .machine import Machine, wait_for

PREPARED = {"/etc/apt/apt.conf.d/reader": 'APT::Get::Assume-Yes "true";\nAcquire::Retries::Delay "false";\n'}
# What words in capitals stand for: the last of these that a command has shown. DIGITS are those of a serial number. What
# stands behind the type of a key is a part of its identifier, which may have no letter.
_BEHIND_A_KEY = r"(?<!:\d{4} )(?<!:P-\d{3} )(?<!ed25519 )"
SEEN = {
    "ID": _BEHIND_A_KEY + r"\b\d{12,20}\b",
    "SERIAL": r"\b0x[0-9a-f]{30,40}\b",
    "DIGITS": r"\b0x([0-9a-f]{30,40})\b",
}
SECONDS = 600
# What systemd has not finished, and what has failed.
_UNFINISHED = """
{
    systemctl list-jobs --no-legend --plain
    systemctl list-units --no-legend --plain --state=activating,deactivating 'caucase*'
} | grep -v '^No jobs'
echo failed:
systemctl list-units --no-legend --plain --state=failed 'caucase*'
"""
_END = "--- the reader's command has ended with"
_WORD = re.compile(r"\b[A-Z]{2,}\b")


class Reader:
    """``machines``: where the reader can sit, by the names that documents give them; "" if they give none.

    ``words``: what words in capitals stand for. ``skipped``: commands that are not typed, by document. ``verbose``: print what
    is typed, and what is seen.
    """

    def __init__(
        self,
        machines: Mapping[str, Machine],
        words: Mapping[str, str] | None = None,
        *,
        skipped: Container[tuple[str, str]] = (),
        verbose: bool = False,
    ) -> None:
        self.machines = machines
        self.words = dict(words or {})
        self.skipped = skipped
        self.verbose = verbose
        self._terminals: dict[Machine, Terminal] = {}

    def read(self, document: str) -> None:
        """Do all that the document says, from its beginning to its end."""
        self._follow(document, steps(read(document)))

    def perform(self, document: str, name: str) -> None:
        """Do what the document describes by this name."""
        self._follow(document, named(read(document))[name])

    def _follow(self, document: str, all_steps: Sequence[Step]) -> None:
        shown = ""
        for step in all_steps:
            where = f"{document}, line {step.line}"
            if isinstance(step, Again):
                self.words.update(step.words)
                self._follow(document, step.steps)
            elif isinstance(step, Shown):
                line = missing(self._said(step.text), shown)
                assert line is None, f"{where}: not shown: {line}\n{shown}"
            elif isinstance(step, File):
                self._write(self.machines[step.machine], step)
            elif (document, step.text) not in self.skipped:
                output = self._type(self.machines[step.machine], step, where)
                shown = shown + output if step.follows else output

    def _said(self, text: str) -> str:
        return _WORD.sub(lambda word: self.words.get(word[0], word[0]), text)

    def _write(self, machine: Machine, file: File) -> None:
        path = re.sub("^~", "/root", self._said(file.path))
        before = machine.run(f"cat {path}") + "\n" if file.appended else ""
        machine.write(path, before + self._said(file.text))

    def _type(self, machine: Machine, command: Command, where: str) -> str:
        settle(machine)
        if machine not in self._terminals:
            self._terminals[machine] = Terminal(machine)
        text = self._said(command.text)
        status, output = self._terminals[machine].type(text)
        if status and text.startswith("systemctl ") and settle(machine):
            status, output = self._terminals[machine].type(text)
        if self.verbose:
            print(f"{where} ({machine.name}): {text}\n{output}", flush=True)
        assert (status != 0) == command.fails, f"{where}: {text}\nends with {status}:\n{output[-8000:]}"
        for name, pattern in SEEN.items():
            if found := re.findall(pattern, output):
                self.words[name] = found[-1]
        return output


class Terminal:
    """A shell of root's on a machine, which keeps its folder and variables from one command to the next."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._shell = machine.shell()
        self.type("cd")

    def type(self, command: str) -> tuple[int, str]:
        """Exit status and output, standard error included."""
        assert self._shell.stdin
        assert self._shell.stdout
        # As it is, so that it may be of several lines; and nobody answers a question.
        self._shell.stdin.write(f'{{ {command}\n}} </dev/null\necho "{_END}" $?\n'.encode())
        self._shell.stdin.flush()
        output = b""
        deadline = time.monotonic() + SECONDS
        while not (end := re.search(rb"%b (\d+)\n\Z" % _END.encode(), output)):
            ready, _, _ = select.select([self._shell.stdout], [], [], max(0, deadline - time.monotonic()))
            text = output.decode(errors="replace")
            assert ready, f"{self._machine.name}: {command}\nhas not ended after {SECONDS} seconds:\n{text}"
            more = os.read(self._shell.stdout.fileno(), 65536)
            assert more, f"{self._machine.name}: {command}\nhas ended the shell:\n{text}"
            output += more
        return int(end[1]), output[: end.start()].decode(errors="replace")


def prepare(machine: Machine) -> None:
    """What a reader brings along."""
    for path, text in PREPARED.items():
        machine.write(path, text)


def settle(machine: Machine) -> bool:
    """Wait until systemd has done what it was asked to, deployments that follow a renewal included.

    systemd 257 now and then starts a service into a control group that it is just removing (see ``Machine.start``): it is
    started again. Whether that was so.
    """
    again: list[str] = []

    def is_quiet() -> bool:
        done = machine.attempt(_UNFINISHED)
        assert done.returncode == 0, done.stdout
        waiting, _, failed = done.stdout.partition("failed:\n")
        if waiting.strip():
            return False
        for line in failed.splitlines():
            if machine.show(line.split()[0], "Result") == "resources":
                again.append(line.split()[0])
                machine.start(again[-1])
        return True

    wait_for(is_quiet, "systemd")
    return bool(again)


def repository(of: Machine, path: str, folder: Path) -> None:
    """Put a repository with what is in this working copy on a machine; ``folder``: an empty one to make it in."""
    copy_source(folder)
    author = ("-c", "user.name=caucase", "-c", "user.email=caucase@localhost")
    for command in (
        ("init", "--quiet"),
        ("add", "--all"),
        (*author, "commit", "--quiet", "--message=As it is"),
        ("clone", "--quiet", "--bare", ".", of.root / path.lstrip("/")),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
