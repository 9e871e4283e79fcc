"""What the reference of the API says of each route really comes: success with its media type, and each refusal."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from caucase.core.x509 import authority_key_id
from caucase.server.problems import _SENTENCES as SENTENCES
from caucase.server.problems import STATUS
from caucase.server.router import Router
from caucase.server.routes import ROUTES, Route
from caucase.store import Database

from .harness import Server, running
from .material import Made, make, null
from .test_routes import BODIES, NOBODYS, NOT_NUMBERS, UNKNOWN, USERS, Case
from .wire import JSON, Client

ROOT = Path(__file__).parents[2]
_NUMBERS = itertools.count()
_LARGE = b"x" * 300_000
# What any request may get is in the text of the document.
REFUSED_ANYWHERE = {400, 401, 403, 404, 405, 408, 413, 414, 429, 431, 500, 501, 503, 505}


def documented() -> Iterator[Any]:
    """Each status of each route in each context."""
    for route in ROUTES:
        for context, path in route.paths():
            if route.contract is not None:
                for status in (route.contract.status, *route.contract.refusals):
                    if (
                        not route.contract.refusals.get(status, "").startswith("In `/cau`")
                        or context == "cau"
                    ):
                        yield pytest.param(
                            route, str(context or ""), path, status, id=f"{route.method} {path} {status}"
                        )


@dataclass(frozen=True, kw_only=True)
class Office:
    """A server, its user's certificate, and what happens there."""

    server: Server
    user: Path
    alice: Made

    def fresh(self) -> Made:
        return make(f"contract{next(_NUMBERS)}")

    def pending(self, context: str) -> str:
        return self.server.client.submit(context, self.fresh().csr_pem)

    def issued(self, context: str, made: Made) -> tuple[str, str]:
        """The id of a request that is signed now, and the certificate in PEM."""
        client = self.server.client
        number = client.submit(context, made.csr_pem)
        client.ask("PUT", f"/{context}/crt/{number}", user=self.user).expect(204)
        return number, client.get(f"/{context}/crt/{number}").expect(200).body.decode()

    def renewal(self, context: str, new: Made) -> bytes:
        made = self.fresh()
        crt_pem = self.issued(context, made)[1]
        return made.signed({"crt_pem": crt_pem, "renew_csr_pem": new.csr_pem.decode()})

    def revocation(self, context: str) -> bytes:
        made = self.fresh()
        return made.signed({"revoke_crt_pem": self.issued(context, made)[1]})

    def authority_key_id(self, context: str) -> str:
        pem = self.server.client.get(f"/{context}/crt/ca.crt.pem").expect(200).body
        found = authority_key_id(x509.load_pem_x509_certificate(pem))
        assert found is not None
        return str(int.from_bytes(found, "big"))


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("contracts")
    with Database(folder / "caucase.sqlite") as database, running(folder) as server:
        server.configure(database, user_auto_approve_count=1, user_max_csr=1000)
        alice = make("alice")
        bundle = alice.bundle(folder / "alice.pem", server.client.become_user(alice.csr_pem))
        yield Office(server=server, user=bundle, alice=alice)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server that lets no request wait."""
    folder = tmp_path_factory.mktemp("full")
    with Database(folder / "caucase.sqlite") as database, running(folder) as server:
        server.configure(database, user_auto_approve_count=0, user_max_csr=0, service_max_csr=0)
        yield server.client


def prepared(office: Office, route: Route, context: str, status: int) -> tuple[str, bytes]:
    """What stands for the parameter in the path, or after it, and the body with which this status comes."""
    match route.method, route.path, status:
        case "GET", "/crl/{authority_key_id}" | "/crl/{authority_key_id}.der", 200:
            return office.authority_key_id(context), b""
        case "GET", "/csr/{csr_id}", 200:
            return office.pending(context), b""
        case "GET", "/crt/{csr_id}", 200:
            return office.issued(context, office.fresh())[0], b""
        case "GET", "/crt/{csr_id}", 404:
            return office.pending(context), b""
        case "GET", "/crt", 400:
            return "?colour=blue", b""
        case _, _, 413:
            return "5" if "{" in route.path else "", _LARGE
        case "PUT", "/csr", _:
            # With another subject: the same request would be recognised.
            of_alice = make("other", office.alice.key).csr_pem
            return "", {400: b"x", 409: of_alice}.get(status, office.fresh().csr_pem)
        case "PUT", "/crt/renew", 200 | 409:
            return "", office.renewal(
                context, make("other", office.alice.key) if status == 409 else office.fresh()
            )
        case "PUT", "/crt/revoke", 204 | 409:
            message = office.revocation(context)
            if status == 409:
                office.server.client.ask("PUT", f"/{context}/crt/revoke", message, JSON).expect(204)
            return "", message
        case "PUT", "/crt/renew" | "/crt/revoke", _:
            return "", null({"revoke_serial": 5}) if status == 401 else b"{}"
        case "DELETE" | "PUT", "/csr/{csr_id}" | "/crt/{crt_id}", 204 | 401:
            return office.pending(context), b""
        case _, _, 404:
            return "5", b""
        case _, _, 400:
            return "no-number", b""
    return "", b""


@pytest.mark.parametrize(("route", "context", "path", "status"), documented())
def test_every_status_and_media_type_comes(
    office: Office, full: Client, route: Route, context: str, path: str, status: int
) -> None:
    contract = route.contract
    assert contract is not None
    parameter, body = prepared(office, route, context, status)
    where = re.sub(r"\{\w+\}", parameter, path) if "{" in path else path + parameter
    headers = {"Content-Type": contract.takes} if body else {}
    client = full if status == 507 else office.server.client
    user = office.user if route.auth and status != 401 else None
    answer = client.ask(route.method, where, body, headers, user=user).expect(status)
    if status != contract.status:
        assert answer.sentence
    else:
        assert (answer.headers["Content-Type"] if answer.body else "") == contract.gives
        assert ("Location" in answer.headers) == ("`Location`" in contract.answer)


@pytest.mark.parametrize(
    "case", [*UNKNOWN, *NOT_NUMBERS, *USERS, *NOBODYS, *BODIES], ids=lambda case: case.name
)
def test_what_comes_is_documented(case: Case) -> None:
    """All that is refused in the tests of the routes."""
    method, path = case.request.split()
    route = Router(ROUTES).match(method, path.format(pending="7", signed="7", aki="7")).route
    if route is None:
        assert case.status in REFUSED_ANYWHERE
    else:
        assert route.contract is not None
        assert case.status in route.contract.refusals


def test_every_route_that_is_described_has_a_contract() -> None:
    assert [route.path for route in ROUTES if route.name and route.contract is None] == []
    for route in ROUTES:
        if route.contract is not None:
            # Whoever sends something is told what, and the other way round.
            assert bool(route.contract.takes) == bool(route.contract.sent)
            assert route.contract.title or route.title


def test_the_document_has_every_status_that_any_request_may_get() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    section = text.partition("## Refusals\n")[2].partition("\n## ")[0]
    told = {
        int(status)
        for row in section.splitlines()
        for status in re.findall(r"\b[45]\d\d\b", row.split("|")[1] if "|" in row else "")
    }
    assert told == REFUSED_ANYWHERE
    of_routes = {status for route in ROUTES if route.contract for status in route.contract.refusals}
    assert {*STATUS.values(), *SENTENCES} <= told | of_routes
