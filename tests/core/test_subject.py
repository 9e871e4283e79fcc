"""Subjects as text: RFC 4514's own examples, what is refused, and that whatever is written is read back."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from caucase.core.subject import SUBJECT_LIMIT, parse_subject
from caucase.errors import Malformed

CN, ORG, OU, DC, UID = (
    NameOID.COMMON_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.DOMAIN_COMPONENT,
    NameOID.USER_ID,
)


def parsed(text: str) -> list[list[tuple[x509.ObjectIdentifier, str]]]:
    return [[(attribute.oid, attribute.value) for attribute in rdn] for rdn in parse_subject(text).rdns]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CN=www", [[(CN, "www")]]),
        # RFC 4514 section 4.
        ("UID=jsmith,DC=example,DC=net", [[(DC, "net")], [(DC, "example")], [(UID, "jsmith")]]),
        (
            "OU=Sales+CN=J.  Smith,DC=example,DC=net",
            [[(DC, "net")], [(DC, "example")], [(OU, "Sales"), (CN, "J.  Smith")]],
        ),
        (r'CN=James \"Jim\" Smith\, III', [[(CN, 'James "Jim" Smith, III')]]),
        (r"CN=Lu\C4\8Di\C4\87", [[(CN, "Lučić")]]),
        ("CN=Lučić", [[(CN, "Lučić")]]),
        # Spaces around what is written are not part of it.
        (" cn = a b , o = c ", [[(ORG, "c")], [(CN, "a b")]]),
        (r"CN=\ a\ ,O=\#1", [[(ORG, "#1")], [(CN, " a ")]]),
        ("emailAddress=a@example.com", [[(NameOID.EMAIL_ADDRESS, "a@example.com")]]),
        ("serialNumber=42,C=DE", [[(NameOID.COUNTRY_NAME, "DE")], [(NameOID.SERIAL_NUMBER, "42")]]),
        ("CN=" + "x" * 64, [[(CN, "x" * 64)]]),
    ],
)  # fmt: skip
def test_what_is_written_is_what_the_name_says(
    text: str, expected: list[list[tuple[x509.ObjectIdentifier, str]]]
) -> None:
    assert [sorted(rdn, key=str) for rdn in parsed(text)] == [sorted(rdn, key=str) for rdn in expected]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read from ''"),
        ("www", "cannot be read from 'www'"),
        ("CN=", "CN has no value"),
        ("CN=a,", "cannot be read from ''"),
        ("CN=a;O=b", "cannot be read"),
        ("CN=a,b", "cannot be read from 'b'"),
        ("/CN=a", "cannot be read"),
        ("CN=#0403", "starts with '#'"),
        (r"CN=a\x", "cannot be read"),
        (r"CN=a\ff", "not UTF-8"),
        (r"CN=a\00b", "not printable"),
        ("CN=a\nb", "not printable"),
        ("CN=" + "x" * 65, "longer than 64"),
        ("C=DEU", "longer than 2"),
        ("C=de", "two capital letters"),
        ("DC=é", "ASCII"),
        ("CN=a+CN=b", "twice by '+'"),
        ("NICK=a", "'NICK' is not known"),
        ("CN=" + "x" * SUBJECT_LIMIT, f"longer than {SUBJECT_LIMIT}"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(Malformed, match="subject") as caught:
        parse_subject(text)
    assert said in str(caught.value)


@given(value=st.text(min_size=1, max_size=40).filter(str.isprintable))
def test_any_value_can_be_written(value: str) -> None:
    escaped = "".join(f"\\{byte:02x}" for byte in value.encode())
    assert parsed(f"CN={escaped},O=x")[1] == [(CN, value)]
    parse_subject(f"CN={escaped}").public_bytes()


@given(text=st.one_of(st.text(max_size=80), st.text(alphabet='CNOc=,+\\ #"0aé', max_size=40)))
def test_any_text_is_a_name_or_malformed(text: str) -> None:
    try:
        name = parse_subject(text)
    except Malformed:
        return
    assert list(name)
    name.public_bytes()


def test_a_common_name_that_has_more_bytes_than_letters() -> None:
    """Which version of the library counts what is no matter of whoever writes it: it is a name, or said to be none."""
    text = "ü" * 40
    try:
        [attribute] = parse_subject(f"CN={text}")
    except Malformed as error:
        assert "longer than 64 bytes" in str(error)
    else:
        assert attribute.value == text
