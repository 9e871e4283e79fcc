"""caucase-probe: is a server there, over HTTP and HTTPS, and is it one and the same?

It trusts what it meets: it says that a server works, not whose server that is.
"""

from __future__ import annotations

from collections.abc import Sequence

from caucase import clock
from caucase.cli.common import EX_OK, Parser, run
from caucase.cli.defaults import client_config, where
from caucase.client import Client
from caucase.core.trust import updated_trust
from caucase.errors import Untrusted

PROGRAM = "caucase-probe"


def parser() -> Parser:
    result = Parser(
        PROGRAM, "Check that a caucase server hands out the same CA certificate over HTTP and over HTTPS."
    )
    result.add_argument(
        "ca_url",
        metavar="URL",
        nargs="?",
        help="the server's HTTP address, for example http://ca.example.com:8009 [that of client.yaml]",
    )
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run(PROGRAM, lambda: _probe(_ca_url(argv)))


def _ca_url(argv: Sequence[str] | None) -> str:
    line = parser()
    given: str | None = line.parse_args(argv).ca_url
    return given or client_config().ca_url or line.error(f"URL is needed; or write ca_url into {where()}")


def _probe(ca_url: str) -> int:
    with Client(ca_url) as over_http:
        now, ca = clock.now(), over_http.ca_certificate()
        # The CA that signs may be a successor of the one that is handed out.
        trusted = updated_trust([], anchor=ca, chain=over_http.ca_chain(), now=now)
        # Where the server publishes its HTTPS CA, that must be right too (caucase 0.9 does not).
        with over_http.over_https(trusted=trusted, now=now, require_https_ca=False) as over_https:
            if over_https.ca_certificate() != ca:
                raise Untrusted(
                    "The CA certificate is another one over HTTPS than over HTTP.",
                    "Do both ports belong to the same server?",
                )
    return EX_OK
