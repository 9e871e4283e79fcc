"""Every route, as it should be used, and refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from cryptography import x509

from caucase import __version__
from caucase.core.x509 import authority_key_id, load_crl
from caucase.store import Database

from .harness import Server
from .material import Made, foreign, make, null
from .wire import JSON, PKCS10, Client

CONTEXTS = ("cau", "cas")
JSON_UTF8 = {"Content-Type": "application/json; charset=utf-8"}


def aki_of(client: Client, context: str) -> int:
    ca = x509.load_pem_x509_certificate(client.get(f"/{context}/crt/ca.crt.pem").expect(200).body)
    found = authority_key_id(ca)
    assert found is not None
    return int.from_bytes(found, "big")


@pytest.fixture(scope="module")
def work(server: Server, user: Path) -> Work:
    client = server.client
    service = make("www")
    return Work(
        pending=client.submit("cas", make("waits").csr_pem),
        signed=client.submit("cau", make("signed").csr_pem),
        aki=aki_of(client, "cas"),
        service=service,
        crt_pem=client.issue(service.csr_pem, user).decode(),
    )


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the shared server holds: requests by id, and a service with its certificate."""

    pending: str
    signed: str
    aki: int
    service: Made
    crt_pem: str


# As it should be


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "application/hal+json"),
        ("/{c}", "application/hal+json"),
        ("/{c}/crl", "application/pkix-crl"),
        ("/{c}/crl/{aki}", "application/pkix-crl"),
        ("/{c}/crl/{aki}.der", "application/pkix-crl"),
        ("/{c}/crt/ca.crt.pem", "application/x-x509-ca-cert"),
        ("/{c}/crt/ca.crt.json", "application/json"),
        ("/cas/crt/https-ca.json", "application/json"),
    ],
)
def test_public_documents(client: Client, path: str, media_type: str, context: str, tls: bool) -> None:
    where = path.format(c=context, aki=aki_of(client, context))
    answer = client.get(where, tls=tls).expect(200)
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Server"] == f"caucased/{__version__}"
    assert parsedate_to_datetime(answer.headers["Date"])
    assert answer.body
    head = client.ask("HEAD", where, tls=tls).expect(200)
    assert head.body == b""
    for name in ("Content-Type", "Content-Length", "ETag", "Last-Modified", "Cache-Control", "Vary"):
        assert head.headers[name] == answer.headers[name], name


def test_revocation_lists_in_both_forms(client: Client) -> None:
    for context in CONTEXTS:
        path = f"/{context}/crl/{aki_of(client, context)}"
        pem, der = client.get(path).body, client.get(f"{path}.der").body
        assert load_crl(pem) == x509.load_der_x509_crl(der)
        assert load_crl(client.get(f"/{context}/crl").body) == load_crl(pem)


def test_life_of_a_request(client: Client, user: Path) -> None:
    made = make("life")
    request_id = client.submit("cas", made.csr_pem)
    assert 0 <= int(request_id) < 2**63
    assert client.submit("cas", made.csr_pem) == request_id
    stored = client.get(f"/cas/csr/{request_id}").expect(200)
    assert stored.type == "application/pkcs10"
    assert stored.body == made.csr_pem
    waiting = client.get("/cas/csr", user=user).expect(200)
    assert waiting.type == "application/json"
    [entry] = [entry for entry in waiting.json() if entry["id"] == request_id]
    assert entry.keys() == {"id", "csr", "received_at", "requested_from"}
    assert entry["csr"] == made.csr_pem.decode()
    assert entry["requested_from"] == "127.0.0.1"
    received = datetime.fromisoformat(entry["received_at"].replace("Z", "+00:00"))
    assert abs(datetime.now(UTC) - received) < timedelta(minutes=5)
    client.get(f"/cas/crt/{request_id}").expect(404)

    signed = client.ask("PUT", f"/cas/crt/{request_id}", make("granted").csr_pem, PKCS10, user=user).expect(
        204
    )
    assert signed.body == b""
    answer = client.get(f"/cas/crt/{request_id}").expect(200)
    assert answer.type == "application/pkix-cert"
    certificate = x509.load_pem_x509_certificate(answer.body)
    assert certificate.subject.rfc4514_string() == "CN=granted"
    assert request_id not in {entry["id"] for entry in client.get("/cas/csr", user=user).json()}


