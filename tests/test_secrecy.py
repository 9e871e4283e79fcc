"""Keys are in no traceback, no log and no ``repr``, whatever goes wrong while they are in use."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import inspect
import logging
import os
import pkgutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import caucase
from caucase import clock
from caucase.appliance import Appliance
from caucase.config.schema import ServerConfig
from caucase.core.keys import KeyType
from caucase.core.netloc import NetLoc
from caucase.core.x509 import dump_private_key, load_private_key, load_private_key_der
from caucase.errors import Exposed, Malformed, StoreError
from caucase.host.events import Audit
from caucase.host.journal import JournalHandler
from caucase.jobs.backup import back_up

from .server.material import make
from .server.process import Listeners, Process
from .server.wire import Client

ROOT = Path(__file__).parents[1]

# What is shown of binary fields: certificates, requests, what is encrypted or signed, and digests.
SHOWN = {
    "Issued.der",
    "Peer.certificate_der",
    "PendingRequest.csr_pem",
    "PendingRequest.pem",
    "Answer.body",
    "KeyEntry.parameter",
    "KeyEntry.encrypted",
    "Header.iv",
    "SignedMessage.signature",
    "CaRow.certificate",
    "RenewalRow.digest",
    "RenewalRow.certificate",
    "LegacyCa.certificate_pem",
    "LegacyRequest.csr_pem",
    "LegacyRequest.certificate_pem",
    "RequestRow.csr",
    "RequestRow.certificate",
    "NewRequest.digest",
    "NewRequest.csr",
    "RevocationRow.entry",
    "CrlRow.der",
    "Position.hash",
    "Ca.fingerprint",
    "CaStatus.fingerprint",
}


def binary_fields() -> Iterator[str]:
    for module in pkgutil.walk_packages(caucase.__path__, "caucase."):
        for name, kind in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(kind) and kind.__module__ == module.name and dataclasses.is_dataclass(kind):
                for field in dataclasses.fields(kind):
                    if field.repr and "bytes" in str(field.type):
                        yield f"{name}.{field.name}"


def test_no_other_binary_field_is_shown() -> None:
    """A new one is either public, and named above, or ``field(repr=False)``."""
    assert set(binary_fields()) - SHOWN == set()


# A program that fails at the Nth call of a function of ours which has a key among its arguments, once a file is there.
PROVOKED = """
import os, sys, threading
from cryptography.hazmat.primitives.asymmetric import ec, rsa
left = [int(os.environ["PROVOKE"])]
armed = os.environ["ARMED"]
def holds_key(value):
    return (
        isinstance(value, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey))
        or isinstance(value, bytes) and b"PRIVATE KEY" in value
        or any(isinstance(getattr(value, name, None), ec.EllipticCurvePrivateKey) for name in ("key", "_key"))
    )
def trace(frame, event, arg):
    if event == "call" and "/caucase/" in frame.f_code.co_filename:
        if any(map(holds_key, list(frame.f_locals.values()))) and os.path.exists(armed):
            left[0] -= 1
            if left[0] == 0:
                raise RuntimeError("provoked")
