"""The installed server: where it has its configuration and its state, and what is different there.

A configuration at any other place knows nothing of this, so that a server can be tried out beside an installed one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

FILE = Path("/etc/caucase/caucased.yaml")
FOLDER = Path("/var/lib/caucased")
"""Where relative paths of ``FILE`` start."""

DEFAULTS: Mapping[str, str] = {
    # Whoever connects first after an installation must not become a user by that.
    "user_auto_approve_count": "0",
    # So that one stranger cannot fill the queue for everybody: a fifth of it.
    "limit_pending_per_address": "10",
    # Where the timer puts them, and --status looks for them.
    "backup_directory": "/var/backups/caucase",
}
"""YAML key to text, where the package wants something else than the program alone."""


def is_installed(file: Path) -> bool:
    """Whether that is the installed server's configuration, however its name is written."""
    # Not Path.resolve(): it raises for links in a circle, of which whoever reads the file says more.
    return os.path.realpath(file) == os.path.realpath(FILE)
