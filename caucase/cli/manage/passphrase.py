"""Asks for passphrases: on the terminal, without showing them, or else a line each from standard input."""

from __future__ import annotations

import getpass
import sys

from caucase.errors import CaucaseError


def ask(what: str) -> bytes:
    """The passphrase of ``what``. CaucaseError if there is none to be read."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Passphrase of {what}: ").encode()
    line = sys.stdin.buffer.readline()
    if not line:
        raise CaucaseError(
            f"{what} needs a passphrase, and standard input has none.",
            "Start the command on a terminal, or give it a line with each passphrase.",
        )
    return line.rstrip(b"\r\n")


def choose(what: str) -> bytes:
    """A new passphrase for ``what``, typed twice on a terminal. CaucaseError if it is empty or differs."""
    passphrase = ask(what)
    if sys.stdin.isatty() and ask(f"{what}, again") != passphrase:
        raise CaucaseError("The two passphrases differ.", "Try again.")
    if not passphrase:
        raise CaucaseError("An empty passphrase protects nothing.", "Choose one.")
    return passphrase
