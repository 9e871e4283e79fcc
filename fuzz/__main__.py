"""``python -m fuzz TARGET [FILE...]``: with files, judge each; without, look for more with atheris.

What is slow or large under atheris, which makes everything slower, is judged once more by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from fuzz import der
from fuzz.judge import Violation, check, cost, is_too_much
from fuzz.shapes import shapes
from fuzz.target import Target

ROOT = Path(__file__).parent.parent
CORPUS = Path(__file__).parent / "corpus"
TARGETS = sorted(path.stem for path in (Path(__file__).parent / "targets").glob("[a-z]*.py"))

_INSTRUMENTED = ("caucase", "yaml", "itsdangerous")
# Longer inputs are what the shapes are for.
_LENGTH = 8192
# In memory: what is tried is not whether the disk keeps up.
_FAST = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


def load(name: str) -> Target:
    target: Target = importlib.import_module(f"fuzz.targets.{name}").TARGET
    return target


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="caucase-fuzz-", dir=_FAST if _FAST.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def judge(name: str, inputs: Iterator[bytes], *, say: Callable[[str], None]) -> None:
    """Violation for the first input that does what none may do; ``say`` is told the worst of the others."""
    target, number, worst = load(name), 0, (0.0, 0)
    with own_folder() as folder, target.opened(folder) as run:
        for number, data in enumerate(inputs, start=1):  # noqa: B007 - how many there were
            seconds, size = check(run, data)
            worst = max(worst[0], seconds), max(worst[1], size)
    say(f"{name}: {number} inputs, at most {worst[0] * 1000:.0f} ms of CPU and {worst[1] / 2**20:.1f} MiB")


def known(name: str) -> Iterator[bytes]:
    """The corpus of a target, and its shapes."""
    target = load(name)
    for path in sorted((CORPUS / name).iterdir()):
        yield path.read_bytes()
    yield from shapes(target.limit, target.frames, target.words)


def _fuzz(name: str, seconds: int, findings: Path) -> None:
    with own_folder() as folder:
        # A process of its own, because atheris ends the one it is in, whoever would still have to tidy up.
        if not (process := os.fork()):
            _look(name, seconds, findings, folder)
        _, status = os.waitpid(process, 0)
    if status:
        sys.exit(f"{name}: atheris ended with {os.waitstatus_to_exitcode(status)}")


def _look(name: str, seconds: int, findings: Path, folder: Path) -> NoReturn:
    import atheris  # only here: it is in an environment of its own

    with atheris.instrument_imports(include=list(_INSTRUMENTED)):
        target = load(name)
    findings.mkdir(parents=True, exist_ok=True)
    grown = findings / "corpus" / name
    grown.mkdir(parents=True, exist_ok=True)
    words = findings / f"{name}.words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    with target.opened(folder) as run:

        def one(data: bytes) -> None:
            if is_too_much(*cost(run, data)):
                _alone(name, data, findings)

        def structured(data: bytes, limit: int, seed: int) -> bytes:
            result = der.changed(data[1:], seed) if seed % 2 else None
            return atheris.Mutate(data, limit) if result is None else (data[:1] + result)[:limit]

        atheris.Setup(
            [
                sys.argv[0],
                str(grown),
                str(CORPUS / name),
                f"-max_total_time={seconds}",
                f"-max_len={_LENGTH}",
                f"-dict={words}",
                f"-artifact_prefix={findings}/{name}-",
                "-rss_limit_mb=1024",
                "-timeout=20",
                "-print_final_stats=1",
                "-close_fd_mask=0",
            ],
            one,
            **({"custom_mutator": structured} if target.is_der else {}),
        )
        atheris.Fuzz()
    os._exit(1)


def _alone(name: str, data: bytes, findings: Path) -> None:
    """Judge an input in a process that is not instrumented; Violation."""
    with tempfile.NamedTemporaryFile(dir=findings, prefix=f"{name}-slow-") as file:
        file.write(data)
        file.flush()
        command = [sys.executable, "-m", "fuzz", name, file.name]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        raise Violation(done.stderr, data)


def _escaped(word: bytes) -> str:
    """As libFuzzer reads its dictionaries."""
    return "".join(
        chr(octet) if octet < 0x80 and chr(octet).isalnum() else f"\\x{octet:02x}" for octet in word
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("file", nargs="*", type=Path, help="judge these inputs instead of looking for others")
    parser.add_argument("--known", action="store_true", help="judge the corpus and the large inputs")
    parser.add_argument("--seconds", type=int, default=600, help="how long to look [600]")
    parser.add_argument(
        "--findings", type=Path, default=ROOT / "build" / "fuzz", help="where they go [build/fuzz]"
    )
    options = parser.parse_args()
    try:
        if options.file:
            judge(options.target, (path.read_bytes() for path in options.file), say=print)
        elif options.known:
            judge(options.target, known(options.target), say=print)
        else:
            _fuzz(options.target, options.seconds, options.findings)
    except Violation as violation:
        sys.exit(f"{options.target}: {violation}")
    finally:
        # The threads of a target may not end by themselves, and there is nothing to wait for.
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
