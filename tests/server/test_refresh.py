"""What the timer's job makes beside a running server: real processes on one database, with a clock that is moved.

libfaketime lets the server's wall clock follow a file; its monotonic clock, by which it waits, is left alone.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
from cryptography import x509

from caucase.core import message, trust
from caucase.core.x509 import (
    is_signed_by,
    load_certificate,
    load_certificate_der,
    load_crl,
    next_update,
    not_after,
    not_before,
)

from . import process
from .material import make, null
from .process import PROGRAM, ROOT, SECONDS, Listeners, Process, free_ports

MANAGE = "import sys; from caucase.cli.manage import main; sys.exit(main())"
CONFIG = "netloc: localhost:8009\nkey_type: ec:P-256\nidle_timeout: 0\nuser_auto_approve_count: 1\n"
START = datetime(2030, 1, 1, 12, tzinfo=UTC)
PERIOD = timedelta(days=93)
_FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Machine:
    """A folder with a configuration, and a clock for all programs that run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._clock = folder / "clock"
        self.environment = {
            "LD_PRELOAD": str(_FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }
        self.set(START)
        self.configure(CONFIG)

    def configure(self, text: str) -> None:
        (self.folder / "caucased.yaml").write_text(text)

    def set(self, moment: datetime) -> None:
        """Time stands still there until it is set again."""
        self._clock.write_text(f"{moment:%Y-%m-%d %H:%M:%S}\n")
        self.now = moment

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", MANAGE, "--config", "caucased.yaml", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def manage(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        """Output and errors."""
        running = self.begin(*arguments)
        output, errors = running.communicate(timeout=SECONDS)
        assert running.returncode == status, errors
        assert "Traceback" not in errors
        return output, errors

    def refresh(self) -> str:
        """What it says; as many entries in the log as it counts, besides how far the record reaches."""
        output, errors = self.manage("--refresh")
        assert output.count("\n") == 1
        made = [line for line in errors.splitlines() if "The record reaches" not in line]
        assert len(made) == sum(map(int, re.findall(r"\d+", output.partition(":")[2])))
        return output.strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    held = Listeners()
    yield held
    held.close()


@pytest.fixture
def start(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def run(**options: object) -> Process:
        with monkeypatch.context() as patch:
            for name, value in machine.environment.items():
                patch.setenv(name, value)
            server = Process(machine.folder, "--config", "caucased.yaml", **options)  # type: ignore[arg-type]
        started.append(server)
        server.hear("READY=1")
        return server

    yield run
    for server in started:
        server.end()


def get(listeners: Listeners, path: str) -> bytes:
    status, body = listeners.get(path)
    assert status == 200, body
    return body.encode()


@pytest.fixture
def dial(listeners: Listeners) -> Iterator[Callable[..., HTTPConnection]]:
    """Open a connection that is closed at the end; with ``bundle``, with the user's certificate in it."""
    opened: list[HTTPConnection] = []

    def connect(name: str = "https", bundle: Path | None = None) -> HTTPConnection:
        port = listeners.port(name)
        if name == "http":
            connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        else:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if bundle is not None:
                context.load_cert_chain(bundle)
            connection = HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
        connection.connect()
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


def ask(connection: HTTPConnection, path: str = "/") -> tuple[int, bytes]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def shown(connection: HTTPConnection) -> x509.Certificate:
    der = connection.sock.getpeercert(binary_form=True)
    assert der is not None
    return load_certificate_der(der)


def newest_list(listeners: Listeners) -> x509.CertificateRevocationList:
    status, body = listeners.get("/cas/crl")
    assert status == 200
    blocks = re.findall(r"-----BEGIN.*?-----END X509 CRL-----\n", body, re.DOTALL)
    return load_crl(blocks[0].encode())


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def stored_lists(machine: Machine) -> dict[str, int]:
    connection = sqlite3.connect(machine.folder / "caucase.sqlite")
    found = dict(connection.execute("SELECT context, MAX(number) FROM crl GROUP BY context"))
    connection.close()
    return found


def test_the_running_server_serves_what_the_job_made(
    machine: Machine,
    start: Callable[..., Process],
    listeners: Listeners,
    dial: Callable[..., HTTPConnection],
) -> None:
    server = start(listeners=listeners)
    assert machine.refresh() == "Nothing was due."
    first_ca = load_certificate(get(listeners, "/cas/crt/ca.crt.pem"))
    keep_alive, plain = dial(), dial("http")
    socket = keep_alive.sock
    first_https = shown(keep_alive)
    first_list = newest_list(listeners)
    assert ask(keep_alive)[0] == ask(plain)[0] == 200

    # Lists: ahead of half their life, while nobody asks.
    end = next_update(first_list)
    assert end is not None
    life = timedelta(days=0.33 * 93)
    machine.set(START + 0.3 * life - timedelta(minutes=1))
    assert machine.refresh() == "Nothing was due."
    machine.set(START + 0.3 * life)
    assert machine.refresh() == "Made: 2 revocation lists."
    assert machine.refresh() == "Nothing was due."
    assert number(newest_list(listeners)) == number(first_list) + 1

    # The HTTPS certificate: on the next handshake, and the open connection goes on.
    machine.set(not_after(first_https) - timedelta(days=31))
    assert machine.refresh() == "Made: 1 HTTPS certificate, 2 revocation lists."
    assert ask(keep_alive)[0] == 200
    assert keep_alive.sock is socket
    assert shown(keep_alive) == first_https
    renewed = dial()
    assert shown(renewed) != first_https
    assert not_before(shown(renewed)) == machine.now - timedelta(seconds=10)
    assert ask(renewed)[0] == 200
    signed = message.parse(get(listeners, "/cas/crt/https-ca.json"))
    assert is_signed_by(shown(renewed), trust.https_ca(signed, [first_ca], machine.now))

    # The CAs' successors, vouched for.
    machine.set(not_after(first_ca) - 2 * PERIOD)
    assert machine.refresh().startswith("Made: 2 CA certificates, ")
    [link] = json.loads(get(listeners, "/cas/crt/ca.crt.json"))
    trusted = trust.updated_trust(
        [first_ca], anchor=first_ca, chain=[message.from_json(link)], now=machine.now
    )
    assert len(trusted) == 2
    assert get(listeners, "/cas/crl").count(b"BEGIN") == 2

    # All the while it was one process, and the connection one connection.
    assert ask(keep_alive)[0] == ask(plain)[0] == 200
    assert keep_alive.sock is socket
    assert server.process.poll() is None
    assert "defect" not in server.log
    assert "rror" not in server.log


def test_users_of_the_successor_are_accepted(
    machine: Machine,
    start: Callable[..., Process],
    listeners: Listeners,
    dial: Callable[..., HTTPConnection],
) -> None:
    """The TLS handshake accepts certificates of a CA that another process made, and that signs by now."""
    start(listeners=listeners)
    boss = make("boss")
    (machine.folder / "boss.csr").write_bytes(boss.csr_pem)
    keep_alive = dial()
    assert ask(keep_alive)[0] == 200
    machine.set(START + 2 * PERIOD)
    assert machine.refresh().startswith("Made: 2 CA certificates, ")
    machine.set(START + 3 * PERIOD + timedelta(hours=1))
    machine.manage("--sign-user-csr", "boss.csr", "boss.crt")
    crt = (machine.folder / "boss.crt").read_bytes()
    bundle = boss.bundle(machine.folder / "boss.pem", crt)
    ca = load_certificate(get(listeners, "/cau/crt/ca.crt.pem"))
    assert not is_signed_by(load_certificate(crt), ca)
    assert ask(dial(bundle=bundle), "/cau/csr") == (200, b"[]")
    assert ask(keep_alive)[0] == 200

    # What that user revokes is on the list that the next pass, and nobody else, makes.
    before = stored_lists(machine)
    connection = dial(bundle=bundle)
    body = null({"revoke_serial": 12345})
    connection.request("PUT", "/cas/crt/revoke", body, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 204
    assert stored_lists(machine) == before
    assert machine.refresh() == "Made: 2 revocation lists."
    assert {entry.serial_number for entry in newest_list(listeners)} == {12345}
    assert stored_lists(machine)["cas"] == number(newest_list(listeners))


def test_processes_that_race_make_one_successor(
    machine: Machine, start: Callable[..., Process], listeners: Listeners
) -> None:
    """Several jobs and a server that is asked, all at once."""
    passes = 4
    start(listeners=listeners)
    machine.set(START + 2 * PERIOD + timedelta(hours=1))
    running = [machine.begin("--refresh") for _ in range(passes)]
    for _ in range(30):
        for path in ("/cas/crt/ca.crt.json", "/cau/crl", "/cas/crl", "/cau/crt/ca.crt.pem"):
            get(listeners, path)
    said = [each.communicate(timeout=SECONDS) for each in running]
    assert [each.returncode for each in running] == [0] * passes, said
    connection = sqlite3.connect(machine.folder / "caucase.sqlite")
    counted = dict(connection.execute("SELECT context, COUNT(*) FROM ca GROUP BY context"))
    connection.close()
    assert counted == {"cau": 2, "cas": 2, "https": 1}
    log = "".join(errors for _, errors in said)
    assert log.count("Certificate authority created") <= 2
    assert get(listeners, "/cas/crl").count(b"BEGIN") == 2
    [link] = json.loads(get(listeners, "/cas/crt/ca.crt.json"))
    message.from_json(link)


# Nothing to do, and nothing that can be done


def test_a_server_that_nobody_configured_is_no_failure(machine: Machine) -> None:
    machine.configure("")
    assert machine.manage("--refresh") == ("Nothing to look after yet: netloc is not set.\n", "")
    assert not list(machine.folder.glob("*.sqlite*"))


def test_the_job_makes_no_new_authority(machine: Machine) -> None:
    """A wrong netloc, seen by the timer before the person who wrote it, would be in certificates for good."""
    output, errors = machine.manage("--refresh")
    assert (output, errors) == ("Nothing to look after yet: there is no database caucase.sqlite.\n", "")
    assert sorted(path.name for path in machine.folder.iterdir()) == ["caucased.yaml", "clock"]


def test_a_mistake_is_a_failure(
    machine: Machine, start: Callable[..., Process], listeners: Listeners
) -> None:
    start(listeners=listeners)
    machine.configure(CONFIG + "nonsense: 1\n")
    assert "nonsense" in machine.manage("--refresh", status=78)[1]
    machine.configure(CONFIG.replace("localhost", "elsewhere"))
    assert "made for netloc localhost:8009" in machine.manage("--refresh", status=78)[1]


def test_lives_too_long_for_the_ca_there_is(
    machine: Machine, start: Callable[..., Process], listeners: Listeners
) -> None:
    """The job fails; a server that starts so answers 503, until somebody mends it."""
    first = start(listeners=listeners)
    first.process.terminate()
    assert first.wait() == 0
    machine.configure(CONFIG + "service_crt_validity: 125\n")
    assert "cannot sign certificates that live for 125 days" in machine.manage("--refresh", status=78)[1]
    server = start(listeners=listeners)
    status, body = listeners.get()
    assert status == 503
    assert "cannot sign certificates that live for 125 days" in body
    assert "shorten the certificates' life" in body
    assert "Answering 503" in server.hear("READY=1")
    machine.configure(CONFIG + "service_crt_validity: 124\n")
    assert machine.refresh() == "Nothing was due."


# A server without systemd


def test_a_server_without_systemd_makes_by_itself_what_is_due(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real program; only the hour that it waits between two passes is shorter."""
    shorter = "import caucase.server.worker; caucase.server.worker._MAINTENANCE_SECONDS = 0.1; "
    monkeypatch.setattr(process, "PROGRAM", shorter + PROGRAM)
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    port = free_ports()
    backups = machine.folder / "backups"
    backups.mkdir()
    key_file = machine.folder / "server.key.pem"
    server = Process(
        machine.folder,
        *("--config", "caucased.yaml", "--bind", "127.0.0.1", "--base-port", str(port)),
        *("--backup-directory", str(backups)),
        supervised=False,
    )
    try:
        wait_for(lambda: "Server started" in server.log)
        wait_for(lambda: "No backup, for nobody could open it" in server.log)
        before = key_file.read_bytes()
        machine.set(START + 2 * PERIOD)
        wait_for(lambda: key_file.read_bytes() != before)
        wait_for(lambda: server.log.count("Certificate authority created") == 5)
        wait_for(lambda: server.log.count("Revocation list published") == 6)
        server.process.terminate()
        assert server.wait() == 0
        assert "Traceback" not in server.log
    finally:
        server.end()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
