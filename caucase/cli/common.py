"""What every command has in common: how arguments are parsed, how mistakes are told, and the exit codes.

A person sees one sentence on standard error, never a traceback. Exit codes: 0, 1 for any error, also of usage
(argparse's own 2 would mean "still pending"), 2 pending, 3 the on-renew command failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

from caucase import __version__
from caucase.cli.advice import advice
from caucase.core.keys import RSA_MAX_BITS, RSA_MIN_BITS
from caucase.errors import EX_ERROR, CaucaseError, ConfigError, HookFailed
from caucase.host.progress import allow
from caucase.host.secrecy import forbid_dumps

EX_OK = 0
EX_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

DEBUG_VARIABLE = "CAUCASE_DEBUG"
DEFAULT_KEY_BITS = 2048
_DAYS_MAX = 36500  # a hundred years: what a typing mistake exceeds


class Parser(argparse.ArgumentParser):
    """Options are never abbreviated: a script must not depend on which others exist."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)
        self.add_argument("--version", action="version", version=__version__)

    def error(self, message: str) -> NoReturn:
        self.exit(EX_ERROR, f"{self.prog}: {message}. See {self.prog} --help.\n")


def key_bits(text: str) -> int:
    """The type of ``--key-len``: bits of an RSA key."""
    if not (text.isascii() and text.isdigit() and RSA_MIN_BITS <= int(text[:6]) <= RSA_MAX_BITS):
        raise argparse.ArgumentTypeError(f"{text!r} is not from {RSA_MIN_BITS} to {RSA_MAX_BITS}")
    return int(text)


def days(text: str) -> timedelta:
    """The type of options that are a number of days, decimals allowed."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= _DAYS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return timedelta(days=number)


def run_hook(command: str) -> None:
    """Run the on-renew command. HookFailed unless it succeeds."""
    with contextlib.suppress(BrokenPipeError):  # nobody reads what was done, and yet the service has to know
        sys.stdout.flush()
    try:
        status = subprocess.run([command], check=False).returncode  # nosec B603 # noqa: S603 - the user's own command
    except OSError as error:
        raise HookFailed(
            f"The on-renew command {command} could not be run: {error.strerror}.",
            "Is it there, and executable? What was renewed is in place; the next call tries again.",
        ) from None
    if status:
        raise HookFailed(
            f"The on-renew command {command} failed with {status}.",
            "What was renewed is in place. Mend the command; the next call runs it again.",
        )


def run(program: str, body: Callable[[], int]) -> int:
    """Run a command and return its exit code, whatever happens. Nearly all of them hold keys at some time."""
    try:
        _open_streams()
        forbid_dumps()
        allow()
        code = body()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Nobody reads on. What is still buffered must not fail a second time when Python flushes it at its
        # end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EX_ERROR
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    except (CaucaseError, OSError) as error:
        complain(program, error)
        return error.exit_code if isinstance(error, CaucaseError) else EX_ERROR
    except Exception as error:  # noqa: BLE001 - a person sees one sentence, whatever happens
        if os.environ.get(DEBUG_VARIABLE) == "1":
            traceback.print_exc()
        else:
            print(f"{program}: this is a defect: {type(error).__name__}: {error}. "
                  f"Please report it, with what {DEBUG_VARIABLE}=1 shows.", file=sys.stderr)  # fmt: skip
        return EX_ERROR


def _open_streams() -> None:
    """Standard streams for whoever was started without: closed ones lead to /dev/null, so that no file with a key is
    opened as one of them, also in the on-renew command. What an encoding lacks is written as ``\\xeb`` is.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it is the lowest that is free
    # Python has None for those that were closed when it started.
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - it stays
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a program that calls us may have put something else there
            stream.reconfigure(errors="backslashreplace")


def complain(program: str, error: CaucaseError | OSError) -> None:
    """Say on standard error what went wrong and what to do next: in one line, but that a configuration's mistakes have
    one each.
    """
    if isinstance(error, ConfigError):
        lines = [str(error), advice(error)]
        text = "\n".join(line for line in lines if line)
    elif isinstance(error, CaucaseError):
        text = f"{error} {advice(error)}".rstrip()
    else:
        name = f"{error.filename}: " if error.filename is not None else ""
        text = f"{name}{error.strerror or error}. {advice(error)}"
    print(f"{program}: {text}", file=sys.stderr)


def age(span: timedelta) -> str:
    """About how long that is, in the largest unit of which there are two; never less than nothing."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
