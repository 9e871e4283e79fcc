"""Which address a former server had: what decides, and what is refused."""

from __future__ import annotations

import pytest

from caucase.core.netloc import NetLoc
from caucase.core.origin import check_origin
from caucase.errors import ConfigError

from ..former import FormerDatabase

HERE, THERE = NetLoc.parse("ca.example.com:8009"), NetLoc.parse("old.example.com:8009")


@pytest.fixture
def check(clock, keys, make_csr):
    def run(
        netloc: NetLoc,
        *,
        leaf: NetLoc | None = None,
        ca: NetLoc | None = None,
        https: NetLoc | None = None,
    ) -> None:
        def former(at: NetLoc) -> FormerDatabase:
            made = FormerDatabase(clock(), keys, at)
            made.add_all_cas()
            return made

        check_origin(
            netloc,
            service_title="Caucase CAS",
            service_certificates=[former(leaf).add_certificate("cas", 1, make_csr())] if leaf else [],
            service_cas=[former(ca).cas["cas"][0].certificate] if ca else [],
            https_cas=[former(https).cas["http_cas"][0].certificate] if https else [],
        )

    return run


@pytest.mark.parametrize(
    "text", ["ca.example.com:8009", "192.0.2.7", "[2001:db8::1]:8009", "ca.example.com", "CA.example.com:80"]
)
def test_the_same_address(check, text: str) -> None:
    netloc = NetLoc.parse(text)
    check(netloc, leaf=netloc, ca=netloc, https=netloc)
    check(netloc, ca=netloc)


def test_the_port_of_http_may_be_left_out(check) -> None:
    check(NetLoc.parse("ca.example.com"), leaf=NetLoc.parse("ca.example.com:80"))
    check(NetLoc.parse("ca.example.com:80"), leaf=NetLoc.parse("ca.example.com"))


def test_nothing_is_known(check) -> None:
    check(HERE)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"leaf": THERE}, "certificates name old.example.com:8009"),
        ({"ca": THERE}, "named for old.example.com:8009"),
        ({"https": THERE}, "only speak for old.example.com"),
        ({"https": NetLoc.parse("192.0.2.7:8009")}, "only speak for 192.0.2.7"),
        ({"leaf": NetLoc.parse("ca.example.com:9999")}, "certificates name ca.example.com:9999"),
        ({"leaf": HERE, "https": THERE}, "only speak for old.example.com"),
    ],
)
def test_another_address(check, known, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check(HERE, **known)


def test_what_certificates_say_goes_before_the_name_of_the_ca(check) -> None:
    """A CA keeps its first name for ever, even where somebody moved the service later."""
    check(HERE, leaf=HERE, ca=THERE)
