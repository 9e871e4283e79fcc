"""``caucase --list-csr`` and ``--show-csr``: what somebody sees who has to decide, whatever strangers have written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from caucase.authority.policy import PROFILES, ContextName
from caucase.cli.csr import ShownRequest
from caucase.client import Mode
from caucase.core.keys import KeyType
from caucase.core.pem import REQUEST, to_pem
from tests.core import der

from .desk import CAUCASE, ROOT, Desk, on_terminal, open_desk

HOSTILE = (
    "\N{RIGHT-TO-LEFT OVERRIDE}moc.elpmaxe\x1b[2J\x1b]0;owned\x07\0\nrequest 1, for a user" + "x" * 10240
)
TERMINAL_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("csr")) as made:
        yield made


@pytest.fixture
def plain(desk: Desk, make_csr) -> Iterator[str]:
    """An ordinary request."""
    names = [x509.DNSName("www.example.com"), x509.DNSName("example.com")]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING]
    extensions = [
        (x509.SubjectAlternativeName(names), False),
        (x509.ExtendedKeyUsage(purposes), False),
        (x509.OCSPNoCheck(), False),
    ]
    csr_id = desk.submit(make_csr(key=KeyType.parse("rsa:2048").generate(), extensions=extensions))
    yield csr_id
    desk.caucase("--reject-csr", csr_id)


@pytest.fixture
def hostile(desk: Desk) -> Iterator[str]:
    """One that no sane program makes: controls and 10 KiB in subject and names."""
    subject = der.name(
        (der.CN, der.UTF8, HOSTILE[:40].encode()),
        ("2.5.4.10", der.UTF8, HOSTILE.encode()),
    )
    names = der.san(der.tlv(0x82, HOSTILE[1:].encode()), der.tlv(0x86, b"javascript:\x1b[31m"))
    csr_id = desk.submit(to_pem(der.request(subject, names), REQUEST))
    yield csr_id
    desk.caucase("--reject-csr", csr_id)


def test_the_list(desk: Desk, plain: str) -> None:
    done = desk.caucase("--list-csr")
    assert done.returncode == 0, done.stderr
    begin, head, line, end = done.stdout.splitlines()
    assert (begin, end) == ("-- pending service CSRs --", "-- end of pending service CSRs --")
    assert [cell.strip() for cell in head.split("|")] == ["csr_id", "subject", "names", "key", "age", "from"]
    csr_id, subject, names, key, how_old, where = (cell.strip() for cell in line.split("|"))
    assert csr_id == plain
    assert subject == "CN=www.example.com"
    assert names == "DNS:www.example.com DNS:example.com"
    assert re.fullmatch(r"rsa:2048 [0-9a-f]{16}", key)
    assert re.fullmatch(r"\d+ s", how_old)
    assert where == "127.0.0.1"
    # Where it always was: the id in a column of 20, and then a bar.
    assert line[:23] == f"{plain:>20} | "


def test_the_list_when_nothing_waits(desk: Desk) -> None:
    assert len(desk.caucase("--list-csr").stdout.splitlines()) == 3
    done = desk.caucase("--list-csr", "--json", "--mode", "user")
    assert json.loads(done.stdout) == {"mode": "user", "requests": []}


def test_the_list_for_programs(desk: Desk, plain: str) -> None:
    done = desk.caucase("--list-csr", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["mode"] == "service"
    [found] = document["requests"]
    received = datetime.fromisoformat(found.pop("received_at").replace("Z", "+00:00"))
    assert abs(datetime.now(UTC) - received) < timedelta(minutes=2)
    assert re.fullmatch(r"[0-9a-f]{40}", found.pop("key_id"))
    extensions = {extension["name"]: extension for extension in found.pop("extensions")}
    assert found == {
        "id": plain,
        "requested_from": "127.0.0.1",
        "subject": "CN=www.example.com",
        "names": ["DNS:www.example.com", "DNS:example.com"],
        "key": "rsa:2048",
        "signature": "sha256WithRSAEncryption",
        "ignored": [],
        "refusal": None,
        "error": None,
    }
    assert extensions["extKeyUsage"] == {
        "oid": "2.5.29.37",
        "name": "extKeyUsage",
        "fate": "changed",
        "asked": ["serverAuth", "OCSPSigning"],
        "asked_critical": False,
        "issued": ["serverAuth"],
        "issued_critical": False,
        "reason": "OCSPSigning would let the key speak for the CA.",
    }
    assert {name: extension["fate"] for name, extension in extensions.items()} == {
        "subjectAltName": "kept",
        "extKeyUsage": "changed",
        "ocspNoCheck": "dropped",
        "basicConstraints": "added",
        "subjectKeyIdentifier": "added",
        "authorityKeyIdentifier": "added",
        "cRLDistributionPoints": "added",
    }


def test_the_keys_are_documented(desk: Desk, plain: str) -> None:
    [found] = json.loads(desk.caucase("--list-csr", "--json").stdout)["requests"]
    manual = (ROOT / "man" / "caucase.1.scd").read_text().replace("\\_", "_")
    guide = (ROOT / "docs" / "command-line.md").read_text()
    for key in (*found, *found["extensions"][0], "mode", "requests"):
        assert f"_{key}_" in manual, key
        assert f"`{key}" in guide, key


def test_one_request(desk: Desk, plain: str) -> None:
    """Without a user's key: whoever has the id may look."""
    done = desk.caucase("--show-csr", plain)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"request {plain}, for a service"
    text = "\n".join(lines)
    for said in (
        r"  subject     CN=www\.example\.com\n",
        r"  names       DNS:www\.example\.com\n              DNS:example\.com\n",
        r"  key         rsa:2048, [0-9a-f]{40}\n",
        r"  signed with sha256WithRSAEncryption\n",
        r"  usages      serverAuth, OCSPSigning\n",
        r"  extensions  kept: subjectAltName: DNS:www\.example\.com, DNS:example\.com\n",
        r"CHANGED: extKeyUsage: serverAuth, OCSPSigning becomes serverAuth\. OCSPSigning would",
        r"DROPPED: ocspNoCheck: DER:0500\. This CA writes no such extension\.",
        r"added: basicConstraints: critical, CA:FALSE",
    ):
        assert re.search(said, text), f"{said}\n{text}"


