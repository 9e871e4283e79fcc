"""The gate in front of the parser: what passes is in one form, however it comes in, and nothing else passes."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caucase.server.framing import NONSENSE, Gate, HeadLimits, Refused

LIMITS = HeadLimits(size=600, count=10, url_length=100)
PLAIN = b"GET /cas HTTP/1.1\r\nHost: x\r\n\r\n"
PUT = b"PUT /cas/csr HTTP/1.1\r\nHost: x\r\n"
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"
# Whatever RFC 9112 knows, and what is near to it.
PIECES = (
    *(PLAIN, PUT, CHUNKED, b"GET ", b"/", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\n", b"\r", b"Host: x", b": ", b" "),
    *(b"Content-Length: 5", b"content-length:3", b"Transfer-Encoding: chunked", b"\r\n\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n"),
    *(b"hello", b"5;a=b\r\n", b"a: b\r\n", b"\0", b"\xff", b"Upgrade: h2c\r\n", b"http://x", b"*", b"ffffffff\r\n", b"0\r\n"),
)  # fmt: skip


def through(gate: Gate, data: bytes) -> tuple[bytes, int]:
    """What passes of all of it, and the status if it ends in a refusal."""
    passed = b""
    while data:
        try:
            part, data = gate.feed(data)
        except Refused as refused:
            return passed, refused.status
        passed += part
    return passed, 0


def one_by_one(data: bytes, sizes: list[int]) -> tuple[bytes, int]:
    """The same, in pieces of those sizes."""
    gate, passed, at, number = Gate(LIMITS), b"", 0, 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        part, status = through(gate, data[at : at + size])
        passed += part
        if status:
            return passed, status
        at, number = at + size, number + 1
    return passed, 0


def meaning(passed: bytes) -> bytes:
    """The same whatever pieces a chunked body has come in."""
    return re.sub(rb"\r\n[0-9a-f]+\r\n(?=.)", b"", passed, flags=re.DOTALL)


def test_plain_requests_pass_as_they_are() -> None:
    body = PUT + b"Content-Length: 5\r\n\r\nhello"
    old = b"GET /cas?a=b HTTP/1.0\r\n\r\n"
    for data in (PLAIN, body, old, PLAIN + PLAIN, body + PLAIN, body + body):
        assert through(Gate(LIMITS), data) == (data, 0)


def test_a_request_ends_where_it_says() -> None:
    gate = Gate(LIMITS)
    first = PUT + b"Content-Length: 5\r\n\r\n"
    assert gate.feed(first + b"helloGET") == (first + b"hello", b"GET")
    assert gate.is_between
    assert gate.feed(b"GET") == (b"", b"")
    assert gate.in_head
    assert not gate.is_between


@pytest.mark.parametrize(
    ("data", "passed"),
    [
        (b"GET http://x/cas?a HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /cas?a HTTP/1.1\r\nHost: x\r\n\r\n"),
        (b"GET HTTPS://[::1]:80 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        (b"GET http://x?a HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /?a HTTP/1.1\r\nHost: x\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: a\r\nUpgrade: b\r\nA: upgrade: c\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: upgrade: c\r\n\r\n"),
        (b"\r\n" + PLAIN, PLAIN),
        (CHUNKED + b"5;a=b\r\nhello\r\n00;x\r\nX: y\r\n\r\n", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"),
        (CHUNKED + b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", CHUNKED + b"6\r\nhello!\r\n0\r\n\r\n"),
        (CHUNKED + b"0\r\n\r\n" + PLAIN, CHUNKED + b"0\r\n\r\n" + PLAIN),
    ],
)  # fmt: skip
def test_one_form(data: bytes, passed: bytes) -> None:
    assert through(Gate(LIMITS), data) == (passed, 0)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"x" * 100 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /" + b"x" * 1000, 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 600 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 600, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10 + b"\r\n", 431),
        (b"GET / HTTP/1.1\nHost", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"\x16\x03\x01", 400),
        (b"\r\n\r\n", 400),
    ],
)
def test_refused_as_soon_as_it_is_clear(data: bytes, status: int) -> None:
    assert through(Gate(LIMITS), data) == (b"", status)


def test_exactly_the_limits() -> None:
    head = b"GET /" + b"x" * 99 + b" HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 8
    head += b"B: " + b"y" * (600 - len(head) - 7) + b"\r\n\r\n"
    assert len(head) == 600
    assert through(Gate(LIMITS), head) == one_by_one(head, [1]) == (head, 0)
    assert through(Gate(LIMITS), b"\r\n" + head) == (head, 0)
    longer = head.replace(b"B: ", b"B: y")
    assert through(Gate(LIMITS), longer) == one_by_one(longer, [1]) == (b"", 431)


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhelloXX0\r\n\r\n", b"5\nhello\n0\n\n", b"5 \r\nhello\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"\r\n",
        b"123456789\r\n", b"5;a=\0\r\n", b"0\r\nnocolon\r\n\r\n", b"0\r\n\n", b"0\r\nA: " + b"b" * 600, b"1\r\nx\rz",
        b"5;" + b"a" * 2000, b"0\r\n" + b"A: b\r\n" * 101,
    ],
)  # fmt: skip
def test_a_broken_body_makes_the_parser_fail_in_its_turn(body: bytes) -> None:
    passed, status = through(Gate(LIMITS), CHUNKED + body + PLAIN)
    assert not status
    assert passed.startswith(CHUNKED)
    assert passed.endswith(NONSENSE)
    assert b"/cas HTTP" not in passed


def test_many_small_chunks_are_too_many() -> None:
    gate = Gate(LIMITS)
    passed, _ = through(gate, CHUNKED + b"1\r\nx\r\n" * 16_384)
    assert not passed.endswith(NONSENSE)
    assert through(gate, b"1\r\nx\r\n")[0].endswith(NONSENSE)


def test_nothing_after_the_end() -> None:
    gate = Gate(LIMITS)
    gate.end()
    assert gate.feed(PLAIN) == (b"", b"")


ANYTHING = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=12).map(b"".join)


@given(ANYTHING, st.lists(st.integers(1, 30), min_size=1, max_size=5))
@example(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + PLAIN, [1])
@example(b"\r\n" + PLAIN, [1])
def test_it_does_not_matter_in_which_pieces_it_comes(data: bytes, sizes: list[int]) -> None:
    whole, pieces = one_by_one(data, [len(data) or 1]), one_by_one(data, sizes)
    assert meaning(whole[0]) == meaning(pieces[0])
    # Of several mistakes the first that is seen is told.
    assert bool(whole[1]) == bool(pieces[1])


@given(ANYTHING)
def test_what_has_passed_passes_again_unchanged(data: bytes) -> None:
    """So there is nothing in it any more that somebody could read in another way."""
    passed, _ = one_by_one(data, [len(data) or 1])
    if not passed.endswith(NONSENSE):
        assert one_by_one(passed, [len(passed) or 1]) == (passed, 0)
