"""--status on a client: offline, complete, and safe to print."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from caucase.cli.caucase import main as caucase
from caucase.cli.client_status import AuthorityFiles, ClientStatus, HeldCertificate, document, text
from caucase.cli.updater import main as updater
from caucase.client.pending import Pending
from caucase.core.crl import build_crl
from caucase.core.issue import Signer, Validity, issue, issue_ca, random_serial
from caucase.core.pem import CRL, to_pem
from caucase.core.profile import ca_extensions
from caucase.core.x509 import dump_pem, dump_private_key, load_crls, subject_key_id

from ..conftest import Keys

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)
PERIOD = timedelta(days=93)
DAY = timedelta(days=1)


def ca(keys: Keys, number: int, age: timedelta, name: str = "CA") -> Signer:
    return issue_ca(
        keys("ec:P-256", number),
        subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
        extensions=ca_extensions(),
        validity=Validity.starting(NOW - age, 4 * PERIOD),
        serial=random_serial(),
    )


@pytest.fixture
def status(keys: Keys) -> ClientStatus:
    old, new = ca(keys, 0, 2.5 * PERIOD), ca(keys, 1, 0.5 * PERIOD)
    certificate = issue(
        old,
        key=keys("ec:P-256", 2).public_key(),
        subject=old.certificate.subject,
        extensions=[],
        validity=Validity.starting(NOW, PERIOD),
        serial=random_serial(),
    )
    crl = build_crl(old, b"", number=7, this_update=NOW - DAY, next_update=NOW + 30 * DAY)
    return ClientStatus(
        ca_url="http://ca.example.com:8009",
        now=NOW,
        authorities=[
            AuthorityFiles(
                name="CAS", cas=[old.certificate, new.certificate], lists=load_crls(to_pem(crl, CRL))
            )
        ],
        certificates=[HeldCertificate(path=Path("www.pem"), certificate=certificate, due=NOW + 62 * DAY)],
        pending="42",
        next_due=NOW + DAY,
        undeployed=True,
    )


def test_for_people(status: ClientStatus) -> None:
    lines = text(status, width=100)
    assert max(map(len, lines)) <= 100
    shown = "\n".join(lines)
    for part in (
        "http://ca.example.com:8009 as seen from here at 2030-06-01 12:00 UTC",
        "signs", "known", "trusted", "^ now 2030-06-01", "www.pem", "2030-09-02", "renewed 2030-08-02",
        "request 42", "deployment", "PENDING", "CAS list of ca 1", "2030-06-02 12:00",
    ):  # fmt: skip
        assert part in shown


def test_for_programs(status: ClientStatus) -> None:
    shown = json.loads(json.dumps(document(status)))
    assert [one["phase"] for one in shown["authorities"][0]["cas"]] == ["signs", "known"]
    assert shown["authorities"][0]["lists"][0]["next_update"] == "2030-07-01T12:00:00Z"
    assert shown["authorities"][0]["lists"][0]["issuer"] == subject_key_id(status.authorities[0].cas[0]).hex()
    assert shown["certificates"][0]["renewal_due"] == "2030-08-02T12:00:00Z"
    assert (shown["pending_request"], shown["next_check_due"]) == ("42", "2030-06-02T12:00:00Z")
    assert shown["deployment_pending"] is True


def test_documented_keys(status: ClientStatus) -> None:
    """Every key is named in docs/updater.md."""
    words = (Path(__file__).parents[2] / "docs" / "updater.md").read_text()

    def keys_of(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for inner in value.values() for key in keys_of(inner)}
        return {key for inner in value for key in keys_of(inner)} if isinstance(value, list) else set()

    assert {key for key in keys_of(document(status)) if f"`{key}`" not in words} == set()


def test_before_the_first_contact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "www.yaml"
    config.write_text(
        f"ca_url: http://127.0.0.1:9\nnames: www.example.com\ndirectory: {tmp_path / 'state'}\n"
    )
    assert updater(["--config", str(config), "--status"]) == 0
    shown = capsys.readouterr().out
    assert "No CA certificate is here yet." in shown
    assert "at the next pass" in shown
    assert not (tmp_path / "state").exists(), "it only looks"
    assert updater(["--config", str(config), "--status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["certificates"] == []


@pytest.mark.parametrize(("install", "waits"), [("", False), ("reload: nginx.service\n", True)])
def test_a_deployment_waits_only_if_something_is_deployed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], install: str, waits: bool
) -> None:
    config, state = tmp_path / "www.yaml", tmp_path / "state"
    config.write_text(f"ca_url: http://127.0.0.1:9\nnames: www.example.com\ndirectory: {state}\n{install}")
    state.mkdir()
    Pending(folder=state).mark()
    assert updater(["--config", str(config), "--status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deployment_pending"] is waits


def test_the_one_shot_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert caucase(["--status"]) == 0
    assert "No CA certificate is here yet." in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit):
        caucase(["--list-csr"])


@pytest.mark.root("become somebody else")
def test_root_is_not_led_astray(keys: Keys) -> None:
    """What an interrupted renewal left is put right also by --status, and a link of the updater's own user must not
    make root put that user's key in the place of another one.
    """
    nobodys = 64_123
    with tempfile.TemporaryDirectory() as name:  # one that others can reach
        folder = Path(name)
        folder.chmod(0o755)
        roots, state, config = folder / "roots.key", folder / "state", folder / "www.yaml"
        before = dump_private_key(keys("ec:P-256", 0))
        roots.write_bytes(before)
        roots.chmod(0o600)
        state.mkdir(mode=0o700)
        (state / "crt.pem").write_bytes(dump_pem(ca(keys, 1, DAY).certificate))
        (state / ".key.pem.renewed").write_bytes(dump_private_key(keys("ec:P-256", 1)))
        (state / "key.pem").symlink_to(roots)
        for path in (state, *state.iterdir()):
            os.chown(path, nobodys, nobodys, follow_symlinks=False)
        config.write_text(
            f"ca_url: http://127.0.0.1:9\nnames: www.example.com\ndirectory: {state}\nkey: key.pem\ncrt: crt.pem\n"
        )
        assert updater(["--config", str(config), "--status"]) == 1
        assert roots.read_bytes() == before
        assert os.geteuid() == 0
