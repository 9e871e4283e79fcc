"""Mistakes on the command line of every command: one sentence on standard error, the exit code of the protocol, no traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .desk import environment

MODULES = {
    "caucase": "caucase",
    "caucase-probe": "probe",
    "caucase-rerequest": "rerequest",
    "caucase-key-id": "key_id",
    "caucased": "caucased",
    "caucased-manage": "manage",
}
NOBODY = "http://127.0.0.1:1"  # tcpmux: nothing answers there


def run(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; from caucase.cli.{MODULES[command]} import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("command", MODULES)
def test_help_and_version(tmp_path: Path, command: str) -> None:
    assert run(tmp_path, command, "--help").stdout.startswith(f"usage: {command} ")
    version = run(tmp_path, command, "--version")
    assert version.returncode == 0
    assert version.stdout.strip()


@pytest.mark.parametrize(
    ("command", "arguments", "status", "said"),
    [
        ("caucase", [], 1, "--ca-url"),
        ("caucase", ["--ca-url", "ftp://x"], 1, "http://"),
        ("caucase", ["--ca-url", "ca.example.com:8009"], 1, "it does not start with http://"),
        ("caucase", ["--ca-url", NOBODY, "--nonsense"], 1, "--nonsense"),
        ("caucase", ["--ca-url", NOBODY, "--list-csr"], 1, "--user-key"),
        (
            "caucase",
            ["--ca-url", NOBODY, "--user-key", "u", "--sign-csr", "1", "--reject-csr", "1"],
            1,
            "1 is given",
        ),
        ("caucase", ["--ca-url", NOBODY, "--key-len", "512"], 1, "2048"),
        ("caucase", ["--ca-url", NOBODY, "--threshold", "soon"], 1, "--threshold"),
        ("caucase", ["--ca-url", NOBODY, "--user-key", "u", "--revoke-serial", "-5"], 1, "--revoke-serial"),
        ("caucase", ["--ca-url", NOBODY, "--user-key", "u", "--revoke-serial", "1f"], 1, "after 0x"),
        ("caucase", ["--ca-url", NOBODY, "--user-key", "u", "--revoke-serial", "0x0"], 1, "too large"),
        (
            "caucase",
            ["--ca-url", NOBODY, "--user-key", "u", "--revoke-serial", "0x" + "f" * 40],
            1,
            "too large",
        ),
        ("caucase", ["--ca-url", NOBODY], 1, "No answer from http://127.0.0.1:1"),
        ("caucase-probe", [], 1, "URL"),
        ("caucase-probe", [NOBODY], 1, "No answer"),
        ("caucase-rerequest", ["--template", "gone", "--csr", "a", "--key", "b"], 1, "gone"),
        ("caucase-key-id", ["--private-key", "gone"], 1, "gone"),
        ("caucase-key-id", ["--backup", "/dev/null"], 1, "/dev/null"),
        ("caucased", ["--nonsense"], 1, "--nonsense"),
        ("caucased", [], 78, "netloc"),
        ("caucased", ["--netloc", "a b"], 78, "--netloc"),
        ("caucased", ["--netloc", "http://ca.example.com:8009/"], 78, "without http:// and without a path"),
        ("caucased", ["--config", "gone.yaml"], 78, "gone.yaml"),
        ("caucased", ["--netloc", "localhost", "--threshold", "100"], 78, "threshold"),
        ("caucased-manage", [], 1, "--sign-user-csr"),
        ("caucased-manage", ["--netloc", "localhost", "--sign-user-csr", "gone", "crt"], 1, "gone"),
        ("caucased-manage", ["--sign-user-csr", "/dev/null", "crt"], 78, "netloc"),
        (
            "caucased-manage",
            ["--netloc", "localhost", "--sign-user-csr", "/dev/null", "crt"],
            1,
            "CERTIFICATE REQUEST",
        ),
    ],
)
def test_one_sentence_and_the_exit_code(
    tmp_path: Path, command: str, arguments: list[str], status: int, said: str
) -> None:
    done = run(tmp_path, command, *arguments)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    assert done.stdout == ""
    # What is wrong, and then what to do next.
    assert re.search(r"([.?!]|\n)\s*[A-Z].*[.?]$", done.stderr.rstrip()), done.stderr
