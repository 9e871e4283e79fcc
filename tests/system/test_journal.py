"""The journal: a certificate's whole life by one field, every entry explained, and never a secret."""

from __future__ import annotations

import json

from .commands import CURL, URL, make_user, request
from .machine import Machine


def entries(machine: Machine, match: str) -> list[dict[str, str]]:
    lines = machine.run(f"journalctl --sync; journalctl --no-pager --output=json {match}").splitlines()
    return [json.loads(line) for line in lines]


def serial_of(machine: Machine) -> str:
    """Of the certificate that is there at the moment, as the journal has it."""
    return f"{int(machine.run('openssl x509 -noout -serial -in /root/www.crt.pem').partition('=')[2], 16):x}"


def test_the_life_of_a_certificate(machine: Machine) -> None:
    alice = make_user(machine)
    asking = f"cd && caucase --ca-url {URL}"
    machine.run(f"cd && {request('www')} && caucase --ca-url {URL} --send-csr www.csr.pem >sent")
    number = machine.run("cut -d ' ' -f 1 /root/sent")
    machine.run(f"{asking} --user-key {alice} --sign-csr {number}")
    machine.run(f"{asking} --get-crt {number} www.crt.pem")
    serial = serial_of(machine)
    machine.run(f"{asking} --threshold 1000 --renew-crt www.crt.pem www.key.pem")
    renewed = serial_of(machine)
    machine.run(f"{asking} --revoke-crt www.crt.pem www.key.pem")
    # What is refused is told, too, and what it brought along is not.
    machine.run(f"{CURL} --output /dev/null --request DELETE {URL}/cas/csr/{number}")

    # What was done by hand is there, too.
    by_hand = entries(machine, "SYSLOG_IDENTIFIER=caucased-manage CAUCASE_SUBJECT=CN=alice")
    assert [entry["MESSAGE"].partition(" [")[0] for entry in by_hand] == ["Certificate signed"]

    life = entries(machine, f"CAUCASE_CSR_ID={number} _SYSTEMD_UNIT=caucased.service")
    assert [entry["MESSAGE"].partition(" [")[0] for entry in life] == [
        "Certificate request submitted",
        "Certificate signed",
    ]
    of_first = [entry["MESSAGE"].partition(" [")[0] for entry in entries(machine, f"CAUCASE_SERIAL={serial}")]
    assert of_first[0] == "Certificate signed"
    of_second = [
        entry["MESSAGE"].partition(" [")[0] for entry in entries(machine, f"CAUCASE_SERIAL={renewed}")
    ]
    assert of_second == ["Certificate renewed", "Certificate revoked"]

    explained = machine.run("journalctl --no-pager --catalog --unit=caucased.service")
    for entry in entries(machine, "_SYSTEMD_UNIT=caucased.service"):
        if "MESSAGE_ID" in entry and "CAUCASE" in " ".join(entry):
            text = machine.run(f"journalctl --dump-catalog {entry['MESSAGE_ID']}")
            assert "man:caucase(7)" in text
            assert text.splitlines()[-1] in explained or "@" in text

    # Whatever of a key could be there, in its own encoding or another.
    machine.run("journalctl --sync; journalctl --no-pager --output=export >/root/export")
    assert machine.run("grep --count --text -E 'PRIVATE KEY|BEGIN ' /root/export || true") == "0"
    keys = machine.run(
        "cat /root/*.key.pem /root/alice.pem; sed '' /var/lib/caucased/server.key.pem"
    ).splitlines()
    bodies = [line for line in keys if len(line) == 64]
    assert bodies
    machine.write("/root/bodies", "\n".join(bodies))
    assert machine.run("grep --count --text --fixed-strings --file=/root/bodies /root/export || true") == "0"
    assert machine.attempt("grep -q '^CAUCASE_' /root/export").returncode == 0
