"""Colours where they are wanted, and columns that stay columns, whatever is in them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.cli.table import table
from caucase.cli.terminal import Colour, Painted, has_colours, paint, width, wrapped


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "no_color", "wanted"),
    [
        ("xterm-256color", None, True),
        ("dumb", None, False),
        ("", None, False),
        (None, None, False),
        ("xterm", "1", False),
        ("xterm", "", True),  # no-color.org: when present and not empty
    ],
)
def test_when_there_are_colours(
    monkeypatch: pytest.MonkeyPatch, terminal: str | None, no_color: str | None, wanted: bool
) -> None:
    for variable, value in (("TERM", terminal), ("NO_COLOR", no_color)):
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)
    assert has_colours(Terminal()) is wanted
    assert not has_colours(io.StringIO())


def test_paint() -> None:
    assert paint("x", Colour.RED) == "\x1b[31mx\x1b[0m"
    assert paint("x", None) == "x"
    assert paint("", Colour.RED) == ""


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("plain", 5), ("Zoë", 3), ("Zoe\N{COMBINING DIAERESIS}", 3), ("日本", 4), ("ｗ", 2), ("👍", 2)],
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


def test_table() -> None:
    rows = [
        ("NAME", "STATE", "END"),
        ("日本", Painted("EXPIRED", Colour.RED), "1"),
        ("e\N{COMBINING ACUTE ACCENT}", "", "2"),
    ]
    assert table(rows) == [
        "NAME  STATE    END",
        "日本  EXPIRED  1",
        "e\N{COMBINING ACUTE ACCENT}              2",
    ]
    coloured = table(rows, colours=True, separator=" | ")
    assert coloured[1] == "日本 | \x1b[31mEXPIRED\x1b[0m | 1"
    assert coloured[2] == "e\N{COMBINING ACUTE ACCENT}    |         | 2"


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("", 3, [""]),
        ("abc", 3, ["abc"]),
        ("abcd", 3, ["abc", "d"]),
        ("日本語", 3, ["日", "本", "語"]),
        ("日", 1, ["日"]),
        ("some words here", 12, ["some words ", "here"]),
        ("a bcdefghij", 8, ["a bcdefg", "hij"]),
    ],
)
def test_wrapped(text: str, columns: int, lines: list[str]) -> None:
    assert wrapped(text, columns) == lines


@given(st.text(alphabet="ab 日\N{COMBINING ACUTE ACCENT}"), st.integers(2, 12))
def test_nothing_is_lost_by_wrapping(text: str, columns: int) -> None:
    lines = wrapped(text, columns)
    assert "".join(lines) == text
    assert all(width(line) <= columns for line in lines)
