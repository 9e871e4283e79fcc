"""What a machine thinks of others' certificates, by what it trusts and the lists it has: openssl, at a given date."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

_FAILED = ": verification failed"


def refusals(trusted: Path, lists: Path, certificates: Sequence[Path], at: datetime) -> dict[Path, str]:
    """The certificates that are not accepted, and why not. One run of openssl for all."""
    command = ["openssl", "verify", "-x509_strict", "-attime", f"{int(at.timestamp())}", "-crl_check"]
    files = ["-CAfile", trusted, "-CRLfile", lists, *certificates]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    refused: dict[Path, str] = {}
    reasons: list[str] = []
    for line in done.stderr.splitlines():
        if line.endswith(_FAILED):
            refused[Path(line.removeprefix("error ").removesuffix(_FAILED))] = "; ".join(reasons)
            reasons = []
        else:
            reasons.append(line)
    # Each file has been judged, and nothing else went wrong.
    assert not reasons, done.stderr
    accepted = {Path(line.removesuffix(": OK")) for line in done.stdout.splitlines()}
    assert accepted | set(refused) == set(certificates), done.stdout + done.stderr
    return refused
