"""``GET /{c}/crt``: what was issued, by pages, and only what was understood."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509

from caucase.authority import ContextName, Principal
from caucase.store import Database

from .harness import Server
from .material import make, null
from .wire import JSON, Answer


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server of this module's own with three services, of which one is revoked and one renewed; and its user."""
    from .harness import running

    folder = tmp_path_factory.mktemp("listing")
    with Database(folder / "caucase.sqlite") as database, running(folder) as server:
        server.configure(database)
        boss = make("boss")
        user = boss.bundle(folder / "user.pem", server.client.become_user(boss.csr_pem))
        made = {name: make(name) for name in ("alpha", "Beta", "gamma")}
        issued = {name: server.client.issue(one.csr_pem, user) for name, one in made.items()}
        revocation = null({"revoke_crt_pem": issued["Beta"].decode()})
        server.client.ask("PUT", "/cas/crt/revoke", revocation, JSON, user=user).expect(204)
        payload = {"crt_pem": issued["gamma"].decode(), "renew_csr_pem": make("new").csr_pem.decode()}
        renewal = made["gamma"].signed(payload)
        server.client.ask("PUT", "/cas/crt/renew", renewal, JSON).expect(200)
        yield server, user, {name: x509.load_pem_x509_certificate(pem) for name, pem in issued.items()}


def ask(listed: Any, context: str = "cas", **parameters: object) -> Answer:
    server, user, _ = listed
    query = f"?{urlencode(parameters)}" if parameters else ""
    return server.client.get(f"/{context}/crt{query}", user=user)


def subjects(answer: Answer) -> list[str]:
    return [one["subject"].removeprefix("CN=") for one in answer.expect(200).json()["certificates"]]


def test_what_is_said_of_a_certificate(listed: Any) -> None:
    answer = ask(listed)
    assert (answer.type, answer.headers["Cache-Control"]) == ("application/json", "private")
    document = answer.expect(200).json()
    assert set(document) == {"certificates", "next"}
    assert document["next"] is None
    alpha, beta, gamma, renewed = document["certificates"]
    certificate = listed[2]["alpha"]
    revoked = beta["revoked"]
    assert alpha == {
        "number": 1,
        "kind": "signed",
        "issued_at": alpha["issued_at"],
        "subject": "CN=alpha",
        "names": [],
        "serial": f"{certificate.serial_number:x}",
        "key_id": x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest.hex(),
        "issuer": certificate.extensions.get_extension_for_class(
            x509.AuthorityKeyIdentifier
        ).value.key_identifier.hex(),
        "not_before": alpha["not_before"],
        "not_after": alpha["not_after"],
        "requested_from": "127.0.0.1",
        "approved_by": "CN=boss",
        "renewed_from": None,
        "revoked": None,
    }
    start, end, at = (
        datetime.fromisoformat(alpha[name].replace("Z", "+00:00"))
        for name in ("not_before", "not_after", "issued_at")
    )
    assert (end - start, at - start) == (timedelta(days=93), timedelta(seconds=10))
    assert (revoked["by"], revoked["from"], revoked["at"][-1]) == ("CN=boss", "127.0.0.1", "Z")
    assert (renewed["kind"], renewed["renewed_from"]) == ("renewed", gamma["serial"])
    assert renewed["approved_by"] is None


def test_users_have_a_list_of_their_own(listed: Any) -> None:
    (boss,) = ask(listed, "cau").json()["certificates"]
    assert (boss["subject"], boss["kind"], boss["approved_by"]) == ("CN=boss", "automatic", None)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"text": "BETA"}, ["Beta"]),
        ({"revoked": "true"}, ["Beta"]),
        ({"revoked": "false", "text": "a"}, ["alpha", "gamma", "gamma"]),
        ({"approved_by": "boss", "limit": 1000}, ["alpha", "Beta", "gamma"]),
        ({"approved_by": "nobody"}, []),
        ({"serial": "ff"}, []),
        ({"key_id": "00" * 20}, []),
        ({"expires_before": "2000-01-01"}, []),
        ({"expires_before": "9999-12-31T23:59:59Z"}, ["alpha", "Beta", "gamma", "gamma"]),
        ({"after": 2}, ["gamma", "gamma"]),
        ({"after": 2**63 - 1}, []),
    ],
)
def test_filters(listed: Any, parameters: dict[str, object], expected: list[str]) -> None:
    assert subjects(ask(listed, **parameters)) == expected