def test_rejection(client: Client, user: Path) -> None:
    request_id = client.submit("cas", make("unwanted").csr_pem)
    assert client.ask("DELETE", f"/cas/csr/{request_id}", user=user).expect(204).body == b""
    client.get(f"/cas/csr/{request_id}").expect(404)


@pytest.mark.parametrize("headers", [JSON, JSON_UTF8, {"Content-Type": "application/json;charset=UTF-8"}])
def test_renewal(client: Client, work: Work, headers: dict[str, str]) -> None:
    new = make("whatever")
    message = work.service.signed({"crt_pem": work.crt_pem, "renew_csr_pem": new.csr_pem.decode()})
    first, again = (client.ask("PUT", "/cas/crt/renew", message, headers).expect(200) for _ in range(2))
    assert first.type == "application/pkix-cert"
    assert first.body == again.body
    assert x509.load_pem_x509_certificate(first.body).subject.rfc4514_string() == "CN=www"


def test_revocation_by_its_holder(client: Client, user: Path) -> None:
    made = make("leaked")
    crt_pem = client.issue(made.csr_pem, user).decode()
    message = made.signed({"revoke_crt_pem": crt_pem})
    assert client.ask("PUT", "/cas/crt/revoke", message, JSON).expect(204).body == b""
    assert "revoked" in client.ask("PUT", "/cas/crt/revoke", message, JSON).expect(409).sentence
    serial = x509.load_pem_x509_certificate(crt_pem.encode()).serial_number
    crl = load_crl(client.get("/cas/crl").body)
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None


def test_revocation_by_a_user(client: Client, user: Path) -> None:
    crt_pem = client.issue(make("by-user").csr_pem, user).decode()
    for payload in ({"revoke_crt_pem": crt_pem}, {"revoke_serial": 4711}):
        client.ask("PUT", "/cas/crt/revoke", null(payload), JSON, user=user).expect(204)
        client.ask("PUT", "/cas/crt/revoke", null(payload), JSON, user=user).expect(409)


def test_a_signature_speaks_for_itself(own_server: Server, tmp_path: Path) -> None:
    """Also when a revoked user delivers it."""
    client = own_server.client
    one, other = make("one"), make("other")
    one_pem = client.become_user(one.csr_pem)
    bundle = one.bundle(tmp_path / "one.pem", one_pem)
    other_pem = client.become_user(other.csr_pem).decode()
    revoke = ("PUT", "/cau/crt/revoke")
    client.ask(*revoke, one.signed({"revoke_crt_pem": one_pem.decode()}), JSON, user=bundle).expect(204)
    client.ask(*revoke, null({"revoke_crt_pem": other_pem}), JSON, user=bundle).expect(401)
    client.ask(*revoke, other.signed({"revoke_crt_pem": other_pem}), JSON, user=bundle).expect(204)


def test_a_revoked_user_is_out_at_once(own_server: Server, tmp_path: Path) -> None:
    client = own_server.client
    made = make("user")
    crt_pem = client.become_user(made.csr_pem)
    bundle = made.bundle(tmp_path / "user.pem", crt_pem)
    connection = client.connect(user=bundle)
    try:
        for status in (200, 401):
            connection.request("GET", "/cas/csr")
            response = connection.getresponse()
            assert (response.status, response.read() is None) == (status, False)
            if status == 200:
                message = made.signed({"revoke_crt_pem": crt_pem.decode()})
                client.ask("PUT", "/cau/crt/revoke", message, JSON).expect(204)
    finally:
        connection.close()


def test_authenticated_answers_are_private(client: Client, user: Path) -> None:
    for context in CONTEXTS:
        assert client.get(f"/{context}/csr", user=user).expect(200).headers["Cache-Control"] == "private"
    request_id = client.submit("cas", make("private").csr_pem)
    assert client.get(f"/cas/csr/{request_id}").headers["Cache-Control"] == "no-store"
    for path in (f"/cas/crt/{request_id}", "/cas/crt/5"):
        assert client.ask("PUT", path, user=user).headers["Cache-Control"] == "private"


def test_requests_of_any_content_type(client: Client) -> None:
    for number, headers in enumerate(({}, {"Content-Type": "text/plain"}, PKCS10, {"Content-Type": "???"})):
        client.ask("PUT", "/cas/csr", make(f"typed{number}").csr_pem, headers).expect(201)


