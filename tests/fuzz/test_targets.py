"""What no input may do (``fuzz/judge.py``): for what is known, for large inputs, and for a few seconds of new ones.

``make fuzz`` looks for longer.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fuzz.__main__ import CORPUS, ROOT, TARGETS
from fuzz.der import changed
from fuzz.judge import CPU_SECONDS, MEMORY_BYTES, Violation, check

# Each has its start-up besides; two at a time that is a minute and a half for all.
SECONDS = 10
_ATHERIS = ROOT / ".venv-fuzz" / "bin" / "python"

pytestmark = pytest.mark.usefixtures("_no_bytecode")


@pytest.fixture
def _no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def run(*command: str | Path) -> str:
    """What was said; an input that does what none may do is in the failure."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_known_inputs(target: str) -> None:
    """The corpus, and what is large."""
    assert f"{target}: " in run(sys.executable, "-W", "ignore", "-m", "fuzz", target, "--known")


@pytest.mark.parametrize("target", TARGETS)
def test_new_inputs(target: str, tmp_path: Path) -> None:
    said = run(_ATHERIS, "-m", "fuzz", target, "--seconds", str(SECONDS), "--findings", tmp_path)
    assert "stat::number_of_executed_units" in said
    [runs] = [
        int(line.split()[-1]) for line in said.splitlines() if line.startswith("stat::number_of_executed")
    ]
    assert runs > 100, "it hardly did anything"


def test_the_corpus_is_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == set(TARGETS)
    assert sum(path.stat().st_size for path in files) < 200_000


# The judge itself


def slow(data: bytes) -> None:
    end = time.process_time() + 1.5 * CPU_SECONDS
    while time.process_time() < end:
        pass


def large(data: bytes) -> None:
    assert bytearray(b"x" * (2 * MEMORY_BYTES))


def wrong(data: bytes) -> None:
    raise KeyError(data)


def endless(data: bytes) -> None:
    """As an expression that can match in 2^40 ways."""
    assert not re.fullmatch(r"(?:a|a)*b", "a" * 40)


@pytest.mark.parametrize(
    ("harm", "told"),
    [(slow, "ms of CPU"), (endless, "not done"), (large, "MiB of memory"), (wrong, "KeyError")],
)
def test_a_violation_is_seen(harm, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.judge._ENDLESS_SECONDS", 1)
    with pytest.raises(Violation, match=told) as caught:
        check(harm, b"the input")
    assert "b'the input'" in str(caught.value)
    assert caught.value.data == b"the input"


def test_changed_der_is_der() -> None:
    """Lengths are right, so that it is not refused for them."""
    data = (CORPUS / "requests" / "full.der").read_bytes()[1:]
    results = {changed(data, seed) for seed in range(200)}
    assert len(results) > 150
    for result in results - {None}:
        assert changed(result, 1) is not None
