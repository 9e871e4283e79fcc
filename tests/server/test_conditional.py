"""Conditional requests: what a client has already is not sent again (RFC 9110 section 13)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from caucase.authority import Document
from caucase.core.x509 import load_crl

from .harness import Server
from .material import make
from .test_routes import aki_of
from .wire import JSON, Client

PATHS = [
    "/",
    "/cas",
    "/cau/crl",
    "/cau/crl/{aki}",
    "/cau/crl/{aki}.der",
    "/cau/crt/ca.crt.pem",
    "/cau/crt/ca.crt.json",
    "/cas/crt/https-ca.json",
]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_cacheable(client: Client, path: str) -> None:
    where = path.format(aki=aki_of(client, "cau"))
    first = client.get(where).expect(200)
    tag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    assert first.headers["Cache-Control"] == "no-cache"
    assert parsedate_to_datetime(modified) <= datetime.now(UTC)
    later = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    earlier = format_datetime(parsedate_to_datetime(modified) - timedelta(seconds=1), usegmt=True)
    for condition, status in (
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": f'"other", W/{tag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": "no tag"}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": later}, 304),
        ({"If-Modified-Since": earlier}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": later}, 200),
        ({"If-None-Match": tag, "If-Modified-Since": earlier}, 304),
    ):
        for method in ("GET", "HEAD"):
            answer = client.ask(method, where, headers=condition)
            assert answer.status == status, condition
            assert (answer.headers["ETag"], answer.headers["Last-Modified"]) == (tag, modified)
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.body == (first.body if status == 200 and method == "GET" else b"")


def test_a_revocation_is_news(own_server: Server, tmp_path: Path) -> None:
    client = own_server.client
    user = make("user")
    bundle = user.bundle(tmp_path / "user.pem", client.become_user(user.csr_pem))
    before = client.get("/cas/crl")
    same = {"If-None-Match": before.headers["ETag"]}
    client.get("/cas/crl", same).expect(304)
    made = make("www")
    crt_pem = client.issue(made.csr_pem, bundle).decode()
    client.ask("PUT", "/cas/crt/revoke", made.signed({"revoke_crt_pem": crt_pem}), JSON).expect(204)
    after = client.get("/cas/crl", same).expect(200)
    assert len(list(load_crl(after.body))) == len(list(load_crl(before.body))) + 1


def test_what_is_not_cacheable(client: Client) -> None:
    request_id = client.submit("cas", make("waits").csr_pem)
    for path in (f"/cas/csr/{request_id}", f"/cas/crt/{request_id}", "/nope", "/cas/csr"):
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers


def test_others_have_their_turn_while_a_long_body_is_sent(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to a client that takes it as fast as it comes."""
    turns: list[int] = []

    def slices() -> Iterator[bytes]:
        for number in range(1000):
            assert len(turns) == number, "nobody else had a turn since the slice before"
            asyncio.get_running_loop().call_soon(turns.append, number)
            yield b"x" * 100

    document = Document(size=100_000, etag='"x"', last_modified=datetime.now(UTC), slices=slices)
    assert own_server.authority is not None
    lists = own_server.authority.services.lists
    monkeypatch.setattr(lists, "current", lambda: SimpleNamespace(all=document))
    assert own_server.client.get("/cas/crl").expect(200).body == b"x" * 100_000
    assert own_server.in_loop(lambda: len(turns)) == 1000


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("size", [1, 65536, 65537, 5_000_000])
def test_bodies_of_any_size(
    own_server: Server, monkeypatch: pytest.MonkeyPatch, size: int, tls: bool
) -> None:
    document = Document.of(bytes(range(256)) * (size // 256) + b"x" * (size % 256), datetime.now(UTC))
    assert own_server.authority is not None
    lists = own_server.authority.services.lists
    monkeypatch.setattr(lists, "current", lambda: SimpleNamespace(all=document))
    for _ in range(2):
        answer = own_server.client.get("/cas/crl", tls=tls).expect(200)
        assert answer.headers["Content-Length"] == str(size)
        assert answer.body == document.body
    head = own_server.client.ask("HEAD", "/cas/crl", tls=tls).expect(200)
    assert (head.headers["Content-Length"], head.body) == (str(size), b"")
