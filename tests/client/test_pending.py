"""What is pending stays so until it was done, whoever comes in between."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from caucase.client.pending import Pending


def test_mark_and_clear(tmp_path: Path) -> None:
    pending = Pending(folder=tmp_path)
    assert pending.tokens() == frozenset()
    pending.clear(frozenset())
    token = pending.mark()
    assert pending.path.is_dir()
    assert pending.tokens() == {token}
    later = pending.mark()
    pending.clear(frozenset({token}))
    assert pending.tokens() == {later}
    pending.clear(pending.tokens())
    assert list(tmp_path.iterdir()) == []


def test_notes_of_several_names_do_not_mix(tmp_path: Path) -> None:
    deploy, hook = Pending(folder=tmp_path), Pending(folder=tmp_path, name=".www.on-renew")
    hook.mark()
    assert not deploy.tokens()
    assert hook.tokens()


def test_a_change_is_pending_before_and_after_it_was_made(tmp_path: Path) -> None:
    pending = Pending(folder=tmp_path)
    with pending.changing():
        assert len(pending.tokens()) == 1
    assert len(pending.tokens()) == 1
    # Somebody acts upon it too early.
    with pending.changing():
        pending.clear(pending.tokens())
    assert len(pending.tokens()) == 1
    pending.clear(pending.tokens())
    with pytest.raises(KeyError), pending.changing():
        raise KeyError
    assert pending.tokens()


def test_an_empty_note_is_put_away(tmp_path: Path) -> None:
    pending = Pending(folder=tmp_path)
    pending.path.mkdir()
    assert not pending.tokens()
    pending.clear(pending.tokens())
    assert not pending.path.exists()


def test_a_note_that_vanishes_while_it_is_marked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = Pending(folder=tmp_path)
    mkdir, removed = os.mkdir, []

    def mkdir_and_lose(name: str, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        if len(removed) < 2:
            os.rmdir(name, dir_fd=dir_fd)
            removed.append(name)

    monkeypatch.setattr(os, "mkdir", mkdir_and_lose)
    token = pending.mark()
    assert pending.tokens() == {token}
    assert len(removed) == 2


def test_nothing_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("")
    state = tmp_path / "state"
    state.mkdir()
    pending = Pending(folder=state)
    if os.geteuid() == 0:
        os.chown(state, 65534, 65534)
        pending.path.symlink_to(tmp_path / "elsewhere")
        for call in (pending.mark, pending.tokens, lambda: pending.clear(frozenset({"file"}))):
            with pytest.raises(PermissionError, match="symbolic link"):
                call()
        assert (tmp_path / "elsewhere" / "file").exists()
        pending.path.unlink()
    pending.path.write_text("")
    with pytest.raises(NotADirectoryError):
        pending.mark()


@pytest.mark.root("become somebody else")
def test_root_and_the_updater_share_it() -> None:
    with tempfile.TemporaryDirectory() as name:
        state = Path(name)  # pytest's own folders let nobody but root through
        os.chown(state, 65534, 65534)
        share(state)


def share(state: Path) -> None:
    pending = Pending(folder=state)
    token = pending.mark()  # root, when an installed file differs
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os._exit(0 if token in pending.tokens() and pending.mark() in pending.tokens() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(pending.tokens()) == 2
    pending.clear(pending.tokens())
    assert not pending.path.exists()
