"""The log: fields for the journal, lines for stderr, and nothing a stranger sent that could forge either."""

from __future__ import annotations

import enum
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.authority.audit import AuditEvent
from caucase.host import journal
from caucase.host.events import EVENTS, FIELD_LIMIT, Audit, escape


class Kind(enum.Enum):
    SIGNED = "certificate_signed"
    REFUSED = "authentication_refused"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is sent to the journal while stderr is connected to it."""
    entries: list[dict[str, Any]] = []
    monkeypatch.setattr(
        journal.journal, "send", lambda message, **fields: entries.append({"MESSAGE": message, **fields})
    )
    monkeypatch.setattr(journal, "connected_to_journal", lambda: True)
    journal.setup_logging()
    return entries


def test_every_event_has_an_entry_and_ids_are_unique() -> None:
    assert {event.value for event in AuditEvent} <= set(EVENTS)
    ids = [event.message_id for event in EVENTS.values()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{32}", message_id) for message_id in ids)


def test_an_audit_entry_in_the_journal(sent: list[dict[str, Any]]) -> None:
    Audit()(Kind.SIGNED, context="cas", serial="0a1b", user=None, csr_id=7, subject="CN=a\nb")
    (entry,) = sent
    event = EVENTS["certificate_signed"]
    assert entry["MESSAGE"] == r'Certificate signed [context=cas serial=0a1b csr_id=7 subject="CN=a\\nb"]'
    assert entry["MESSAGE_ID"] == event.message_id
    assert entry["PRIORITY"] == "5"
    assert entry["SYSLOG_IDENTIFIER"] == "caucased"
    assert {name: value for name, value in entry.items() if name.startswith("CAUCASE_")} == {
        "CAUCASE_CONTEXT": "cas",
        "CAUCASE_SERIAL": "0a1b",
        "CAUCASE_CSR_ID": "7",
        "CAUCASE_SUBJECT": r"CN=a\nb",
    }


def test_other_messages_in_the_journal(sent: list[dict[str, Any]]) -> None:
    log = logging.getLogger("caucase.server")
    log.debug("left out")
    log.warning("watch %s", "out")
    try:
        raise ValueError("a\nb")
    except ValueError:
        log.exception("failed")
    assert [(entry["MESSAGE"].split("\n")[0], entry["PRIORITY"]) for entry in sent] == [
        ("watch out", "4"),
        ("failed", "3"),
    ]
    assert sent[1]["MESSAGE"].split("\n")[-2:] == ["ValueError: a", "b"]
    assert sent[0]["LOGGER"] == "caucase.server"
    assert sent[0]["CODE_FILE"] == __file__


def test_lines_on_stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    journal.setup_logging(verbose=True)
    Audit()(Kind.REFUSED, address="192.0.2.1", user='x" serial=5')
    logging.getLogger("caucase.server").debug("detail\x1b[2J")
    logging.getLogger(journal.ACCESS_LOGGER).info('192.0.2.1 - - [..] "GET / HTTP/1.1" 200 5')
    try:
        raise ValueError("2026-01-01 00:00:00 info forged\n2026-01-01 00:00:00 info forged")
    except ValueError:
        logging.getLogger("caucase").exception("failed")
    first, second, third, fourth, *rest = capsys.readouterr().err.splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(
        stamp + r' warning Authentication refused \[address=192\.0\.2\.1 user="x\\" serial=5"\]', first
    )
    assert re.fullmatch(stamp + r" debug detail\\x1b\[2J", second)
    assert third == '192.0.2.1 - - [..] "GET / HTTP/1.1" 200 5'
    assert re.fullmatch(stamp + " error failed", fourth)
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_stderr_is_the_journal_if_device_and_inode_match(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "stream").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        status = os.fstat(stream.fileno())
        for value, expected in (
            (f"{status.st_dev}:{status.st_ino}", True),
            (f"{status.st_dev}:{status.st_ino + 1}", False),
            ("", False),
            ("nonsense", False),
        ):
            monkeypatch.setenv("JOURNAL_STREAM", value)
            assert journal.connected_to_journal() is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CN=Zoë, O=株式会社", "CN=Zoë, O=株式会社"),
        ("a\r\nb\0\x1b[31m\x7f\x85", r"a\r\nb\x00\x1b[31m\x7f\x85"),
        ("\u202eabc\u2066\u200b\ufeff\u2028", r"\u202eabc\u2066\u200b\ufeff\u2028"),
        ("\udc80\U000e0041", r"\udc80\U000e0041"),
    ],
)
def test_escape(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_long_values_are_cut(sent: list[dict[str, Any]]) -> None:
    assert escape("x" * 11, 10) == "x" * 10 + "…"
    Audit()(Kind.REFUSED, user="y" * 100_000)
    assert sent[0]["CAUCASE_USER"] == "y" * FIELD_LIMIT + "…"


@given(text=st.text())
def test_what_is_escaped_is_printable_and_stays_as_it_is(text: str) -> None:
    once = escape(text)
    assert once.isprintable()
    assert escape(once) == once
    assert once == text or not text.isprintable()


def test_what_is_done_by_hand_to_the_installed_server_is_in_the_journal_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    entries: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "systemd.journal.send", lambda message, **fields: entries.append({**fields, "": message})
    )
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    there = tmp_path / "socket"
    monkeypatch.setattr("caucase.host.journal._JOURNAL", there)
    for exists, is_installed, count in ((False, True, 0), (True, False, 0), (True, True, 1)):
        if exists:
            there.touch()
        journal.setup_logging(program="caucased-manage", is_installed=is_installed)
        Audit()(Kind.SIGNED, serial="abc")
        logging.getLogger("caucase").warning("not an audit entry")
        assert [entry["CAUCASE_SERIAL"] for entry in entries] == ["abc"] * count
    assert capsys.readouterr().err.count("Certificate signed") == 3
    journal.setup_logging()
