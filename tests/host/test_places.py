"""Walking down safely: which symbolic links are followed, what counts as sealed, what can be read.

Other people are real ones: root gives files away, or a child process changes its user.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from caucase.errors import ConfigError
from caucase.host.places import check_sealed, place

OTHER = 65534

as_root = pytest.mark.root("give files away")


def read(path: Path) -> bytes | None:
    with place(path) as found:
        result = found.read(100)
        return None if result is None else result[0]


def test_links_of_ours_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "file").write_bytes(b"x")
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "relative").symlink_to("absolute/../real/./deep")
    (tmp_path / "real" / "deep" / "link").symlink_to("../file")
    (tmp_path / "root").symlink_to("/")
    assert read(tmp_path / "relative" / "link") == b"x"
    assert read(Path(str(tmp_path / "root") + str(tmp_path / "absolute" / "file"))) == b"x"
    with place(tmp_path / "relative" / "link") as found:
        assert found.is_sealed
        assert found.name == "file"
    with place(tmp_path / "relative" / "new") as found:
        assert found.status() is None
        os.close(os.open(found.name, os.O_CREAT | os.O_WRONLY, dir_fd=found.folder))
    assert (tmp_path / "real" / "deep" / "new").exists()


def test_what_is_not_there_and_what_is_no_file(tmp_path: Path) -> None:
    assert read(tmp_path / "gone") is None
    (tmp_path / "dangling").symlink_to("gone")
    assert read(tmp_path / "dangling") is None
    with pytest.raises(FileNotFoundError, match="gone/file"):
        read(tmp_path / "gone" / "file")
    (tmp_path / "file").write_bytes(b"x" * 101)
    with pytest.raises(NotADirectoryError, match="file/x"):
        read(tmp_path / "file" / "x")
    with pytest.raises(OSError, match="larger than 100 bytes"):
        read(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null"), Path("/")):
        with pytest.raises(OSError, match="not a regular file"):
            read(path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        read(tmp_path / "loop")


@as_root
def test_a_link_that_others_could_have_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, OTHER, OTHER)
    # In their folder, whoever owns the link: root's, too, can be moved there.
    for owner in (0, OTHER):
        link = theirs / f"link{owner}"
        link.symlink_to(tmp_path / "secret")
        os.chown(link, owner, owner, follow_symlinks=False)
        with pytest.raises(PermissionError, match="symbolic link"):
            read(link)
    # Their link in our folder.
    link = tmp_path / "link"
    link.symlink_to("secret")
    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    with pytest.raises(PermissionError, match="symbolic link"):
        read(link)
    # Our link in a folder where everybody, or the group, may write; with the sticky bit it is as we left it.
    for mode, refused in ((0o777, True), (0o775, True), (0o1777, False)):
        shared = tmp_path / f"shared{mode:o}"
        shared.mkdir()
        shared.chmod(mode)
        (shared / "link").symlink_to("../secret")
        if refused:
            with pytest.raises(PermissionError, match="symbolic link"):
                read(shared / "link")
        else:
            assert read(shared / "link") == b"secret"
    # A folder of theirs on the way is no obstacle as long as it is one.
    (theirs / "folder").mkdir()
    (theirs / "folder" / "file").write_bytes(b"x")
    assert read(theirs / "folder" / "file") == b"x"
    (theirs / "way").symlink_to("folder")
    with pytest.raises(PermissionError, match=r"symbolic link.*way/file"):
        read(theirs / "way" / "file")


@as_root
def test_sealed_is_what_nobody_else_can_change(tmp_path: Path) -> None:
    def seen(path: Path) -> bool:
        with place(path) as found:
            return found.is_sealed

    file = tmp_path / "file"
    file.write_text("")
    assert seen(file)
    check_sealed(file)
    for mode in (0o620, 0o602):
        file.chmod(mode)
        with pytest.raises(ConfigError, match="written by others"):
            check_sealed(file)
    file.chmod(0o644)
    os.chown(file, OTHER, 0)
    with pytest.raises(ConfigError, match="changed by others"):
        check_sealed(file)

    for mode in (0o777, 0o770, 0o1777):
        shared = tmp_path / f"shared{mode:o}"
        shared.mkdir()
        shared.chmod(mode)
        (shared / "file").write_text("")
        assert not seen(shared / "new")
        assert seen(shared / "file") == (mode == 0o1777)
        with pytest.raises(ConfigError, match="changed by others"):
            check_sealed(shared / "file")
    sticky = tmp_path / "shared1777"
    os.chown(sticky / "file", OTHER, OTHER)
    assert not seen(sticky / "file")
    (sticky / "folder").mkdir()
    assert seen(sticky / "folder" / "new")
    os.chown(sticky / "folder", OTHER, OTHER)
    assert not seen(sticky / "folder" / "new")

    with pytest.raises(FileNotFoundError):
        check_sealed(tmp_path / "gone")


def test_what_is_exchanged_after_it_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the opening there is an instant, which nobody can use."""
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    for path in (folder, elsewhere):
        path.mkdir()
        (path / "file").write_bytes(path.name.encode())

    def exchange(path: Path, target: Path) -> None:
        path.rename(path.with_name("real"))
        path.symlink_to(target)

    with place(folder / "file") as found:
        exchange(folder / "file", elsewhere / "file")
        with pytest.raises(OSError, match="symbolic links"):
            found.read(100)
    (folder / "real").rename(folder / "file")

    stat = os.stat

    def stat_and_exchange(name: str, **more: Any) -> os.stat_result:
        result = stat(name, **more)
        if name == "folder":
            exchange(folder, elsewhere)
        return result

    monkeypatch.setattr(os, "stat", stat_and_exchange)
    with pytest.raises(NotADirectoryError):
        read(folder / "file")
