"""Two machines with a cable between them: the certificate authority, and a web server that keeps its certificate itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .clock import MOVED, WITH_CLOCK, clock_from_now_on, move
from .commands import ASK, make_user, request
from .machine import Machine, booted, connect, wait_for

CA_URL = "http://ca.example.com:8009"
HOSTS = "127.0.0.1 localhost\n10.0.0.1 ca.example.com\n10.0.0.2 www.example.com\n"
UPDATER = f"""\
ca_url: {CA_URL}
names: [www.example.com]
key_type: ec:P-256
install:
  - path: /etc/nginx/www.pem
    content: key+certificate
  - path: /etc/nginx/ca.pem
    content: ca
  - path: /etc/nginx/crl.pem
    content: crl
reload: [nginx.service]
"""
SITE = """\
server {
    listen 443 ssl;
    ssl_certificate /etc/nginx/www.pem;
    ssl_certificate_key /etc/nginx/www.pem;
    ssl_client_certificate /etc/nginx/ca.pem;
    ssl_crl /etc/nginx/crl.pem;
    ssl_verify_client optional;
    location = /who { default_type text/plain; return 200 "$ssl_client_verify"; }
    location / { default_type text/plain; return 200 "here"; }
}
"""
SERVED = (
    "openssl s_client -connect www.example.com:443 -servername www.example.com </dev/null 2>/dev/null"
    " | openssl x509 -noout -serial"
)


# On the first day the clock of this machine is right, too; later the certificate is looked at with openssl, and curl, which
# would need the moved clock for that, only sees whether it is served.
PAGE = "curl --silent --show-error --max-time 20"
VERIFIED_PAGE = f"{PAGE} --cacert /etc/nginx/ca.pem"
ANY_PAGE = f"{PAGE} --insecure"


@pytest.fixture(scope="module")
def ca(release: str, installed: tuple[Path, Path]) -> Iterator[Machine]:
    with booted(f"ca-{release}", *installed) as machine:
        machine.write("/etc/hosts", HOSTS)
        machine.write("/etc/caucase/caucased.yaml", "netloc: ca.example.com:8009\nkey_type: ec:P-256\n")
        clock_from_now_on(machine)
        yield machine


@pytest.fixture(scope="module")
def connected(ca: Machine, fresh: Machine) -> Machine:
    """A machine that reaches the authority, and on which nothing is installed yet."""
    connect(ca, "10.0.0.1/24", fresh, "10.0.0.2/24")
    fresh.write("/etc/hosts", HOSTS)
    return fresh


@pytest.fixture(scope="module")
def web(connected: Machine) -> Machine:
    """Only what a web server needs is installed there."""
    fresh = connected
    fresh.run("apt-get install --yes nginx /srv/python3-caucase_*.deb /srv/caucase-client_*.deb")
    assert fresh.attempt("ls /usr/bin/caucased").returncode != 0
    clock_from_now_on(fresh)
    # nginx gives its workers no environment that it is not told to.
    told = "".join(f"env {name};\\n" for name in MOVED)
    fresh.run(
        f"rm /etc/nginx/sites-enabled/default && sed -i '1i {told}' /etc/nginx/nginx.conf && systemctl restart nginx"
    )
    return fresh


def result(machine: Machine, unit: str) -> str:
    return machine.show(unit, "Result")


def pass_and_deploy(machine: Machine) -> None:
    """What the timer would do at its next time, up to the end of the deployment it leads to."""
    machine.start("caucase-updater@www.service")
    marker = machine.root / "var/lib/caucase-updater/www/deploy-pending"

    def is_done() -> bool:
        if result(machine, "caucase-deploy@www.service") == "resources":
            machine.start("caucase-deploy@www.service")
        return not marker.exists()

    wait_for(is_done, "the deployment")
    wait_for(lambda: machine.show("caucase-deploy@www.service", "ActiveState") == "inactive", "its end")
    assert result(machine, "caucase-deploy@www.service") == "success"


def test_a_machine_without_python(ca: Machine, connected: Machine) -> None:
    """A whole life with caucase.sh; it runs first, because the tests after it bring Python."""
    bob = make_user(ca, "bob")
    connected.run("apt-get install --yes /srv/caucase-sh_*.deb")
    assert connected.attempt("command -v python3").returncode != 0
    shell = f"mkdir -p /root/sh && cd /root/sh && caucase.sh --ca-url {CA_URL}"
    connected.run(f"mkdir -p /root/sh && cd /root/sh && {request('sh')} && cp sh.key.pem sh.pem")
    csr_id = connected.run(f"{shell} --send-csr sh.csr.pem").split()[0]
    assert connected.attempt(f"{shell} --get-crt {csr_id} sh.pem").returncode == 2
    ca.run(f"cd && caucase --ca-url {CA_URL} --user-key {bob} --sign-csr {csr_id}")
    connected.run(f"{shell} --get-crt {csr_id} sh.pem")
    verify = "cd /root/sh && openssl verify -CAfile cas.crt.pem -CRLfile cas.crl.pem -crl_check sh.pem"
    serial = "openssl x509 -in /root/sh/sh.pem -noout -serial"
    connected.run(verify)
    before = connected.run(serial)
    assert "did not reach" in connected.run(f"{shell} --renew-crt sh.pem sh.pem")
    connected.run(f"{shell} --threshold 100 --renew-crt sh.pem sh.pem")
    connected.run(verify)
    assert connected.run(serial) != before
    assert connected.run("stat --format=%a /root/sh/sh.pem") == "600"
    connected.run(f"{shell} --revoke-crt sh.pem sh.pem")
    assert "certificate revoked" in connected.attempt(verify).stdout
    assert connected.run("ls -A /root/sh").split() == [
        *("cas.crl.pem", "cas.crt.pem", "sh.csr.pem", "sh.key.pem", "sh.pem"),
    ]
    connected.run("apt-get purge --yes caucase-sh")


def test_a_web_server_from_the_request_to_a_revoked_client(ca: Machine, web: Machine) -> None:
    alice = make_user(ca)
    ca.run(ASK)

    # The administrator of the web server: one file, one timer, and a first pass at once.
    web.write("/etc/caucase/updater/www.yaml", UPDATER)
    web.run("systemctl enable --now caucase-updater@www.timer")
    web.start("caucase-updater@www.service")
    assert result(web, "caucase-updater@www.service") == "success", "to wait for a signature is no failure"
    assert "waits for a user's signature" in web.journal("--unit=caucase-updater@www.service")
    assert web.run("stat --format='%U %a' /var/lib/caucase-updater/www") == "caucase-updater 700"

    # The user, at the authority.
    asking = f"cd && {WITH_CLOCK} caucase --ca-url {CA_URL} --user-key {alice}"
    listed = ca.run(f"{asking} --list-csr | grep -o -E '[0-9]{{12,}}' | head -1")
    ca.run(f"{asking} --sign-csr {listed}")

    # What the timer does next. nginx has no certificate before that, and starts with it.
    pass_and_deploy(web)
    web.write("/etc/nginx/sites-enabled/default", SITE)
    web.run("systemctl restart nginx")
    assert web.run(f"{VERIFIED_PAGE} https://www.example.com/") == "here"
    assert web.run("stat --format='%U %a' /etc/nginx/www.pem") == "root 600"
    assert web.run("systemctl --failed --quiet --no-legend") == ""

    # Nothing is due: a moment, and no failure.
    web.start("caucase-updater@www.service")
    assert result(web, "caucase-updater@www.service") == "success"

    # Two months later it is renewed, while clients come and go: nginx serves the new one, and refuses nobody.
    before = web.run(SERVED)
    load = web.popen(
        f"until [ -e /run/enough ]; do {ANY_PAGE} https://www.example.com/ && echo || echo refused; done"
    )
    move(65, ca, web)
    pass_and_deploy(web)
    wait_for(lambda: web.run(SERVED) != before, "the new certificate")
    web.run("touch /run/enough")
    answers = load.communicate(timeout=60)[0].split()
    assert set(answers) == {"here"}
    assert len(answers) > 20
    assert "nginx.service was reloaded" in web.journal("--unit=caucase-deploy@www.service")

    # A client of the web server, and its end.
    web.run(
        f"cd && {request('client')} && {WITH_CLOCK} caucase --ca-url {CA_URL} --send-csr client.csr.pem >sent"
    )
    number = web.run("cut -d ' ' -f 1 /root/sent")
    ca.run(f"{asking} --sign-csr {number}")
    web.run(f"cd && {WITH_CLOCK} caucase --ca-url {CA_URL} --get-crt {number} client.crt.pem")
    who = f"{ANY_PAGE} --cert /root/client.crt.pem --key /root/client.key.pem https://www.example.com/who"
    assert web.run(who) == "SUCCESS"
    serial = int(web.run("openssl x509 -noout -serial -in /root/client.crt.pem").partition("=")[2], 16)
    ca.run(f"{asking} --revoke-serial {serial}")
    # A list is fetched well before its end; a few weeks later the web server knows.
    move(65 + 25, ca, web)
    pass_and_deploy(web)
    wait_for(lambda: "SSL certificate error" in web.run(who) or None, "the revoked client to be refused")
    a_deployment_that_fails_is_seen_told_and_repeated(ca, web)


def a_deployment_that_fails_is_seen_told_and_repeated(ca: Machine, web: Machine) -> None:
    """The hook of the administrator's choice hears of it."""
    web.write(
        "/etc/systemd/system/caucase-failed@.service.d/tell.conf",
        "[Service]\nExecStart=\nExecStart=/bin/sh -c 'echo %i >>/run/told'\nReadWritePaths=/run\n",
    )
    web.write(
        "/etc/caucase/updater/www.yaml",
        UPDATER.replace("nginx.service", "missing.service"),
    )
    move(65 + 65, ca, web)
    web.run("systemctl daemon-reload")
    web.start("caucase-updater@www.service")
    wait_for(lambda: web.show("caucase-deploy@www.service", "ActiveState") == "failed", "the failure")
    assert "caucase-deploy@www.service" in web.run("systemctl --failed --no-legend --plain")
    wait_for(lambda: "caucase-deploy@www.service" in web.attempt("cat /run/told").stdout, "the hook")
    # Without the authority, too: the deployment has its own timer.
    web.write("/etc/caucase/updater/www.yaml", UPDATER)
    ca.run("systemctl stop caucased.socket caucased.service")
    assert web.show("caucase-deploy@www.timer", "ActiveState") == "active"
    web.start("caucase-deploy@www.service")
    assert web.run("systemctl --failed --quiet --no-legend") == ""
