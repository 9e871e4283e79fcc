"""Requests that somebody in front of the server could read in another way than it does.

Each is followed by a second one. Where the end of the first is in doubt there is one answer, an error, and then the
connection ends: the second must never be answered. What is answered is the same with every version of aiohttp, which is
why a gate is in front of its parser (``caucase.server.framing``). Without it Debian 12's aiohttp 3.8.4 answers the second
request in 28 of these cases, and writes a traceback in 4; aiohttp 3.14.5 answers it in 11.
"""

from __future__ import annotations

import logging
import re
import socket

import pytest

from .wire import ADDRESS, SECONDS, Client

SECOND = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"  # 404

GET = b"GET /cas HTTP/1.1\r\nHost: x\r\n"
PUT = b"PUT /cas/csr HTTP/1.1\r\nHost: x\r\n"
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"

# Its framing is as it should be, so both are answered; 400, because hello is no certificate request.
GOOD = {
    "length": (PUT + b"Content-Length: 5\r\n\r\nhello", 400),
    "length with zeros": (PUT + b"Content-Length: 005\r\n\r\nhello", 400),
    "length in a GET": (GET + b"Content-Length: 5\r\n\r\nhello", 200),
    "no length": (GET + b"\r\n", 200),
    "chunks": (CHUNKED + HELLO, 400),
    "chunked in capitals": (PUT + b"Transfer-Encoding: CHUNKED\r\n\r\n" + HELLO, 400),
    "chunked after a tab": (PUT + b"Transfer-Encoding:\tchunked \r\n\r\n" + HELLO, 400),
    "chunk extension": (CHUNKED + b"5;a=b\r\nhello\r\n0;x\r\n\r\n", 400),
    "trailer": (CHUNKED + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", 400),
    "length as trailer": (CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", 400),
    "length with another name": (PUT + b"Content_Length: 5\r\n\r\n", 400),
    "empty Host": (b"GET /cas HTTP/1.1\r\nHost:\r\n\r\n", 200),
    "absolute target": (b"GET http://x/cas HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    "absolute target of another host": (b"GET http://evil.example/cas HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 204),
    "empty line before": (b"\r\n" + GET + b"\r\n", 200),
    "Upgrade to a WebSocket": (GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
    "Upgrade to HTTP/2": (GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n", 200),
    "Upgrade with a body": (PUT + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\nhello", 400),
    "text beyond ASCII": (GET + b"A: \xc3\xa9\r\n\r\n", 200),
    "two slashes": (b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
}  # fmt: skip

# One answer with that status, and nothing more.
DOUBTFUL = {
    # Which of two lengths counts
    "length and chunks": (PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks and length": (PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (PUT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "the same length twice": (PUT + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "lengths in a list": (PUT + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "chunked twice": (PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO, 400),
    "chunked and identity": (PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + HELLO, 400),
    # What a length is
    "length with a sign": (PUT + b"Content-Length: +5\r\n\r\nhello", 400),
    "negative length": (PUT + b"Content-Length: -1\r\n\r\n", 400),
    "hexadecimal length": (PUT + b"Content-Length: 0x5\r\n\r\nhello", 400),
    "length with an underscore": (PUT + b"Content-Length: 0_5\r\n\r\nhello", 400),
    "empty length": (PUT + b"Content-Length: \r\n\r\n", 400),
    "length of 23 digits": (PUT + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    "length in Arabic": (PUT + "Content-Length: ٥\r\n\r\nhello".encode(), 400),
    "length after a vertical tab": (PUT + b"Content-Length: \x0b5\r\n\r\nhello", 400),
    "length before a no-break space": (PUT + b"Content-Length: 5\xa0\r\n\r\nhello", 400),
    # What chunked is
    "identity, chunked": (PUT + b"Transfer-Encoding: identity, chunked\r\n\r\n" + HELLO, 501),
    "chunked, identity": (PUT + b"Transfer-Encoding: chunked, identity\r\n\r\n" + HELLO, 501),
    "gzip, chunked": (PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + HELLO, 501),
    "chunked, chunked": (PUT + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + HELLO, 501),
    "identity": (PUT + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "xchunked": (PUT + b"Transfer-Encoding: xchunked\r\n\r\n" + HELLO, 501),
    "chunked after a vertical tab": (PUT + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + HELLO, 400),
    "chunks in HTTP/1.0": (b"PUT /cas/csr HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO, 400),
    # Chunks
    "chunk size 0x5": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size +5": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size with a space": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    "empty chunk size": (CHUNKED + b"\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size beyond 64 bits": (CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    "line feed after a chunk size": (CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    "line feeds around chunks": (CHUNKED + b"5\nhello\n0\n\n", 400),
    "line feed after an extension": (CHUNKED + b"5;a=b\nhello\r\n0\r\n\r\n", 400),
    "carriage return in an extension": (CHUNKED + b"5;a=\rb\r\nhello\r\n0\r\n\r\n", 400),
    "no line end after a chunk": (CHUNKED + b"5\r\nhello0\r\n\r\n", 400),
    "line feed after a chunk": (CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    "two other bytes after a chunk": (CHUNKED + b"5\r\nhelloXX0\r\n\r\n", 400),
    "trailer without a colon": (CHUNKED + b"5\r\nhello\r\n0\r\nnocolon\r\n\r\n", 400),
    "line feed at the end of chunks": (CHUNKED + b"5\r\nhello\r\n0\r\n\n", 400),
    # Where a line ends
    "line feeds alone": (b"GET /cas HTTP/1.1\nHost: x\n\n", 400),
    "line feed after the request line": (b"GET /cas HTTP/1.1\nHost: x\r\n\r\n", 400),
    "line feed after a header": (GET + b"A: b\nC: d\r\n\r\n", 400),
    "line feed at the end": (GET + b"\n", 400),
    "carriage return in a header": (GET + b"A: b\rContent-Length: 5\r\n\r\n", 400),
    "folded header": (GET + b"A: b\r\n c\r\n\r\n", 400),
    "folded length": (PUT + b"Content-Length:\r\n 5\r\n\r\nhello", 400),
    "folded chunked": (PUT + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + HELLO, 400),
    "folded first header": (b"GET /cas HTTP/1.1\r\n Host: x\r\nA: b\r\n\r\n", 400),
    # What a header is
    "space before a colon": (b"GET /cas HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "length with a space before the colon": (PUT + b"Content-Length : 5\r\n\r\nhello", 400),
    "chunked with a tab before the colon": (PUT + b"Transfer-Encoding\t: chunked\r\n\r\n" + HELLO, 400),
    "no name": (GET + b": y\r\n\r\n", 400),
    "no colon": (GET + b"y\r\n\r\n", 400),
    "NUL in a value": (GET + b"A: b\0c\r\n\r\n", 400),
    "NUL in a name": (GET + b"A\0: b\r\n\r\n", 400),
    "control character": (GET + b"A: b\x01c\r\n\r\n", 400),
    "parenthesis in a name": (GET + b"A(b: c\r\n\r\n", 400),
    # Which host
    "two Hosts": (GET + b"Host: y\r\n\r\n", 400),
    "no Host": (b"GET /cas HTTP/1.1\r\n\r\n", 400),
    "no name of a host": (b"GET /cas HTTP/1.1\r\nHost: a b/\r\n\r\n", 400),
    # The request line
    "absolute target without a host": (b"GET http://[/cas HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "absolute target with a user": (b"GET http://a@x/cas HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "asterisk to get": (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a tunnel": (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    "relative target": (b"GET cas HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "two spaces": (b"GET  /cas  HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "space in the target": (b"GET /cas /x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "space at the end": (b"GET /cas HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
    "tabs": (b"GET\t/cas\tHTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "fragment": (b"GET /cas#x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "NUL in the target": (b"GET /cas\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "text beyond ASCII in the target": (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "method in small letters": (b"get /cas HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "unknown method": (b"FOO /cas HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "parenthesis in the method": (b"G(T /cas HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "two empty lines before": (b"\r\n\r\n" + GET + b"\r\n", 400),
    "space before": (b" " + GET + b"\r\n", 400),
    # Other versions
    "HTTP/0.9": (b"GET /cas\r\n\r\n", 400),
    "HTTP/0.9 with a number": (b"GET /cas HTTP/0.9\r\nHost: x\r\n\r\n", 505),
    "HTTP/1.2": (b"GET /cas HTTP/1.2\r\nHost: x\r\n\r\n", 505),
    "HTTP/2.0": (b"GET /cas HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "http/1.1": (b"GET /cas http/1.1\r\nHost: x\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    # Too much
    "long target": (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "long header": (GET + b"A: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    "many headers": (GET + b"A: b\r\n" * 100 + b"\r\n", 431),
    "large body": (PUT + b"Content-Length: 999999\r\n\r\n", 413),
}  # fmt: skip

# The client has said that nothing comes after it.
LAST = {
    "close": (GET + b"Connection: close\r\n\r\n", 200),
    "HTTP/1.0": (b"GET /cas HTTP/1.0\r\n\r\n", 200),
}


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answers)]


@pytest.mark.parametrize("name", GOOD)
def test_two_requests_are_two_requests(client: Client, name: str) -> None:
    data, status = GOOD[name]
    assert statuses(client.raw(data + SECOND)) == [status, 404]


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_is_in_doubt_ends_the_connection(
    client: Client, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    data, status = DOUBTFUL[name]
    answer = client.raw(data + SECOND)
    assert statuses(answer) == [status]
    assert b"\r\nConnection: close\r\n" in answer or answer.startswith(b"HTTP/1.0")
    assert answer.endswith(b".")
    # A stranger's mistake is none of ours.
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("name", LAST)
def test_nothing_comes_after_the_last(client: Client, name: str) -> None:
    data, status = LAST[name]
    assert statuses(client.raw(data + SECOND)) == [status]


@pytest.mark.parametrize("name", ["chunk extension", "length", "Upgrade with a body"])
def test_byte_by_byte(client: Client, name: str) -> None:
    data, status = GOOD[name]
    with socket.create_connection((ADDRESS, client.port), timeout=SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in data + SECOND:
            connection.sendall(bytes([number]))
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert statuses(answers) == [status, 404]


def test_many_requests_at_once_are_answered_in_order_without_being_kept(client: Client) -> None:
    """What comes before its turn waits where it is: in the kernel, and at its sender's."""
    many = 500
    data = b"".join(
        b"GET /cas/csr/%d%s" % (number, b" HTTP/1.1\r\nHost: x\r\n\r\n") for number in range(many)
    )
    answers = client.raw(data + SECOND)
    assert statuses(answers) == [404] * (many + 1)
