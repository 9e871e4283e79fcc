"""Root working in a folder of somebody else: with that one's rights, so that files get the right owner and nobody can
make root follow a link to elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """Within the block root is the owner of ``folder``; whoever is not root stays who it is.

    It holds for all threads (credentials(7), seteuid(2)): for commands, not for a server.
    """
    status = folder.stat() if os.geteuid() == 0 and folder.exists() else None
    if status is None or status.st_uid == 0:
        yield
        return
    own_group, own_groups = os.getegid(), os.getgroups()
    # The user last, because only root may change the others; back in the opposite order.
    os.setgroups([])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(own_group)
        os.setgroups(own_groups)
