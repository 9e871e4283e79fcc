"""Backup, restoration and migration under kill -9 at any point, and on a disk that is full at any point.

Run as a program of its own, which has one thread and can fork: each attempt is a child with everything prepared. It
prints how many attempts of each kind there were; a state that should not be is an AssertionError.

    python tests/jobs/mishaps.py kill|full FOLDER
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from cryptography import x509

from caucase.authority import Authority, examine
from caucase.config.schema import ServerConfig
from caucase.core.backup import read_blocks
from caucase.core.keys import KeyType, PrivateKey, signature_hash
from caucase.core.x509 import dump_pem
from caucase.errors import CaucaseError
from caucase.jobs.backup import back_up
from caucase.jobs.migrate import migrate
from caucase.jobs.restore import restore
from caucase.store import Database, Transaction
from tests.authority.world import BOSS, POLICY, MemoryFile
from tests.former import FormerDatabase

# All that has an effect outside of the process, as the profiler names it: Python's own functions, and SQLite's.
EFFECTS = {
    *(
        "open",
        "write",
        "flush",
        "fsync",
        "close",
        "rename",
        "replace",
        "link",
        "unlink",
        "mkdir",
        "rmdir",
        "touch",
    ),
    *("flock", "fchmod", "chmod", "truncate", "ftruncate", "execute", "commit"),
}
START = datetime(2030, 1, 1, tzinfo=UTC)
KEY, NEW_KEY = (KeyType.parse("ec:P-256").generate() for _ in range(2))


def csr(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "user")])
    return dump_pem(x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, signature_hash(key)))


def silent(*_: Any, **__: Any) -> None:
    pass


def any_key(*_: Any) -> PrivateKey:
    return KEY


def ballast(transaction: Transaction) -> None:
    """So that a backup is not written with a single call."""
    for number in range(10):
        transaction.execute(
            "INSERT INTO request (id, context, key_id, digest, csr, address, submitted_at)"
            " VALUES (?, 'cas', ?, ?, ?, '', 0)",
            (number, bytes(20), bytes([number]), bytes(16_384)),
        )


class Scene:
    """A database outside of the folder where things go wrong, and what must survive in there."""

    def __init__(self, home: Path, stage: Path) -> None:
        self.source = home / "source.sqlite"
        self.folder = stage
        self.minute = 0
        with closing(Database(self.source)) as database:
            authority = Authority(
                database, POLICY, https_file=MemoryFile(), clock=lambda: START, audit=silent
            )
            authority.maintain()
            authority.users.requests.approve(csr(KEY), by=BOSS)
            database.write(ballast)
        self.kept = home / "kept.caucased"
        self.backup(home)
        next(home.glob("2*.caucased")).rename(self.kept)
        former = FormerDatabase(START, any_key)
        former.add_all_cas()
        former.revoke("cau", 5)
        self.former = former.save(home / "old.sqlite")
        self.former_content = self.former.read_bytes()

    def backup(self, folder: Path | None = None) -> None:
        self.minute += 1
        now = START.replace(hour=self.minute // 60 % 24, minute=self.minute % 60, day=1 + self.minute // 1440)
        back_up(self.source, folder or self.folder, keep=2, clock=lambda: now, audit=silent)  # type: ignore[arg-type]

    def restore(self) -> None:
        with self.kept.open("rb") as file:
            restore(
                file,
                KEY,
                csr(NEW_KEY),
                ServerConfig(db=self.folder / "caucase.sqlite", key_type=POLICY.key_type),
                published=(),
                deliver=lambda pem: None,
                clock=lambda: START,
                audit=silent,  # type: ignore[arg-type]
            )

    def migrate(self) -> None:
        config = ServerConfig(
            db=self.folder / "caucase.sqlite", netloc=POLICY.netloc, key_type=POLICY.key_type
        )
        migrate(self.former, config, clock=lambda: START, audit=silent)

    def complete_backups(self) -> dict[str, bytes]:
        """All that are named like one; each must be whole."""
        found = {path.name: path.read_bytes() for path in self.folder.glob("[!.]*")}
        for name in found:
            with (self.folder / name).open("rb") as file:
                content = b"".join(read_blocks(file, KEY))
            assert content.endswith(b"}\n"), name
            assert b'"end"' in content, name
        return found

    def check_made(self) -> bool:
        """Whether there is a database; then it is whole, with nothing beside it."""
        assert self.former.read_bytes() == self.former_content
        there = sorted(path.name for path in self.folder.glob("[!.]*"))
        if not there:
            return False
        assert there == ["caucase.sqlite"], there
        with closing(Database(self.folder / "caucase.sqlite", create=False)) as database:
            found = examine(database)
            assert found.problems == (), found.problems
            assert found.contents[0].revoked == 1, "as the old certificate of the key is"
        return True

    def clear(self) -> None:
        for path in self.folder.glob("[!.]*"):
            path.unlink()

    def hidden(self) -> list[str]:
        return [path.name for path in self.folder.glob(".*")]


def child(work: Callable[[], None], *, kill_at: int | None = None) -> int:
    """Do it in a child; how that ended: 0, 1 for an error that a person is told, or minus a signal."""
    process = os.fork()
    if process == 0:
        code = 70
        try:
            if kill_at is not None:
                arm(kill_at)
            work()
            code = 0
        except (CaucaseError, OSError):
            code = 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def arm(kill_at: int) -> None:
    """Die at the n-th effect: before it, or (every other number) behind it."""
    seen = 0

    def hook(_frame: FrameType, event: str, function: Any) -> None:
        nonlocal seen
        if event in ("c_call", "c_return") and function.__name__ in EFFECTS:
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(hook)
    sys.setprofile(hook)


def kill(scene: Scene) -> None:
    points = 0
    while True:
        points += 1
        before = scene.complete_backups()
        code = child(scene.backup, kill_at=points)
        scene.minute += 1  # the child's was another process's
        after = scene.complete_backups()
        new = after.keys() - before.keys()
        assert len(new) <= 1
        assert all(after[name] == before[name] for name in after.keys() - new)
        # Only once the new one is in place, the oldest may go.
        assert not before.keys() - after.keys() or new
        assert len(after) >= min(len(before), 2)
        if code == 0:
            break
        assert code == -signal.SIGKILL, code
    assert scene.hidden() == []
    print("backup", points)
    scene.clear()
    for work in (scene.restore, scene.migrate):
        points = 0
        while True:
            points += 1
            code = child(work, kill_at=points)
            if scene.check_made():
                scene.clear()
            else:
                assert code != 0
            if code == 0:
                break
            assert code == -signal.SIGKILL, code
        assert scene.hidden() == []
        print(work.__name__, points)


def full(scene: Scene) -> None:
    """The folder is a small file system of its own; a filler leaves a page more each time."""
    filler = scene.folder.parent / "filler"
    for work in (scene.backup, scene.restore, scene.migrate):
        attempts = room = 0
        while True:
            attempts += 1
            before = scene.complete_backups() if work == scene.backup else {}
            free = os.statvfs(scene.folder)
            with filler.open("wb", buffering=0) as file:
                os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - room))
            code = child(work)
            scene.minute += 1
            assert scene.hidden() == [], "nothing is left where it failed"
            if work == scene.backup:
                after = scene.complete_backups()
                assert all(after[name] == content for name, content in before.items())
                assert len(after) == len(before) + (code == 0)
            else:
                assert scene.check_made() == (code == 0)
            filler.unlink()
            if code == 0:
                break
            assert code == 1, code
            room += 4096
        scene.clear()
        print(work.__name__, attempts)


if __name__ == "__main__":
    what, base = sys.argv[1], Path(sys.argv[2])
    (base / "home").mkdir()
    stage = base / "small" / "stage"
    stage.mkdir(mode=0o700, parents=True)
    {"kill": kill, "full": full}[what](Scene(base / "home", stage))
