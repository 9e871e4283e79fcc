"""``caucase --list-crt`` and ``caucased-manage --verify-record``, against a real server and its real database."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.store import Database
from tests.server.material import Made, make

from .desk import CAUCASE, MANAGE, ROOT, Desk, on_terminal, open_desk, run

SCRIPT = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("list-crt")) as made:
        for name in ("www", "mail\x1b[31m"):
            made.server.client.issue(make(name).csr_pem, made.user)
        yield made


def lines(desk: Desk, *arguments: str) -> list[list[str]]:
    """The table without its head, its columns apart."""
    done = desk.caucase("--list-crt", *arguments)
    assert done.returncode == 0, done.stderr
    return [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()[1:]]


def test_for_people(desk: Desk) -> None:
    done = desk.caucase("--list-crt")
    assert done.returncode == 0, done.stderr
    head, www, mail = done.stdout.splitlines()
    assert head.split() == ["SERIAL", "SUBJECT", "NAMES", "STATE", "UNTIL", "HOW"]
    assert re.search(r"CN=www +valid +20\d\d-\d\d-\d\d \d\d:\d\d +signed by CN=boss$", www)
    assert "\x1b" not in mail
    assert r"\x1b[31m" in mail


def test_for_programs(desk: Desk) -> None:
    done = desk.caucase("--list-crt", "--json", "--name", "WWW")
    [found] = json.loads(done.stdout)["certificates"]
    assert found["subject"] == "CN=www"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["not_after"])
    assert json.loads(desk.caucase("--list-crt", "--json").stdout)["certificates"][0] == found
    nothing = desk.caucase("--list-crt", "--json", "--name", "nobody").stdout
    assert json.loads(nothing) == {"certificates": []}


def test_colours(desk: Desk) -> None:
    shown = on_terminal(CAUCASE, desk.folder, *desk.options, "--list-crt", "--threshold", "94")
    assert "\x1b[32mvalid\x1b[0m" in shown
    assert re.search(r"\x1b\[33m20\d\d-\d\d-\d\d \d\d:\d\d\x1b\[0m", shown)  # ends soon
    assert "\x1b[31m" not in shown  # which a certificate has in its name
    plain = on_terminal(CAUCASE, desk.folder, *desk.options, "--list-crt", more={"NO_COLOR": "1"})
    assert "\x1b" not in plain


def test_users(desk: Desk) -> None:
    ((_, subject, *_, how),) = lines(desk, "--mode", "user")
    assert (subject, how) == ("CN=boss", "automatic")


def test_what_expires(desk: Desk) -> None:
    assert len(lines(desk, "--expiring", "94")) == 2
    assert lines(desk, "--expiring", "92") == []
    assert len(lines(desk, "--expiring", "94", "--name", "www")) == 1


def test_renewed_and_revoked(desk: Desk) -> None:
    old: Made = make("cycle")
    bundle = old.bundle(desk.folder / "cycle.pem", desk.server.client.issue(old.csr_pem, desk.user))
    done = desk.caucase("--threshold", "93", "--renew-crt", str(bundle), "-")
    assert done.returncode == 0, done.stderr
    former, new = lines(desk, "--name", "cycle")
    assert new[-1] == f"renewed from {former[0]}"
    assert [line[0] for line in lines(desk, "--name", "cycle", "--expiring", "94")] == [new[0]]
    # As it is shown, so it is revoked.
    assert desk.caucase("--revoke-serial", new[0]).returncode == 0
    assert [line[2] for line in lines(desk, "--name", "cycle")] == ["valid", "REVOKED"]
    assert lines(desk, "--name", "cycle", "--expiring", "94") == []


def test_page_after_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lines(desk)
    monkeypatch.setattr("caucase.authority.record._SCAN", 1)  # in the server, which is of this process
    assert lines(desk) == whole


def test_nobody_else(desk: Desk) -> None:
    done = run(CAUCASE, desk.folder, "--ca-url", desk.server.origin, "--list-crt")
    assert (done.returncode, "--user-key" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--expiring", "3"], ["--name", "x"], ["--json"], ["--list-crt", "--name", ""]),
        *(["--list-crt", "--expiring", "-1"], ["--list-crt", "--name", "x" * 257]),
    ],
)
def test_mistakes(desk: Desk, arguments: list[str]) -> None:
    done = desk.caucase(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1


# On the server


def script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What docs/record.md has for somebody who does not want to believe this program."""
    (text,) = SCRIPT.findall((ROOT / "docs" / "record.md").read_text())
    assert len(text.splitlines()) <= 25
    assert "caucase import" not in text
    return subprocess.run(
        [sys.executable, "-c", text, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_verified_by_both(desk: Desk) -> None:
    """This program, and the script in the documentation, come to the same."""
    done = run(MANAGE, desk.folder, "--verify-record")
    assert done.returncode == 0, done.stderr
    cas, cau = done.stdout.splitlines()
    matched = re.fullmatch(r"CAS: (\d+) entries, from 1 to (\d+), ([0-9a-f]{64})", cas)
    assert matched
    assert matched[1] == matched[2]
    assert cau.startswith("CAU: 1 entries, from 1 to 1, ")
    told = json.loads(run(MANAGE, desk.folder, "--verify-record", "--json").stdout)["authorities"]
    assert told[0] == {
        "name": "cas",
        "entries": int(matched[1]),
        "first": 1,
        "last": int(matched[2]),
        "hash": matched[3],
        "problem": None,
    }
    other = script(desk.folder, "caucase.sqlite", "cas")
    assert (other.returncode, other.stdout) == (0, f"{matched[2]} {matched[3]}\n"), other.stderr
    assert script(desk.folder, "caucase.sqlite", "cas", "1").stdout.startswith("1 ")


def test_broken(desk: Desk, tmp_path: Path) -> None:
    copy = tmp_path / "caucase.sqlite"
    copy.touch(mode=0o600)
    with sqlite3.connect(desk.folder / "caucase.sqlite") as source, sqlite3.connect(copy) as target:
        source.backup(target)
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE record SET actor = 'CN=alice' WHERE context = 'cas' AND number = 2")
    done = run(MANAGE, tmp_path, "--verify-record")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first == (
        "The record of CAS is broken: entry 2 is not what it was, or was not made after the one before."
    )
    assert second.startswith("CAU: 1 entries")
    told = run(MANAGE, tmp_path, "--verify-record", "--json")
    assert told.returncode == 1
    assert [one["problem"] for one in json.loads(told.stdout)["authorities"]] == [first, None]
    other = script(tmp_path, "caucase.sqlite", "cas")
    assert (other.returncode, "entry 2" in other.stderr) == (1, True)


def test_an_empty_one(tmp_path: Path) -> None:
    Database(tmp_path / "caucase.sqlite").close()
    done = run(MANAGE, tmp_path, "--verify-record")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == f"CAS: no entries; the last one made was 0, {'0' * 64}"
