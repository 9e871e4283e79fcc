"""What systemd says of units. It starts and changes none."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

# sd_booted(3): there when systemd is the init system.
BOOTED = Path("/run/systemd/system")
_SECONDS = 10
_STREAM = re.compile(r"(?P<address>\S+) \(Stream\)")
_PORT = re.compile(r"(?:.*:)?(?P<port>[0-9]{1,5})")


def listening_ports(unit: str, *, booted: Path = BOOTED) -> set[int] | None:
    """The TCP ports that a socket unit listens on, or would; ``None`` where systemd or that unit is not there."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not booted.is_dir():
        return None
    try:
        done = subprocess.run(  # nosec B603 # noqa: S603 - the name of a unit of ours is all that goes in
            [systemctl, "show", "--property=LoadState,Listen", unit],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0 or "LoadState=loaded" not in done.stdout.splitlines():
        return None
    addresses = [match["address"].removeprefix("Listen=") for match in _STREAM.finditer(done.stdout)]
    return {int(match["port"]) for match in map(_PORT.fullmatch, addresses) if match}
