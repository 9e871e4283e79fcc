"""Listing what waits, across versions: the peer's client reads our list, and ours shows the peer's as far as it goes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .desk import Desk
from .programs import IMPLEMENTATIONS
from .servers import Server
from .wire import request


def test_the_id_comes_first(desk: Desk) -> None:
    """As scripts read it, whoever wrote server and client."""
    user = desk.user("lister")
    ids = {
        desk.caucase("--send-csr", desk.request(name, f"subjectAltName=DNS:{name}").csr)
        .expect(0)
        .out.split()[0]
        for name in ("list-one", "list-two")
    }
    lines = desk.caucase("--user-key", user, "--list-csr").expect(0).out.splitlines()
    assert lines[0] == "-- pending service CSRs --"
    assert lines[-1] == "-- end of pending service CSRs --"
    assert lines[1].split()[:2] == ["csr_id", "|"]
    listed = {line.split()[0]: line for line in lines[2:-1]}
    assert ids <= listed.keys()
    for line in listed.values():
        assert re.match(r" *[0-9]+ \| ", line)
    assert {"list-one", "list-two"} == {
        name for name in ("list-one", "list-two") for csr_id in ids if name in listed[csr_id]
    }


@pytest.mark.parametrize("name", list(IMPLEMENTATIONS))
def test_names_key_and_age(name: str, shared_servers: Callable[[str], Server], tmp_path: Path) -> None:
    """A server of caucase 0.9 does not say when a request came, nor from where."""
    desk = Desk(folder=tmp_path, server=shared_servers(name), programs=IMPLEMENTATIONS["ours"]())
    user = desk.user("aged")
    made = desk.request("aged-service", "subjectAltName=DNS:aged.example,IP:192.0.2.1")
    csr_id = desk.caucase("--send-csr", made.csr).expect(0).out.split()[0]
    listed = desk.caucase("--user-key", user, "--list-csr").expect(0).out
    line = next(line for line in listed.splitlines() if csr_id in line)
    _, subject, names, key, how_old, where = (cell.strip() for cell in line.split("|"))
    assert (subject, names) == ("CN=aged-service", "DNS:aged.example IP:192.0.2.1")
    assert re.fullmatch(r"(rsa:2048|ec:P-256) [0-9a-f]{16}", key)
    assert (bool(how_old), bool(where)) == (desk.server.ours, desk.server.ours)

    document = json.loads(desk.caucase("--user-key", user, "--list-csr", "--json").expect(0).out)
    [found] = [entry for entry in document["requests"] if entry["id"] == csr_id]
    assert (found["received_at"] is None, found["requested_from"] is None) == (
        not desk.server.ours,
        not desk.server.ours,
    )
    shown = desk.caucase("--show-csr", csr_id).expect(0).out
    assert f"request {csr_id}, for a service" in shown
    assert "IP:192.0.2.1" in shown
    assert found["key_id"] in shown


def test_what_our_list_has_besides(shared_servers: Callable[[str], Server], tmp_path: Path) -> None:
    desk = Desk(folder=tmp_path, server=shared_servers("ours"), programs=IMPLEMENTATIONS["peer"]())
    user = desk.user("beside")
    csr_id = desk.caucase("--send-csr", desk.request("beside").csr).expect(0).out.split()[0]
    entries = request(desk.server, "GET", "/cas/csr", user=desk.folder / user).expect(200).json()
    [entry] = [entry for entry in entries if entry["id"] == csr_id]
    assert entry.keys() == {"id", "csr", "received_at", "requested_from"}
    # The peer's client takes it all the same.
    assert csr_id in desk.caucase("--user-key", user, "--list-csr").expect(0).out
    desk.caucase("--user-key", user, "--sign-csr", csr_id).expect(0)
