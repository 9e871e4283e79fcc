"""Listing what was issued: a server of ours has a list, one of the peer's has none, which is said in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .desk import Desk
from .programs import IMPLEMENTATIONS
from .servers import Server


@pytest.mark.parametrize("name", list(IMPLEMENTATIONS))
def test_list_crt(name: str, shared_servers: Callable[[str], Server], tmp_path: Path) -> None:
    desk = Desk(folder=tmp_path, server=shared_servers(name), programs=IMPLEMENTATIONS["ours"]())
    user = desk.user("lister")
    desk.service("listed", user)
    listed = desk.caucase("--user-key", user, "--list-crt", "--name", "listed")
    if desk.server.ours:
        assert "CN=listed" in listed.expect(0).out
    else:
        assert "keeps no record" in listed.expect(1).err
        assert listed.out == ""