# As it should not be


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request that is refused. ``caller``: http, https or user."""

    name: str
    request: str
    status: int
    body: Callable[[Work], bytes] = field(default=lambda _: b"")
    headers: dict[str, str] = field(default_factory=dict)
    caller: str = "http"


def refused(name: str, request: str, status: int, **more: object) -> Case:
    return Case(name=name, request=request, status=status, **more)  # type: ignore[arg-type]


def message_case(name: str, body: bytes, action: str) -> Case:
    return refused(f"{action}-{name}", f"PUT /cas/crt/{action}", 400, body=lambda _: body, headers=JSON)


UNKNOWN = [
    refused(request, request, 404)
    for request in (
        "GET /nope",
        "GET /cas/",
        "GET /cas/nope",
        "GET /https",
        "GET /https/crt/ca.crt.pem",
        "GET /cas/csr/{pending}/more",
        "GET /cas/crl/abc",
        "GET /cas/crl/abc.der",
        "GET /cas/crl/-5",
        "GET /cas/crl/5",
        "GET /cas/crl/5.der",
        "GET /cau/crl/{aki}",
        "GET /cas/crl/{aki}.pem",
        "GET /cas/crl/" + "9" * 4000,
        "GET /cas/csr/5",
        "GET /cas/csr/05",
        f"GET /cas/csr/{2**63}",
        "GET /cas/csr/" + "9" * 90,
        "GET /cau/csr/{pending}",
        "GET /cas/crt/5",
        "GET /cas/crt/{pending}",
        "POST /nope",
    )
]

NOT_NUMBERS = [
    refused(request, request, 400)
    for request in (
        "GET /cas/csr/abc",
        "GET /cas/crt/-1",
        "GET /cas/csr/1.0",
        "GET /cas/csr/%D9%A3",
        "GET /cau/crt/https-ca.json",
    )
]

USERS = [
    refused("sign-unknown", "PUT /cas/crt/5", 404, caller="user"),
    refused("sign-not-a-number", "PUT /cas/crt/abc", 400, caller="user"),
    refused("sign-signed", "PUT /cau/crt/{signed}", 404, caller="user"),
    refused("sign-elsewhere", "PUT /cau/crt/{pending}", 404, caller="user"),
    refused("reject-unknown", "DELETE /cas/csr/5", 404, caller="user"),
    refused("reject-signed", "DELETE /cau/csr/{signed}", 404, caller="user"),
    *(
        refused(
            f"template-{name}",
            "PUT /cas/crt/{pending}",
            400,
            body=lambda _, data=data: data,
            headers=headers,
            caller="user",
        )
        for name, data, headers in (
            ("garbage", b"hello", PKCS10),
            ("wrong-type", make("template").csr_pem, JSON),
            ("no-type", make("template").csr_pem, {}),
            # Nothing would be changed, though somebody wanted that.
            ("empty", b"", {"Content-Type": "application/pkcs10"}),
        )
    ),
    refused(
        "revoke-nothing", "PUT /cas/crt/revoke", 400, body=lambda _: null({}), headers=JSON, caller="user"
    ),
    refused(
        "revoke-serial-text",
        "PUT /cas/crt/revoke",
        400,
        body=lambda _: null({"revoke_serial": "5"}),
        headers=JSON,
        caller="user",
    ),
]

NOBODYS = [
    refused(f"{request}-{caller}", request, 401, caller=caller, body=body, headers=JSON)
    for caller in ("http", "https")
    for request, body in (
        ("GET /cas/csr", lambda _: b""),
        ("GET /cau/csr", lambda _: b""),
        ("PUT /cas/crt/{pending}", lambda _: b""),
        ("PUT /cas/crt/abc", lambda _: b""),
        ("DELETE /cas/csr/{pending}", lambda _: b""),
        ("PUT /cas/crt/revoke", lambda work: null({"revoke_crt_pem": work.crt_pem})),
        ("PUT /cas/crt/revoke", lambda _: null({"revoke_serial": 5})),
    )
]

BODIES = [
    refused("csr-empty", "PUT /cas/csr", 400),
    refused("csr-garbage", "PUT /cas/csr", 400, body=lambda _: b"hello"),
    refused("csr-certificate", "PUT /cas/csr", 400, body=lambda work: work.crt_pem.encode()),
    *(
        message_case(name, body, action)
        for action in ("renew", "revoke")
        for name, body in (
            ("not-json", b"{"),
            ("not-utf8", b"\xff"),
            ("list", b"[]"),
            ("deep", b"[" * 100_000),
            ("empty", b""),
            ("object", b"{}"),
            ("payload-number", b'{"payload":1,"digest":"sha256","signature":"eA=="}'),
            ("digest-md5", b'{"payload":"{}","digest":"md5","signature":"eA=="}'),
        )
    ),
    *(
        refused(f"type-{action}-{name}", f"PUT /cas/crt/{action}", 400, body=lambda _: b"{}", headers=headers)
        for action in ("renew", "revoke")
        for name, headers in (
            ("none", {}),
            ("text", {"Content-Type": "text/plain"}),
            ("latin", {"Content-Type": "application/json; charset=latin-1"}),
        )
    ),
    refused("renew-null", "PUT /cas/crt/renew", 400, body=lambda _: null({}), headers=JSON),
    refused(
        "revoke-wrong-key",
        "PUT /cas/crt/revoke",
        400,
        body=lambda work: make("thief").signed({"revoke_crt_pem": work.crt_pem}),
        headers=JSON,
    ),
]


@pytest.mark.parametrize(
    "case", [*UNKNOWN, *NOT_NUMBERS, *USERS, *NOBODYS, *BODIES], ids=lambda case: case.name
)
def test_refused(server: Server, user: Path, work: Work, case: Case) -> None:
    method, path = case.request.split()
    answer = server.client.ask(
        method,
        path.format(pending=work.pending, signed=work.signed, aki=work.aki),
        case.body(work),
        case.headers,
        tls=case.caller == "https",
        user=user if case.caller == "user" else None,
    ).expect(case.status)
    assert answer.sentence
    if case.status == 401:
        assert answer.headers["WWW-Authenticate"] == "transport"
    # Nothing has become of it.
    assert server.client.get(f"/cas/csr/{work.pending}").status == 200


@pytest.mark.parametrize(
    ("request_line", "allowed"),
    [
        ("POST /", "GET, HEAD, OPTIONS"),
        ("DELETE /cas", "GET, HEAD, OPTIONS"),
        ("DELETE /cas/csr", "GET, HEAD, OPTIONS, PUT"),
        ("POST /cas/csr/5", "DELETE, GET, HEAD, OPTIONS"),
        ("DELETE /cas/crt/5", "GET, HEAD, OPTIONS, PUT"),
        ("PUT /cas/crl", "GET, HEAD, OPTIONS"),
        ("GET /cas/crt/renew", "OPTIONS, PUT"),
        ("POST /cau/crt/revoke", "OPTIONS, PUT"),
        ("PUT /cas/crt/ca.crt.pem", "GET, HEAD, OPTIONS"),
        ("PUT /cas/crt/https-ca.json", "GET, HEAD, OPTIONS"),
        ("DELETE /cas/crt/renewal", "GET, HEAD, OPTIONS, PUT"),
        ("PUT /cas/crl/5.der", "GET, HEAD, OPTIONS"),
        ("PATCH /cors", "GET, HEAD, OPTIONS, POST"),
    ],
)
def test_methods(client: Client, request_line: str, allowed: str) -> None:
    method, path = request_line.split()
    answer = client.ask(method, path).expect(405)
    assert answer.headers["Allow"] == allowed
    assert answer.sentence
    options = client.ask("OPTIONS", path).expect(204)
    assert options.headers["Allow"] == allowed
    assert options.body == b""
    assert "Access-Control-Allow-Methods" not in options.headers


def test_options_of_nothing(client: Client) -> None:
    assert client.ask("OPTIONS", "/nope").expect(204).headers["Allow"] == "OPTIONS"


def test_full_queue(bare_server: Server, database: Database) -> None:
    bare_server.configure(database, service_max_csr=1)
    bare_server.client.submit("cas", make("first").csr_pem)
    answer = bare_server.client.ask("PUT", "/cas/csr", make("second").csr_pem)
    assert answer.expect(507).sentence


def test_second_request_for_a_user_key(client: Client) -> None:
    first = make("first")
    client.submit("cau", first.csr_pem)
    assert client.ask("PUT", "/cau/csr", make("second", first.key).csr_pem).expect(409).sentence


def test_certificates_of_others(client: Client) -> None:
    made, crt_pem = foreign("stranger")
    for action, payload in (
        ("revoke", {"revoke_crt_pem": crt_pem.decode()}),
        ("renew", {"crt_pem": crt_pem.decode(), "renew_csr_pem": make("new").csr_pem.decode()}),
    ):
        assert client.ask("PUT", f"/cas/crt/{action}", made.signed(payload), JSON).expect(400).sentence
