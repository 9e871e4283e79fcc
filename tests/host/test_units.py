"""Which ports a socket unit listens on, from what systemctl says.

No systemd runs where these tests do, so systemctl is a script here that answers as the real one does; the system
tests have the real one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from caucase.host.units import listening_ports


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Sets what it answers."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def answer(text: str, status: int = 0) -> None:
        path = tmp_path / "systemctl"
        path.write_text(
            f"#!/bin/sh\n[ \"$*\" = 'show --property=LoadState,Listen a.socket' ] || exit 9\ncat <<'E'\n{text}\nE\nexit {status}\n"
        )
        path.chmod(0o755)

    return answer  # fmt: skip


@pytest.mark.parametrize(
    ("said", "ports"),
    [
        ("Listen=[::]:8009 (Stream)\nLoadState=loaded", {8009}),
        ("Listen=0.0.0.0:80 (Stream)\nListen=[::1]:81 (Stream)\nLoadState=loaded", {80, 81}),
        ("Listen=8009 (Stream)\nLoadState=loaded", {8009}),
        ("Listen=/run/caucase.sock (Stream)\nListen=[::]:53 (Datagram)\nLoadState=loaded", set()),
        ("LoadState=loaded", set()),
        ("LoadState=not-found", None),
        ("", None),
    ],
)
def test_what_systemd_says(systemctl, tmp_path: Path, said: str, ports: set[int] | None) -> None:
    systemctl(said)
    assert listening_ports("a.socket", booted=tmp_path) == ports


def test_systemctl_fails(systemctl, tmp_path: Path) -> None:
    systemctl("Listen=[::]:8009 (Stream)\nLoadState=loaded", status=1)
    assert listening_ports("a.socket", booted=tmp_path) is None


def test_no_systemd(systemctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl("Listen=[::]:8009 (Stream)\nLoadState=loaded")
    assert listening_ports("a.socket", booted=tmp_path / "gone") is None
    (tmp_path / "systemctl").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert listening_ports("a.socket", booted=tmp_path) is None