def test_by_serial_and_by_key(listed: Any) -> None:
    (beta,) = ask(listed, text="beta").json()["certificates"]
    for name in ("serial", "key_id"):
        assert subjects(ask(listed, **{name: beta[name].upper()})) == ["Beta"]


def test_page_after_page(listed: Any) -> None:
    found, after = [], 0
    while after is not None:
        page = ask(listed, limit=1, after=after).expect(200).json()
        found += page["certificates"]
        after = page["next"]
    assert found == ask(listed).json()["certificates"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1001", "limit=-1", "limit=1.0", "limit=", "limit=٣", "limit=" + "9" * 30, "limit=1&limit=1",
        "after=-1", "after=x", "after=9223372036854775808", "text=", "text=" + "x" * 257, "serial=0", "serial=xyz",
        "serial=0x1f", "serial=" + "f" * 40, "serial=" + "f" * 41, "key_id=f", "key_id=zz", "key_id=", "revoked=1",
        "revoked=True", "expires_before=2030", "expires_before=2030-13-01", "expires_before=2030-01-01T00:00:00",
        "expires_before=2030-01-01T24:30:00Z", "expires_before=0000-01-01", "approved_by=", "name=x", "TEXT=x", "=x", "x",
        "%ff=1", "text",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(listed: Any, query: str) -> None:
    server, user, _ = listed
    answer = server.client.get(f"/cas/crt?{query.replace('٣', '%D9%A3')}", user=user)
    assert answer.expect(400).sentence


@pytest.mark.parametrize(
    "query", ["text=%00", "text=%ff", "text=%F0%9F%98%80", "text=%27%22%3B--", "text=%25"]
)
def test_any_text_may_be_looked_for(listed: Any, query: str) -> None:
    server, user, _ = listed
    assert server.client.get(f"/cas/crt?{query}", user=user).expect(200).json()["certificates"] == []


def test_nobody_else_may_see_it(listed: Any) -> None:
    """Not even whether a parameter is right."""
    server, _, _ = listed
    for tls in (False, True):
        assert server.client.get("/cas/crt?x", tls=tls).expect(401)


def test_the_event_loop_goes_on_while_much_is_searched(own_server: Server, tmp_path: Path) -> None:
    """A page costs little, however many entries there are: 20,000 here, and nothing is found."""
    boss = make("boss")
    user = boss.bundle(tmp_path / "user.pem", own_server.client.become_user(boss.csr_pem))
    assert own_server.authority is not None
    services = own_server.authority.context(ContextName.CAS)
    csr = make("x")
    request_id = services.requests.submit(csr.csr_pem, address="here")
    services.requests.sign(request_id, by=Principal.local(0), address="here")
    with sqlite3.connect(tmp_path / "caucase.sqlite") as connection:
        connection.execute(
            "WITH RECURSIVE number(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < 20000)"
            " INSERT INTO record SELECT context, n, kind, at, printf('%x', n), subject, names, key_id, issuer, not_before,"
            " not_after, address, actor, renewed_from, hash FROM record, number WHERE context = 'cas' AND record.number = 1"
        )
        connection.execute("UPDATE record_chain SET number = 20000 WHERE context = 'cas'")
    pages, after = 0, 0
    while after is not None:
        page = own_server.client.get(f"/cas/crt?text=nothing&after={after}", user=user).expect(200).json()
        assert page["certificates"] == []
        pages, after = pages + 1, page["next"]
    assert pages == 4