def test_several_requests_one_of_them_gone(desk: Desk, plain: str) -> None:
    done = desk.caucase("--show-csr", "7", plain)
    assert done.returncode == 1
    assert done.stderr.startswith("caucase: 7: ")
    assert done.stdout.startswith(f"request {plain}, for a service\n")
    found = json.loads(desk.caucase("--show-csr", plain, "7", "--json").stdout)
    assert [request["id"] for request in found["requests"]] == [plain]
    assert found["requests"][0]["received_at"] is None  # told to users only, with the list


@pytest.mark.parametrize("option", ["--list-csr", "--show-csr"])
def test_hostile_content_does_nothing_to_a_terminal(desk: Desk, hostile: str, option: str) -> None:
    arguments = (option,) if option == "--list-csr" else (option, hostile)
    shown = on_terminal(CAUCASE, desk.folder, *desk.options, *arguments)
    # Colours are ours: they have their escapes, and nothing else has one.
    without_colours = re.sub(r"\x1b\[(?:0|3[123])m", "", shown)
    assert TERMINAL_CONTROL.findall(without_colours) == []
    assert "\x1b" not in without_colours
    assert r"\u202e" in shown
    assert r"\x1b[2J" in shown.replace("\n              ", "")
    # No line of theirs looks like one of ours, and nothing is longer than a person reads.
    lines = shown.splitlines()
    assert len([line for line in lines if line.startswith("request ")]) == (option == "--show-csr")
    assert max(map(len, lines)) < 200
    assert len(lines) < 100
    if option == "--show-csr":
        assert max(map(len, lines)) <= 80
        assert re.search(
            r"\(\d{5} characters; all of them with --json\)", shown.replace("\n              ", "")
        )


def test_hostile_content_is_complete_for_programs(desk: Desk, hostile: str) -> None:
    done = desk.caucase("--list-csr", "--json")
    assert done.stdout.isascii()
    assert TERMINAL_CONTROL.findall(done.stdout) == []
    [found] = json.loads(done.stdout)["requests"]
    assert found["id"] == hostile
    assert found["names"][1] == "URI:javascript:\x1b[31m"
    assert HOSTILE[-100:] in found["subject"]


def test_what_would_be_refused_is_red(desk: Desk, make_csr, keys) -> None:
    """A server with weaker rules may hold what ours would refuse."""
    request = ShownRequest.read("1", make_csr(key=keys("ed25519")), Mode.USER)
    assert request.preview is not None
    assert "no backup" in request.preview.refusal
    unreadable = ShownRequest.read("1", b"nothing", Mode.USER)
    assert unreadable.preview is None
    assert "CERTIFICATE REQUEST" in unreadable.error


def test_modes_are_what_the_authority_has() -> None:
    for mode in Mode:
        profile = PROFILES[ContextName(mode.context)]
        assert profile.backups == (mode is Mode.USER)
        assert profile.publishes_crl_url == (mode is Mode.SERVICE)
