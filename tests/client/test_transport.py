"""What happens on the wire: answers that are none, that are too much, or that lead elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caucase import __version__
from caucase.client import transport
from caucase.client.transport import BaseUrl, Transport
from caucase.errors import CaucaseError, Malformed, ServerRefused, TooLarge, Unreachable

from .simulator import Handler, Simulator

PATH = "/cas/crt/ca.crt.pem"


@pytest.mark.parametrize(
    ("url", "same", "https"),
    [
        ("http://ca.example.com", "http://ca.example.com", "https://ca.example.com"),
        ("http://ca.example.com:80/", "http://ca.example.com", "https://ca.example.com"),
        ("http://ca.example.com:8009", "http://ca.example.com:8009", "https://ca.example.com:8010"),
        ("http://192.0.2.1:8009/pre/fix/", "http://192.0.2.1:8009/pre/fix", "https://192.0.2.1:8010/pre/fix"),
        ("http://[2001:db8::1]:8009", "http://[2001:db8::1]:8009", "https://[2001:db8::1]:8010"),
        ("HTTP://ca.example.com", "http://ca.example.com", "https://ca.example.com"),
    ],
)
def test_https_address_follows_from_http(url: str, same: str, https: str) -> None:
    base = BaseUrl.parse(url)
    assert str(base) == same
    assert str(base.over_https()) == https


@pytest.mark.parametrize(
    "url",
    [
        *("", "ca.example.com", "https://ca.example.com", "ftp://ca.example.com", "http://", "http://:80"),
        *("http://a:b@ca.example.com", "http://ca.example.com:http", "http://ca.example.com:65535"),
        *(
            "http://ca.example.com/?a",
            "http://ca.example.com/#a",
            "http://[::1",
            "http://a b",
            "http://a/b c",
        ),
    ],
)
def test_wrong_address(url: str) -> None:
    with pytest.raises(Malformed, match="The CA's URL"):
        BaseUrl.parse(url)


def test_request(server: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not through a proxy, whatever the environment says; and with the name of the program."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with _transport(server) as connection:
        assert b"BEGIN CERTIFICATE" in connection.request("GET", PATH).body
    assert server.headers[0]["User-Agent"] == f"caucase/{__version__}"


@pytest.mark.parametrize(
    ("status", "says"),
    [
        *((400, "400"), (401, "certificate"), (403, "allow"), (404, "no such thing"), (409, "already")),
        *((413, "too large"), (500, "journal"), (503, "journal"), (507, "waiting"), (418, "418")),
        *((301, "elsewhere"), (302, "elsewhere"), (307, "elsewhere"), (308, "elsewhere"), (304, "elsewhere")),
    ],
)
def test_refusal(server: Simulator, status: int, says: str) -> None:
    server.misbehave["GET", PATH] = lambda handler: handler.answer(status, Location="/cas/crl")
    with _transport(server) as connection, pytest.raises(ServerRefused, match=says) as refusal:
        connection.request("GET", PATH)
    assert refusal.value.status == status
    assert server.seen == [("GET", PATH)]  # neither followed nor repeated


def test_reason_of_a_refusal(server: Simulator) -> None:
    """One line of it, without what could move the cursor of a terminal; a page of a proxy is no reason."""
    server.misbehave["GET", PATH] = lambda handler: handler.answer(400, b"No \x1b[2Jgood.\nTraceback")
    with _transport(server) as connection, pytest.raises(ServerRefused) as refusal:
        connection.request("GET", PATH)
    assert refusal.value.detail == "No [2Jgood."
    assert "No [2Jgood." in refusal.value.message
    server.misbehave["GET", PATH] = lambda handler: handler.answer(
        502, b"<html>nginx</html>" + b"x" * 100_000
    )
    with _transport(server) as connection, pytest.raises(ServerRefused) as refusal:
        connection.request("GET", PATH)
    assert refusal.value.message == "The server answered 502."


def test_a_server_that_is_not_ready_says_why(server: Simulator) -> None:
    def not_ready(handler: Handler) -> None:
        handler.send_response(503)
        handler.send_header("Retry-After", "30")
        handler.send_header("Content-Length", "17")
        handler.end_headers()
        handler.wfile.write(b"netloc is not set")

    server.misbehave["GET", PATH] = not_ready
    with (
        _transport(server) as connection,
        pytest.raises(ServerRefused, match=r"netloc is not set\. Its") as refusal,
    ):
        connection.request("GET", PATH)
    assert refusal.value.status == 503
    assert server.seen.count(("GET", PATH)) == 1


@pytest.mark.parametrize("length", [None, 10**6])
def test_answer_that_is_too_large(server: Simulator, length: int | None) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.close_connection = True
        for _ in range(1000):
            handler.wfile.write(b"x" * 1000)

    server.misbehave["GET", PATH] = endless
    with _transport(server) as connection, pytest.raises(TooLarge):
        connection.request("GET", PATH, limit=10_000)


def _short(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.close_connection = True


def _no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    handler.close_connection = True


@pytest.mark.parametrize("misbehaviour", [_short, _no_http, Handler.reset])
def test_answer_that_is_none(server: Simulator, misbehaviour: Callable[[Handler], None]) -> None:
    server.misbehave["GET", PATH] = misbehaviour
    with (
        _transport(server) as connection,
        pytest.raises(Unreachable, match=f"No answer from {server.url}") as error,
    ):
        connection.request("GET", PATH)
    assert "0x" not in str(error.value)


@pytest.mark.parametrize(
    "length",
    [
        pytest.param("9" * 5000, id="more digits than int() takes"),
        pytest.param("9" * 4000, id="many digits"),
        *("-1", "many", "5, 6", "٣", ""),
    ],
)
def test_a_length_that_is_none(server: Simulator, length: str) -> None:
    """Whatever is announced: what came is the answer, or there is none."""

    def announces(handler: Handler) -> None:
        handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nanswer".encode())
        handler.close_connection = True

    server.misbehave["GET", PATH] = announces
    with _transport(server) as connection:
        try:
            assert connection.request("GET", PATH).body == b"answer"
        except Unreachable as error:
            assert str(error).startswith(f"No answer from {server.url}")


def test_where_http_is_not_spoken(server: Simulator) -> None:
    """The port of HTTPS: a server closes at once, or answers something of TLS."""

    def closes(handler: Handler) -> None:
        handler.close_connection = True

    for misbehaviour in (closes, _no_http):
        server.misbehave["GET", PATH] = misbehaviour
        with _transport(server) as connection, pytest.raises(Unreachable, match="not that of HTTPS"):
            connection.request("GET", PATH)


def test_lost_answer_is_asked_for_again_only_if_that_changes_nothing(server: Simulator) -> None:
    for method in ("GET", "PUT"):
        server.misbehave[method, PATH] = Handler.reset
        with _transport(server) as connection, pytest.raises(Unreachable):
            connection.request(method, PATH)
    assert server.seen.count(("GET", PATH)) == 1 + transport.RETRIES
    assert server.seen.count(("PUT", PATH)) == 1


@pytest.mark.parametrize(
    ("url", "reason"), [("http://127.0.0.1:1", "Connection refused"), ("http://name.invalid:1", "No answer")]
)
def test_nobody_there(url: str, reason: str) -> None:
    with Transport(BaseUrl.parse(url)) as connection, pytest.raises(Unreachable, match=reason):
        connection.request("GET", PATH)


def test_server_that_is_slow(server: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.05)
    monkeypatch.setattr(transport, "RETRIES", 0)
    server.misbehave["GET", PATH] = lambda handler: handler.rfile.read(1)  # type: ignore[func-returns-value]
    with _transport(server) as connection, pytest.raises(CaucaseError, match="No answer"):
        connection.request("GET", PATH)


def _transport(server: Simulator) -> Transport:
    return Transport(BaseUrl.parse(server.url))
