"""Text of strangers: nothing in it is hidden, and it stays what it was."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.core.subject import parse_subject
from caucase.errors import Malformed
from caucase.server.pages.visible import Look, escaped, pieces, unusual


def shown(text: str) -> str:
    """With brackets around what is shown instead, and around what is marked."""
    marks = {Look.PLAIN: "{}", Look.FOREIGN: "<{}>", Look.HIDDEN: "[{}]"}
    return "".join(marks[piece.look].format(piece.text) for piece in pieces(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("www.example.com", "www.example.com"),
        ("a\0b", "a[U+0000]b"),
        ("a\r\nb\tc", "a[U+000D][U+000A]b[U+0009]c"),
        ("\x1b[31m", "[U+001B][31m"),
        ("gpj\u202egpj.exe", "gpj[U+202E]gpj.exe"),
        ("\u2066a\u2069", "[U+2066]a[U+2069]"),
        ("\u200ba\ufeff", "[U+200B]a[U+FEFF]"),
        ("a\u00a0b\u2028c", "a[U+00A0]b[U+2028]c"),
        ("a\u3164b\u2800c\uffa0d\u115fe", "a[U+3164]b[U+2800]c[U+FFA0]d[U+115F]e"),
        ("a\ufe0fb\U000e0101", "a[U+FE0F]b[U+E0101]"),
        ("\U000e0041", "[U+E0041]"),
        ("\ud800", "[U+D800]"),
        ("pаypаl", "p<а>yp<а>l"),
        ("Zoë", "Zo<ë>"),
        ("Z" + "\u0301" * 4, "<Z\u0301\u0301>[U+0301][U+0301]"),
        ("\u0301a\0\u0301b\u0301", "[U+0301]a[U+0000][U+0301]<b\u0301>"),
        ("日本", "<日本>"),
        ("אב", "<אב>"),
    ],
)
def test_pieces(text: str, expected: str) -> None:
    assert shown(text) == expected


@given(st.text(alphabet=st.characters(), max_size=60))
def test_nothing_is_hidden_and_nothing_lost(text: str) -> None:
    found = pieces(text)
    back = "".join(
        chr(int(piece.text[2:], 16)) if piece.look is Look.HIDDEN else piece.text for piece in found
    )
    assert back == text
    for piece in found:
        assert piece.text.isprintable()
        assert piece.look is Look.FOREIGN or piece.text.isascii()
        assert not {unicodedata.bidirectional(one) for one in piece.text} & {
            "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
        }  # fmt: skip


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=30))
def test_what_is_edited_means_the_same(text: str) -> None:
    """What can be written in a subject stays; what cannot is refused."""
    for_form = escaped(text.replace("\\", "\\\\").replace(",", "\\,").replace("+", "\\+"))
    assert for_form.isprintable()
    try:
        [attribute] = parse_subject(f"O={for_form}")
    except Malformed:
        return
    assert attribute.value.strip() == text.strip()


def test_unusual() -> None:
    assert unusual("www.example.com", 8) == []
    assert unusual("pаypаl\n", 8) == ["U+0430 CYRILLIC SMALL LETTER A", "U+000A"]
    assert len(unusual("".join(map(chr, range(0x400, 0x480))), 8)) == 8
