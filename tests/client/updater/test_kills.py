"""A pass that is killed at any change of a file: what is there is always a valid pair, and the next pass goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from caucase.cli.updater import main
from caucase.client.keyfiles import load_pair, save_new_key, save_request
from caucase.client.updater.memory import read_memory, write_memory
from caucase.core.asked import asked, parse_name
from caucase.core.keys import KeyType
from caucase.core.request import make_request
from caucase.core.spki import key_id
from caucase.core.x509 import (
    dump_der,
    load_certificate,
    load_certificates,
    load_crls,
    load_private_key,
    public_key,
)

from ...kills import kill_points
from ..simulator import Simulator
from .test_one_pass import sign

AGE = timedelta(days=63)


class Case:
    """A folder that is put back before each run, and the arguments of the command."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder = folder
        self.arguments = arguments
        self._before = folder.with_name("before")

    def freeze(self) -> None:
        shutil.copytree(self.folder, self._before, dirs_exist_ok=True)

    def reset(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._before, self.folder)

    def passes(self) -> None:
        assert main(self.arguments) == 0

    def passes_long_ago(self, server: Simulator) -> None:
        """Get a certificate that is due by now; the lists of then have lapsed, which is a failure."""
        server.cas.clock = lambda: datetime.now(UTC) - AGE
        main(self.arguments)
        sign(server)
        main(self.arguments)
        server.cas.clock = lambda: datetime.now(UTC)
        (notes,) = self.folder.glob(".*.json")
        write_memory(notes, replace(read_memory(notes), checked_at=datetime.now(UTC) - AGE))

    def killed_everywhere(self, check: Callable[[], None]) -> int:
        """Kill a pass at each change in turn; ``check`` what is there then, and again after the next pass."""
        self.freeze()
        count = 0
        for count in kill_points("caucase.cli.updater", *self.arguments):  # noqa: B007 - how many there were
            check()
            self.passes()
            check()
            self.reset()
        return count


@pytest.fixture
def yaml_case(server: Simulator, tmp_path: Path) -> Case:
    folder = tmp_path / "www"
    config = tmp_path / "www.yaml"
    config.write_text(
        f"ca_url: {server.url}\nnames: www.example.com\nkey_type: ec:P-256\ndirectory: {folder}\n"
    )
    folder.mkdir()
    return Case(folder, ["--config", str(config)])


def whole_files(folder: Path) -> None:
    """Whatever there is can be read by anybody who comes along, key and certificate being a pair."""
    for path in folder.glob("*.pem"):
        data = path.read_bytes()
        if path.name.startswith("."):
            assert path.stat().st_mode & 0o777 == 0o600
        elif path.name == "pair.pem":
            assert key_id(public_key(load_certificate(data))) == key_id(load_private_key(data).public_key())
            assert path.stat().st_mode & 0o777 == 0o600
        elif path.name.endswith("crl.pem"):
            assert load_crls(data)
        else:
            assert load_certificates(data)


def test_asking(server: Simulator, yaml_case: Case) -> None:
    assert yaml_case.killed_everywhere(lambda: whole_files(yaml_case.folder)) > 10
    # What was asked for in runs that were killed is asked for once each, and never twice.
    assert len(set(server.cas.requests.values())) == len(server.cas.requests)


def test_fetching(server: Simulator, yaml_case: Case) -> None:
    yaml_case.passes()
    sign(server)
    asked = len(server.cas.requests)
    assert yaml_case.killed_everywhere(lambda: whole_files(yaml_case.folder)) > 5
    yaml_case.passes()
    assert (yaml_case.folder / "pair.pem").exists()
    assert len(server.cas.requests) == asked


def test_renewing(server: Simulator, yaml_case: Case) -> None:
    yaml_case.passes_long_ago(server)
    old = dump_der(load_certificate((yaml_case.folder / "pair.pem").read_bytes()))
    server.cas.roll_over()
    server.cas.number += 1
    assert yaml_case.killed_everywhere(lambda: whole_files(yaml_case.folder)) > 15
    yaml_case.passes()
    assert dump_der(load_certificate((yaml_case.folder / "pair.pem").read_bytes())) != old
    assert len(load_certificates((yaml_case.folder / "cas.crt.pem").read_bytes())) == 2
    assert len(load_crls((yaml_case.folder / "cas.crl.pem").read_bytes())) == 2


@pytest.mark.parametrize("name", [".www.json", ".www.request.pem"])
def test_notes_that_were_lost(server: Simulator, yaml_case: Case, name: str) -> None:
    yaml_case.passes()
    (yaml_case.folder / name).unlink()
    yaml_case.passes()
    sign(server)
    yaml_case.passes()
    whole_files(yaml_case.folder)
    assert (yaml_case.folder / "pair.pem").exists()


def test_renewing_in_two_files(server: Simulator, tmp_path: Path) -> None:
    """Two files cannot be replaced at one moment: whoever comes between finds the new certificate, and its key in
    a hidden file, and so does the next pass.
    """
    folder = tmp_path / "files"
    folder.mkdir()
    key = KeyType.parse("ec:P-256").generate()
    save_new_key(folder / "www.key", key)
    wanted = asked(names=[parse_name("www.example.com")], subject=None, key_usage=[], purposes=[])
    save_request(folder / "www.csr", make_request(key, wanted.subject, wanted.extensions))
    flags = {"ca": "ca.crt.pem", "cas-ca": "ca.crt.pem", "crl": "ca.crl.pem", "csr": "www.csr"}
    arguments = [f"--{flag}={folder / name}" for flag, name in flags.items()]
    arguments += [f"--key={folder / 'www.key'}", f"--crt={folder / 'www.crt'}", f"--ca-url={server.url}"]
    case = Case(folder, arguments)
    case.passes_long_ago(server)
    halves = 0

    def check() -> None:
        nonlocal halves
        crt, key = (folder / "www.crt").read_bytes(), (folder / "www.key").read_bytes()
        if key_id(public_key(load_certificate(crt))) != key_id(load_private_key(key).public_key()):
            halves += 1
            hidden = load_private_key((folder / ".www.key.renewed").read_bytes())
            assert key_id(public_key(load_certificate(crt))) == key_id(hidden.public_key())
        load_pair(folder / "www.crt", folder / "www.key")

    assert case.killed_everywhere(check) > 15
    assert halves > 0, "the moment in between was met"


def test_temporaries_of_a_pass_that_was_killed_go_after_a_while(yaml_case: Case) -> None:
    yaml_case.passes()
    old, new = (yaml_case.folder / f".caucase-new-{name:_<8}" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half a key")
    hours_ago = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(old, (hours_ago, hours_ago))
    yaml_case.passes()
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.root("give a folder to somebody else")
def test_root_leaves_nothing_of_its_own(yaml_case: Case) -> None:
    """Where the folder is the updater's, so is everything in it, whoever starts a pass."""
    yaml_case.folder.parent.chmod(0o755)
    os.chown(yaml_case.folder, 65534, 65534)
    for folder in (yaml_case.folder.parent, *yaml_case.folder.parent.parents):
        if folder == folder.parent or folder.stat().st_mode & 0o005 == 0o005:
            continue
        folder.chmod(0o755)  # pytest's own are for their owner alone
    yaml_case.passes()
    assert {path.stat().st_uid for path in yaml_case.folder.rglob("*")} == {65534}
    assert os.geteuid() == 0
