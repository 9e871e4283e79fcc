"""This project's client verifies HTTPS where the server lets it, and says so where it does not."""

from __future__ import annotations

import pytest

from .desk import Desk

pytestmark = pytest.mark.parametrize(
    "pair",
    [
        pytest.param(("ours", "ours"), id="server_ours-client_ours"),
        pytest.param(("peer", "ours"), id="server_peer-client_ours"),
    ],
    indirect=True,
)


def test_warning_without_a_published_authority(desk: Desk) -> None:
    user = desk.user("careful")
    desk.caucase().expect(0)
    warned = desk.caucase("--user-key", user, "--list-csr").expect(0).err.splitlines()
    assert len(warned) == (0 if desk.server.ours else 1), warned


def test_error_without_a_published_authority(desk: Desk) -> None:
    user = desk.user("strict")
    asked = ("--require-https-ca", "--user-key", user, "--list-csr")
    answered = desk.caucase(*asked).expect(0 if desk.server.ours else 1)
    if not desk.server.ours:
        assert len(answered.err.strip().splitlines()) == 1
        assert "pending" not in answered.out
