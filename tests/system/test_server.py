"""The life of the installed server: it comes with the first connection, goes when nobody asks, and comes back whatever
happened to it.
"""

from __future__ import annotations

import threading
import time

import pytest

from .commands import ASK, CURL, URL
from .machine import Machine, wait_for

# So many connections at once, each with a request, of which a file tells how many were answered.
CROWD = """
import concurrent.futures, http.client, sys
def ask(_):
    connection = http.client.HTTPConnection("localhost", 8009, timeout=60)
    connection.request("GET", "/cas/crt/ca.crt.pem")
    return connection.getresponse().status
with concurrent.futures.ThreadPoolExecutor(200) as pool:
    print(list(pool.map(ask, range(200))).count(200))
"""


@pytest.fixture(autouse=True)
def _configured(machine: Machine) -> None:
    machine.attempt("systemctl reset-failed")
    machine.run(ASK)


def active(machine: Machine) -> str:
    return machine.show("caucased.service", "ActiveState")


def pid(machine: Machine) -> int:
    return int(machine.show("caucased.service", "MainPID"))


def stop(machine: Machine) -> None:
    machine.run("systemctl stop caucased.service")
    assert active(machine) == "inactive"


def test_status_is_useful(machine: Machine) -> None:
    shown = machine.run("systemctl status caucased.service")
    assert "Serving localhost:8009; 0 requests waiting for a signature." in shown
    assert "man:caucased(1)" in shown


def test_two_hundred_connections_while_it_is_stopped(machine: Machine) -> None:
    stop(machine)
    machine.write("/root/crowd.py", CROWD)
    assert machine.run("python3 /root/crowd.py") == "200"
    assert active(machine) == "active"


def test_idle_exit_and_the_next_connection(machine: Machine) -> None:
    machine.run("cp /etc/caucase/caucased.yaml /root && echo 'idle_timeout: 1s' >>/etc/caucase/caucased.yaml")
    try:
        stop(machine)
        machine.run(ASK)
        for _ in range(3):
            wait_for(lambda: active(machine) == "inactive", "the idle server to exit")
            assert machine.show("caucased.service", "Result") == "success"
            assert machine.show("caucased.socket", "ActiveState") == "active"
            machine.run(ASK)
    finally:
        machine.run("cp /root/caucased.yaml /etc/caucase && systemctl stop caucased.service")


def test_killed_under_load(machine: Machine) -> None:
    """Requests of that moment may be lost; every connection afterwards is answered."""
    load = machine.popen(f"for _ in $(seq 60); do {ASK} 2>/dev/null && echo answered || echo lost; done")
    for _ in range(3):
        victim = wait_for(lambda: pid(machine), "a server")
        machine.run(f"kill -9 {victim}")
        machine.run(ASK)
        assert pid(machine) != victim
    answers = load.communicate(timeout=120)[0].split()
    assert answers.count("lost") <= 3, answers
    assert machine.show("caucased.socket", "ActiveState") == "active"


def test_watchdog_ends_a_server_that_hangs(machine: Machine) -> None:
    machine.drop_in("caucased.service", "[Service]\nWatchdogSec=2\n")
    try:
        stop(machine)
        machine.run(ASK)
        hanging = pid(machine)
        machine.run(f"kill -STOP {hanging}")
        # The request waits for the server that comes after it.
        machine.run(ASK)
        assert pid(machine) != hanging
        assert machine.journal("--unit=caucased.service").count("Watchdog timeout") == 1
    finally:
        machine.drop_in("caucased.service", "")
        stop(machine)


def test_fifty_crashes_do_not_cost_the_sockets(machine: Machine) -> None:
    """A program that dies 49 times before it works, as soon as it is started: systemd goes on starting it."""
    stop(machine)
    machine.write(
        "/root/crash",
        "#!/bin/sh\n"
        "echo x >>/run/crashes/count\n"
        '[ "$(wc -l </run/crashes/count)" -gt 50 ] || kill -SEGV $$\n'
        "exec /usr/bin/caucased --config /etc/caucase/caucased.yaml\n",
    )
    machine.run(
        "mkdir -p /run/crashes && chown caucase /run/crashes && install -m 755 /root/crash /usr/local/bin/crash"
    )
    machine.drop_in(
        "caucased.service",
        "[Service]\nExecStart=\nExecStart=/usr/local/bin/crash\nReadWritePaths=/run/crashes\nLimitCORE=0\n",
    )
    try:
        machine.run(ASK)
        assert int(machine.run("wc -l </run/crashes/count")) == 51
        assert active(machine) == "active"
        for unit in ("caucased.socket", "caucased-https.socket"):
            assert machine.show(unit, "ActiveState") == "active"
            assert machine.show(unit, "Result") == "success"
    finally:
        machine.drop_in("caucased.service", "")
        stop(machine)
        machine.attempt("systemctl reset-failed")


def test_a_mistake_in_the_configuration_is_told_and_mended(machine: Machine) -> None:
    machine.run("cp /etc/caucase/caucased.yaml /root && echo 'nonsense: 1' >>/etc/caucase/caucased.yaml")
    stop(machine)
    answer = machine.run(f"{CURL} --write-out ' %{{http_code}}' {URL}/cas/crt/ca.crt.pem")
    assert answer.endswith("503")
    assert "nonsense" in answer
    assert active(machine) == "active"
    machine.run("cp /root/caucased.yaml /etc/caucase && systemctl reload caucased.service")
    wait_for(lambda: machine.attempt(ASK).returncode == 0, "an answer")


def test_stopping_finishes_what_was_asked(machine: Machine) -> None:
    """A stop while a client hammers: nothing is refused, because the sockets stay."""
    answers: list[str] = []
    load = machine.popen(f"for _ in $(seq 40); do {ASK} && echo answered; done")
    reader = threading.Thread(target=lambda: answers.extend(load.communicate(timeout=120)[0].split()))
    reader.start()
    for _ in range(4):
        time.sleep(0.3)
        machine.run("systemctl stop caucased.service")
    reader.join()
    assert answers == ["answered"] * 40
