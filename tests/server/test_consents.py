"""The cookie that remembers what users said of web pages of other origins, and the secrets with which it is signed."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, unquote

import pytest

from caucase.authority import Principal
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial
from caucase.errors import StoreError
from caucase.server import consent, consent_keys
from caucase.server.consent_keys import ConsentKeys
from caucase.server.cors import Consents

if TYPE_CHECKING:
    from caucase.server.call import Call

PAGE = "https://page.example"
USER = "CN=alice"
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT = Path(__file__).parents[2]


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


# The cookie


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> ConsentKeys:
    return ConsentKeys(tmp_path / "cors.key", clock=clock)


@pytest.fixture
def consents(keys: ConsentKeys, clock: Clock) -> Consents:
    return Consents(keys, clock=clock)


def test_cookie_remembers(consents: Consents) -> None:
    cookie = consents.remember(None, PAGE, user=USER, allowed=True)
    cookie = consents.remember(cookie, "http://other.example:81", user=USER, allowed=False)
    read = consents.read(cookie, USER)
    assert read.answers == {PAGE: True, "http://other.example:81": False}
    assert not read.is_stale
    changed = consents.read(consents.remember(cookie, PAGE, user=USER, allowed=False), USER)
    assert changed.answers == {PAGE: False, "http://other.example:81": False}


def test_no_cookie(consents: Consents, tmp_path: Path) -> None:
    for cookie in (None, ""):
        assert consents.read(cookie, USER).answers == {}
        assert not consents.read(cookie, USER).is_stale
    assert not (tmp_path / "cors.key").exists()


@pytest.mark.parametrize("cookie", ["x", "[]", "%ff", "{", '"text"', "%5B" * 2000, quote("[" * 100_000)])
def test_malformed_cookie(consents: Consents, cookie: str) -> None:
    read = consents.read(cookie, USER)
    assert (read.answers, read.is_stale, read.dump()) == ({}, True, "")


def test_forged_entries(consents: Consents) -> None:
    cookie = consents.remember(None, PAGE, user=USER, allowed=True)
    token = json.loads(unquote(cookie))[PAGE]
    forged = {PAGE: token, "https://evil.example": token, "https://a.example": "x", "https://b.example": 5}
    read = consents.read(quote(json.dumps(forged)), USER)
    assert (read.answers, read.is_stale) == ({PAGE: True}, True)
    assert consents.read(read.dump(), USER).answers == {PAGE: True}
    assert not consents.read(read.dump(), USER).is_stale


def test_cookie_stays_short(consents: Consents) -> None:
    cookie = None
    for number in range(40):
        cookie = consents.remember(cookie, f"https://page{number}.example", user=USER, allowed=True)
        assert len(cookie) < 4000
    answers = consents.read(cookie, USER).answers
    assert "https://page39.example" in answers
    assert "https://page0.example" not in answers
    assert len(answers) > 5


def test_cookie_ages(consents: Consents, clock: Clock) -> None:
    cookie = consents.remember(None, PAGE, user=USER, allowed=True)
    clock.now += 364 * DAY
    assert consents.read(cookie, USER).answers == {PAGE: True}
    clock.now += 2 * DAY
    assert consents.read(cookie, USER).is_stale


# The secrets


def test_secrets_live_a_year_and_change_at_half_time(keys: ConsentKeys, clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "cors.key"
    [first] = keys.signing()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    clock.now += 182 * DAY
    assert keys.signing() == [first]
    clock.now += DAY
    [_, second] = keys.signing()
    assert keys.valid() == [first, second]
    assert ConsentKeys(path, clock=clock).valid() == [first, second]
    clock.now += 183 * DAY
    assert keys.valid() == [second]
    [_, third] = keys.signing()
    assert keys.valid() == [second, third]
    assert first.hex() not in path.read_text()


def test_old_cookie_and_new_secret(consents: Consents, keys: ConsentKeys, clock: Clock) -> None:
    cookie = consents.remember(None, PAGE, user=USER, allowed=True)
    clock.now += 200 * DAY
    assert len(keys.signing()) == 2
    assert consents.read(cookie, USER).answers == {PAGE: True}


def test_another_process_is_noticed(tmp_path: Path, clock: Clock) -> None:
    one, other = (ConsentKeys(tmp_path / "cors.key", clock=clock) for _ in range(2))
    assert one.signing() == other.valid() == other.signing()
    clock.now += 200 * DAY
    assert other.signing() == one.signing()


_SIGN = """
import pathlib, sys
from caucase.clock import now
from caucase.server.consent_keys import ConsentKeys
print(ConsentKeys(pathlib.Path(sys.argv[1]), clock=now).signing())
"""


def test_processes_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SIGN, str(tmp_path / "cors.key")]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(6)]
    said = [process.communicate(timeout=30)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6
    assert len(set(said)) == 1


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0and more"])
def test_the_peers_store_is_replaced(keys: ConsentKeys, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cors.key").write_bytes(content)
    assert keys.valid() == []
    assert len(keys.signing()) == 1


@pytest.mark.parametrize(
    "content", [b"-----BEGIN PRIVATE KEY-----", b"{}x", b"[1]", b'[{"made": 1}]', b"\xff"]
)
def test_foreign_file_is_left_alone(keys: ConsentKeys, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cors.key"
    path.write_bytes(content)
    for use in (keys.valid, keys.signing):
        with pytest.raises(StoreError, match=r"cors\.key"):
            use()
    assert path.read_bytes() == content


def test_answers_are_one_users(consents: Consents) -> None:
    """Whoever can reach the server gets such a cookie, and may get it into another's browser."""
    cookie = consents.remember(None, PAGE, user=None, allowed=True)
    cookie = consents.remember(cookie, "https://other.example", user="CN=mallory", allowed=True)
    for user, answers in (
        (None, {PAGE: True}),
        ("CN=mallory", {"https://other.example": True}),
        (USER, {}),
        ("", {}),
    ):
        assert consents.read(cookie, user).answers == answers
        assert not consents.read(cookie, user).is_stale, "the others' are left alone"
    own = consents.remember(cookie, PAGE, user=USER, allowed=False)
    assert consents.read(own, USER).answers == {PAGE: False}
    assert consents.read(own, None).answers == {}


def test_whose_answers_count() -> None:
    """Nobody is not the same as a user without a subject, and those are not the same as each other."""

    def user(principal: Principal | None) -> str | None:
        return consent.user_of(cast("Call", SimpleNamespace(look_who_calls=lambda: principal)))

    alice = Principal(subject="CN=alice", serial=Serial(1), key_id=KeyId(b"1"))
    nameless = [Principal(subject="", serial=Serial(2), key_id=KeyId(key)) for key in (b"2", b"3")]
    texts = [user(one) for one in (alice, *nameless)]
    assert user(None) is None
    assert all(texts)
    assert len(set(texts)) == 3
    assert user(replace(alice, serial=Serial(9), key_id=KeyId(b"9"))) == texts[0], "renewed"


def test_no_folder(tmp_path: Path, clock: Clock) -> None:
    keys = ConsentKeys(tmp_path / "missing" / "cors.key", clock=clock)
    assert keys.valid() == []
    with pytest.raises(StoreError, match=r"cors\.key cannot be used: No such file"):
        keys.signing()


def test_life() -> None:
    assert timedelta(days=365) == consent_keys.LIFE
