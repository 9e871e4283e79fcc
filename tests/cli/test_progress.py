"""A slow server, a slow line and a slow key on a terminal: something is seen after two seconds, and nothing elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.simulator import Handler, Simulator, running

from .desk import CAUCASE, on_terminal, run

SLOW_KEY = """
import sys, time
from cryptography.hazmat.primitives.asymmetric import rsa
make = rsa.generate_private_key
rsa.generate_private_key = lambda **how: time.sleep(2.5) or make(**how)
from caucase.cli.rerequest import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Simulator]:
    with running(tmp_path / "server") as simulator:
        yield simulator


def late(handler: Handler) -> None:
    time.sleep(2.4)
    authority = handler.server.simulator.cas
    handler.answer(200, authority.crl(authority.cas[0]))


def in_parts(handler: Handler) -> None:
    """As over a slow line: of 100 parts one each 30 ms."""
    authority = handler.server.simulator.cas
    body = authority.crl(authority.cas[0]) + b"\n" * 100_000
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    part = len(body) // 100 + 1
    for start in range(0, len(body), part):
        time.sleep(0.03)
        handler.wfile.write(body[start : start + part])
        handler.wfile.flush()


def test_a_server_that_takes_its_time(server: Simulator, tmp_path: Path) -> None:
    server.misbehave["GET", "/cas/crl"] = late
    shown = on_terminal(CAUCASE, tmp_path, "--ca-url", server.url)
    assert f"\rWaiting for {server.url} ... 2 s\x1b[K" in shown
    assert shown.endswith("\r\x1b[K")  # and it is gone
    assert (tmp_path / "cas.crl.pem").exists()
    quiet = run(CAUCASE, tmp_path, "--ca-url", server.url)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_line_that_takes_its_time(server: Simulator, tmp_path: Path) -> None:
    server.misbehave["GET", "/cas/crl"] = in_parts
    shown = on_terminal(CAUCASE, tmp_path, "--ca-url", server.url)
    assert f"\rFetching from {server.url} [###" in shown
    assert " %\x1b[K" in shown
    assert shown.endswith("\r\x1b[K")
    quiet = run(CAUCASE, tmp_path, "--ca-url", server.url)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_what_is_quick_says_nothing(server: Simulator, tmp_path: Path) -> None:
    assert on_terminal(CAUCASE, tmp_path, "--ca-url", server.url) == ""


def test_a_key_that_takes_its_time(tmp_path: Path, make_csr, keys) -> None:
    (tmp_path / "old.csr").write_bytes(make_csr(key=keys("rsa:2048")))
    arguments = ("--template", "old.csr", "--csr", "new.csr", "--key", "new.key")
    shown = on_terminal(SLOW_KEY, tmp_path, *arguments)
    assert "\rMaking a key (rsa:2048) ... 2 s\x1b[K" in shown
    assert (tmp_path / "new.csr").exists()
