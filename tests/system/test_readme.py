"""What the README promises: somebody who knows nothing of the project, and has a clean Debian, follows it word for word and
has an nginx with a certificate that renews itself.

The machine has no network. What apt would fetch from Debian's archive is in its cache already (packages and their lists, each
as apt itself has chosen it), and the repository that the README has cloned is a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import debian
from .clock import clock_from_now_on, move
from .machine import Machine, booted, wait_for
from .reader import Reader, prepare, repository

REPOSITORY = "/srv/caucase.git"
SERVED = "openssl s_client -connect localhost:443 </dev/null 2>/dev/null | openssl x509 -noout -serial"
PAGE = "curl --silent --show-error --max-time 20 --insecure https://localhost/"
# The timer that the reader has enabled, with a clock on which a quarter of an hour is two seconds.
QUICK = """\
[Timer]
AccuracySec=100ms
OnCalendar=
OnCalendar=*:*:0/2
RandomizedDelaySec=0
"""


@pytest.fixture
def clean(release: str) -> Iterator[Machine]:
    with booted(f"clean-{release}", debian.clean_root(release)) as machine:
        yield machine


def test_an_nginx_with_a_renewing_certificate(clean: Machine, tmp_path: Path) -> None:
    assert (
        clean.attempt("ls /usr/bin/{python3,git,make,curl,openssl,nginx}").stdout.count("No such file") == 6
    )
    prepare(clean)
    repository(clean, REPOSITORY, tmp_path)
    reader = Reader({"": clean}, {"URL": REPOSITORY})
    reader.read("README.md")
    assert "Hello" in clean.run("curl --silent --cacert /etc/nginx/www.ca.pem https://localhost/")
    assert clean.run("systemctl --failed --quiet --no-legend") == ""
    it_is_renewed_by_its_timer(clean)


def it_is_renewed_by_its_timer(machine: Machine) -> None:
    """Two months later, and nobody who asks nginx meanwhile is refused."""
    before = machine.run(SERVED)
    load = machine.popen(f"until [ -e /run/enough ]; do {PAGE} || echo refused; done")
    clock_from_now_on(machine)
    machine.run("systemctl stop caucased.service")  # its next start is with that clock
    machine.drop_in("caucase-updater@www.timer", QUICK)
    assert machine.run(SERVED) == before, "it is not due"
    move(65, machine)
    wait_for(lambda: machine.run(SERVED) != before or None, "the new certificate")
    machine.run("touch /run/enough")
    answers = load.communicate(timeout=60)[0].split()
    assert set(answers) == {"Hello"}
    assert len(answers) > 20
    later = machine.run("date --date='+65 days' +%s")
    machine.run(f"openssl verify -attime {later} -CAfile /etc/nginx/www.ca.pem /etc/nginx/www.pem")
    assert "nginx.service was reloaded" in machine.journal("--unit=caucase-deploy@www.service")
