"""What an administrator types again and again in these tests."""

from __future__ import annotations

from .machine import Machine

URL = "http://localhost:8009"
CURL = "curl --silent --show-error --max-time 60"
ASK = f"{CURL} --fail --output /dev/null {URL}/cas/crt/ca.crt.pem"
"""Succeeds if the server answers."""


def request(name: str) -> str:
    """Makes NAME.key.pem and NAME.csr.pem."""
    return (
        f"openssl req -newkey rsa:2048 -nodes -keyout {name}.key.pem -out {name}.csr.pem -subj /CN={name} "
        f"-addext subjectAltName=DNS:{name}.example.com 2>/dev/null"
    )


def make_user(machine: Machine, name: str = "alice") -> str:
    """A first user, on the server itself; the file with key and certificate."""
    machine.run(
        f"cd && {request(name)} && caucased-manage --sign-user-csr {name}.csr.pem {name}.crt.pem"
        f" && cat {name}.key.pem {name}.crt.pem >{name}.pem && chmod 600 {name}.pem"
    )
    return f"/root/{name}.pem"
