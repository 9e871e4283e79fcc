"""The address: what is read, what it means, and that nothing else gets through."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.core.netloc import NetLoc, https_port_for
from caucase.errors import Malformed


@pytest.mark.parametrize(
    ("text", "http", "https", "ip"),
    [
        ("ca.example.com", "ca.example.com", "ca.example.com", None),
        ("ca.example.com:80", "ca.example.com", "ca.example.com", None),
        ("ca.example.com:8009", "ca.example.com:8009", "ca.example.com:8010", None),
        ("ca:442", "ca:442", "ca", None),  # 442 + 1 is HTTPS's own
        ("ca:65534", "ca:65534", "ca:65535", None),
        ("CA", "CA", "CA", None),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ("192.0.2.1:8009", "192.0.2.1:8009", "192.0.2.1:8010", "192.0.2.1"),
        ("[2001:db8::1]", "[2001:db8::1]", "[2001:db8::1]", "2001:db8::1"),
        ("[2001:DB8:0::1]:8009", "[2001:db8::1]:8009", "[2001:db8::1]:8010", "2001:db8::1"),
    ],
)
def test_read(text: str, http: str, https: str, ip: str | None) -> None:
    netloc = NetLoc.parse(text)
    assert (netloc.authority, netloc.https_authority) == (http, https)
    assert netloc.ip == (ipaddress.ip_address(ip) if ip else None)


@pytest.mark.parametrize(
    "text",
    ["", ":", ":80", "host:", "host:0", "host:65535", "host:99999999999999999999", "host:-1", "host:+1", "host: 80", "host:0000801234", "host:000000", "host:٨", "host:80:80", "2001:db8::1", "[2001:db8::1", "[]", "[::1]:", "[::1]x", "[192.0.2.1]", "[host]", "[fe80::1%eth0]", "[fe80::1%25eth0]:80", "127.1", "256.1.1.1", "1.2.3.4.5", "1.2.3.04", "-a", "a-", "a..b", ".a", "a.", "a_b", "a/b", "a b", "a\n", "a?b", "a#b", "user@host", "bücher.example", "a" * 64, ".".join(["a" * 63] * 4), "http://host", "*", "a\x00", "²"],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(Malformed):
        NetLoc.parse(text)


@given(st.text() | st.from_regex(r"\[?[0-9a-zA-Z.:%-]{0,40}\]?(:[0-9]{0,12})?\n?"))
def test_any_text_is_an_address_or_malformed(text: str) -> None:
    try:
        netloc = NetLoc.parse(text)
    except Malformed:
        return
    assert NetLoc.parse(str(netloc)) == netloc
    assert NetLoc.parse(netloc.authority).http_port == netloc.http_port
    assert 1 <= netloc.http_port < netloc.https_port <= 65535
    assert netloc.authority.isascii()
    assert not set(netloc.authority) & set("/?#@ %\\\n")


def test_https_port() -> None:
    assert [https_port_for(port) for port in (80, 443, 8009)] == [443, 444, 8010]
