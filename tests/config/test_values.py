"""The parsers of option values, one by one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.config import values

PARSERS = [
    values.boolean, values.path, values.whole(0, 9), values.days(), values.time_span, values.netloc,
    values.ca_key_type, values.address, values.origin,
]  # fmt: skip


@given(text=st.text(max_size=30))
def test_any_text_gives_a_value_or_a_value_error_in_one_line(text: str) -> None:
    for parse in PARSERS:
        try:
            parse(text)
        except ValueError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("90", 90), ("0.5", 0.5), ("90s", 90), ("10min", 600), ("10 min", 600), ("1h30m", 5400),
        ("1h 30min", 5400), ("250ms", 0.25), ("2days", 172800), ("1w", 604800), ("1.5hours", 5400),
    ],
)  # fmt: skip
def test_time_spans(text: str, seconds: float) -> None:
    assert values.time_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "10 parsecs", "min", "10min x", "1e3", "inf", "nan", "5M", "99999999d", "999999999w", "٣"],
)
def test_wrong_time_spans(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|longer"):
        values.time_span(text)


def test_a_time_span_of_many_parts_and_blanks_is_refused_at_once() -> None:
    """Found by hypothesis, which would have waited for ever: a blank could belong to either of two parts."""
    with pytest.raises(ValueError, match="neither"):
        values.time_span("\t 1  min \t " * 5000 + "!")


@given(amount=st.integers(0, 3000), unit=st.sampled_from(["s", "sec", "min", "h", "d"]))
def test_a_time_span_in_parts_is_their_sum(amount: int, unit: str) -> None:
    assert values.time_span(f"{amount}{unit} 30s") == values.time_span(f"{amount}{unit}") + timedelta(
        seconds=30
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://Example.COM", "https://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("http://[::1]:80", "http://[::1]"),
        ("moz-extension://0a1b", "moz-extension://0a1b"),
    ],
)
def test_origins_are_given_as_browsers_send_them(text: str, expected: str) -> None:
    assert values.origin(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "*", "example.com", "https://", "https://a/", "https://a/b", "https://a?b", "https://a#b",
        "https://u@a", "https://a:", "https://a:0", "https://a:65536", "https://[::1", "https://[::1]x", "https://é",
    ],
)  # fmt: skip
def test_wrong_origins(text: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        values.origin(text)


@pytest.mark.parametrize("text", ["127.0.0.1", "::", "fe80::1%eth0", "2001:db8::1"])
def test_addresses(text: str) -> None:
    assert values.address(text) == text


@pytest.mark.parametrize("text", ["localhost", "127.1", "[::1]", "127.0.0.1:80", ""])
def test_wrong_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address"):
        values.address(text)


@pytest.mark.parametrize("text", ["0", "-1", "0.5", "3651", "1e2", "one"])
def test_wrong_validities(text: str) -> None:
    with pytest.raises(ValueError, match="days"):
        values.days(minimum=values.DAY)(text)


@pytest.mark.parametrize("name", values.CA_KEY_TYPES)
def test_key_types_of_a_ca(name: str) -> None:
    assert str(values.ca_key_type(name)) == name


@pytest.mark.parametrize("name", ["ec:P-521", "ed25519", "rsa:1024", "rsa:3000", "RSA:2048", ""])
def test_key_types_that_no_ca_has(name: str) -> None:
    with pytest.raises(ValueError, match="is not a key type for a CA"):
        values.ca_key_type(name)


def test_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert values.path("~/db") == Path("/home/someone/db")
    assert values.path("db") == Path("db")
    for wrong in ("", "a\0b", "~nobody-of-that-name/db"):
        with pytest.raises(ValueError, match=r"file name|home directory"):
            values.path(wrong)
