"""Works as the owner of a file where root was asked to, so that nothing in the owner's folder comes to belong to root.

Only effective ids change: root can go back at any time, and does for the files that it named itself (``as_caller``).
They are those of the whole process, so this is for commands, not for servers. With each change the kernel would allow
core dumps again (prctl(2)).
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from caucase.host.secrecy import forbid_dumps


@contextlib.contextmanager
def as_owner_of(path: Path) -> Iterator[None]:
    """Whoever owns ``path``, or the nearest folder above it that there is; nothing changes unless root asks.

    The owner's groups are those of the user database, or the group of ``path`` for an owner who is not in it. OSError.
    """
    owner = _nearest(path).stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    gid, groups = _groups_of(owner.st_uid, owner.st_gid)
    before, before_gid = os.getgroups(), os.getegid()
    os.setgroups(groups)
    try:
        with _effective(owner.st_uid, gid):
            yield
    finally:
        os.setegid(before_gid)
        os.setgroups(before)


@contextlib.contextmanager
def as_caller() -> Iterator[None]:
    """Within ``as_owner_of``: the user who started the command, for a file that this user named."""
    if os.geteuid() == os.getuid():
        yield
        return
    uid, gid = os.geteuid(), os.getegid()
    os.seteuid(os.getuid())
    os.setegid(os.getgid())
    forbid_dumps()
    try:
        yield
    finally:
        os.setegid(gid)
        os.seteuid(uid)
        forbid_dumps()


@contextlib.contextmanager
def _effective(uid: int, gid: int) -> Iterator[None]:
    """From root and back to root."""
    os.setegid(gid)
    os.seteuid(uid)
    forbid_dumps()
    try:
        yield
    finally:
        os.seteuid(0)
        forbid_dumps()


def _groups_of(uid: int, gid: int) -> tuple[int, list[int]]:
    """Main group and all groups."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return gid, [gid]
    return entry.pw_gid, os.getgrouplist(entry.pw_name, entry.pw_gid)


def _nearest(path: Path) -> Path:
    """The path itself, or the first folder above it that exists."""
    absolute = path.absolute()
    return next(one for one in (absolute, *absolute.parents) if one.exists())