threading.settrace(trace)
sys.settrace(trace)
"""
RUN = PROVOKED + "from caucase.cli.{command} import main; sys.exit(main())"


def forms(key: ec.EllipticCurvePrivateKey) -> set[str]:
    """What it could look like in a text."""
    value = key.private_numbers().private_value
    octets = value.to_bytes(32, "big")
    lines = dump_private_key(key).decode().splitlines()[1:-1]
    return {
        str(value),
        f"{value:x}",
        octets.hex(),
        repr(octets)[2:30],
        base64.b64encode(octets).decode()[:20],
        *lines,
    }


def assert_secret(keys: list[ec.EllipticCurvePrivateKey], text: str) -> None:
    assert keys
    for key in keys:
        assert [form for form in forms(key) if form in text] == []
    assert "PRIVATE KEY" not in text


@pytest.fixture
def config(tmp_path: Path) -> ServerConfig:
    config = ServerConfig(
        db=tmp_path / "caucase.sqlite",
        server_key=tmp_path / "server.key.pem",
        cors_key_store=tmp_path / "cors.key",
        netloc=NetLoc(host="localhost", port=8009),
        key_type=KeyType.parse("ec:P-256"),
    )
    with Appliance(lambda _event, **_fields: None) as appliance:
        appliance.configure(config)
    return config


def keys_of(config: ServerConfig) -> list[ec.EllipticCurvePrivateKey]:
    with closing(sqlite3.connect(config.db)) as connection:
        found = [load_private_key_der(der) for (der,) in connection.execute("SELECT private_key FROM ca")]
    return [*found, load_private_key(config.server_key.read_bytes())]  # type: ignore[list-item]


@pytest.mark.parametrize("number", [1, 2, 4, 8])
@pytest.mark.parametrize("debug", ["0", "1"])
def test_a_command_that_fails(config: ServerConfig, tmp_path: Path, number: int, debug: str) -> None:
    made = make("service")
    (tmp_path / "service.csr").write_bytes(made.csr_pem)
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-c",
                RUN.format(command="manage"),
                "--db",
                str(config.db),
                "--key-len",
                "2048",
            ),
            *("--server-key", str(config.server_key), "--netloc", "localhost:8009"),
            *("--sign-user-csr", str(tmp_path / "service.csr"), str(tmp_path / "service.crt")),
        ],
        env={
            **os.environ,
            "PROVOKE": str(number),
            "ARMED": "/",
            "CAUCASE_DEBUG": debug,
            "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "provoked" in said, said
    assert done.returncode == 1
    assert ("Traceback" in said) == (debug == "1")
    assert_secret(keys_of(config), said)


@pytest.mark.parametrize("number", [1, 3])
def test_a_server_that_fails(
    config: ServerConfig, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log has the traceback, the answer nothing."""
    listeners, armed = Listeners(), tmp_path / "armed"
    monkeypatch.setenv("PROVOKE", str(number))
    monkeypatch.setenv("ARMED", str(armed))
    monkeypatch.setattr("tests.server.process.PROGRAM", RUN.format(command="caucased"))
    server = Process(
        tmp_path,
        *("--db", str(config.db), "--netloc", "localhost:8009", "--user-auto-approve-count", "9"),
        *("--server-key", str(config.server_key), "--cors-key-store", str(config.cors_key_store)),
        listeners=listeners,
    )
    try:
        server.hear("READY=1")
        armed.touch()
        answer = Client(port=listeners.port("http")).ask("PUT", "/cau/csr", make("user").csr_pem).expect(500)
        assert answer.sentence == "The server failed to answer."
        assert "provoked" in server.log
        assert "Traceback" in server.log
    finally:
        server.end()
        listeners.close()
    assert_secret(keys_of(config), server.log)


def test_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry has message and traceback; of the frames in it, names and lines of source."""
    sent: list[str] = []
    monkeypatch.setattr("systemd.journal.send", lambda message, **fields: sent.append(f"{message} {fields}"))
    key = ec.generate_private_key(ec.SECP256R1())
    pem = dump_private_key(key)
    handler = JournalHandler("test")
    try:
        load_private_key(pem + pem)
    except Malformed:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    handler.emit(record)
    [entry] = sent
    assert "Traceback" in entry
    assert_secret([key], entry.replace("PRIVATE KEY", ""))


# What others could read or exchange


OPENED = [
    ("server.key.pem", 0o640, "chmod 600"),
    ("server.key.pem", 0o604, "chmod 600"),
    ("cors.key", 0o644, "chmod 600"),
    ("caucase.sqlite", 0o640, "chmod 600"),
    (".", 0o770, "chmod go-w"),
    (".", 0o757, "chmod go-w"),
    ("backups", 0o777, "chmod go-w"),
]


@pytest.mark.parametrize(("name", "mode", "mended"), OPENED)
def test_opened_to_others(config: ServerConfig, tmp_path: Path, name: str, mode: int, mended: str) -> None:
    """Refused with what to do; and once that is done, all is well."""
    config = dataclasses.replace(config, backup_directory=tmp_path / "backups")
    (tmp_path / "backups").mkdir(mode=0o700)
    config.cors_key_store.touch(mode=0o600)
    path = (tmp_path / name).resolve()
    path.chmod(mode)
    with (
        Appliance(lambda _event, **_fields: None) as appliance,
        pytest.raises((Exposed, StoreError)) as caught,
    ):
        appliance.configure(config)
    assert caught.value.hint == f"Run: {mended} {path}"
    subprocess.run(caught.value.hint.removeprefix("Run: ").split(), check=True)
    with Appliance(lambda _event, **_fields: None) as appliance:
        appliance.configure(config)


def test_a_server_with_an_open_key_file_says_so(config: ServerConfig, tmp_path: Path) -> None:
    """To everybody who asks: no secret is in it, and somebody has to act."""
    config.server_key.chmod(0o644)
    listeners = Listeners()
    server = Process(
        tmp_path,
        *("--db", str(config.db), "--netloc", "localhost:8009", "--server-key", str(config.server_key)),
        listeners=listeners,
    )
    try:
        server.hear("READY=1")
        status, body = listeners.get("/cas/crl")
        assert (status, "Run: chmod 600" in body) == (503, True)
        config.server_key.chmod(0o600)
        server.forget()
        server.signal(signal.SIGHUP)
        server.hear("READY=1")
        assert listeners.get("/cas/crl")[0] == 200
    finally:
        server.end()
        listeners.close()


def test_no_backup_into_a_folder_of_others(config: ServerConfig, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(Exposed, match="Others can replace"):
        back_up(config.db, folder, keep=1, clock=clock.now, audit=Audit())
