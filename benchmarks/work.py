"""What clients send: requests, signed messages, and the user who signs. Made before the measured time.

Certificate requests are kept in build/bench, so that a second run does not make them again. Many share a few keys, for
making RSA keys takes long and the server does not care; their subjects differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from benchmarks import load
from benchmarks.load import Load, http_request
from benchmarks.servers import BUILD, Server, making
from caucase.core import message
from caucase.core.keys import KeyType, PrivateKey, signature_hash

RSA, EC = "rsa:2048", "ec:P-256"
_KEYS = 32
_END = b"-----END CERTIFICATE REQUEST-----\n"
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True, kw_only=True)
class Certified:
    """A certificate that was signed for the request of this number, whose key ``key(kind, number)`` is."""

    number: int
    pem: bytes


def key(kind: str, number: int) -> PrivateKey:
    """The key of the request of that number."""
    return _keys(kind)[number % _KEYS]


def requests(kind: str, count: int, *, renewed: bool = False) -> list[bytes]:
    """So many certificate requests in PEM, for one host name each; always the same.

    Those for renewals are others, with other keys: the peer renews with no request that it knows.
    """
    path = BUILD / f"{'renewals' if renewed else 'requests'}-{_slug(kind)}.pem"
    made = _kept(path)
    if len(made) < count:
        _keys(kind)
        with making():
            made[:] = _read(path)  # somebody else may have made some
            made += [
                _request(key(kind, number + renewed), f"host-{number}.example.com")
                for number in range(len(made), count)
            ]
            staged = path.with_suffix(".part")
            staged.write_bytes(b"".join(made))
            staged.rename(path)
    return made[:count]


@cache
def _kept(path: Path) -> list[bytes]:
    return _read(path)


def _read(path: Path) -> list[bytes]:
    return [text + _END for text in path.read_bytes().split(_END)[:-1]] if path.exists() else []


def enrol(server: Server, kind: str, folder: Path) -> Path:
    """The first user of a server, whose request is signed by itself: a file with key and certificate."""
    private = KeyType.parse(kind).generate()
    submitted = submit(server, "cau", [_request(private, "benchmark")])
    (crt_pem,) = fetch(server, "cau", submitted)
    path = folder / "user.pem"
    path.touch(mode=0o600)
    path.write_bytes(_pem_of(private) + crt_pem)
    return path


def submit(server: Server, context: str, csrs: Sequence[bytes]) -> list[str]:
    """Send requests, not measured; their ids."""
    sent = load.run(server.http, submissions(csrs, context), clients=8, seconds=3600, keep=True)
    return [identifier for identifier in ids(sent) if identifier]


def fetch(server: Server, context: str, identifiers: Sequence[str]) -> list[bytes]:
    """Certificates, not measured."""
    sent = load.run(server.http, fetches(identifiers, context), clients=8, seconds=3600, keep=True)
    assert not sent.failures, sent.failures
    return [load.body_of(answer) for answer in sent.answers]


def certify(server: Server, kind: str, user: Path, count: int) -> list[Certified]:
    """So many certificates of services, signed by the user, not measured."""
    waiting = submit(server, "cas", requests(kind, count))
    signed = load.run(server.https(user), signatures(waiting), clients=8, seconds=3600)
    assert not signed.failures, signed.failures
    return [Certified(number=index, pem=pem) for index, pem in enumerate(fetch(server, "cas", waiting))]


def submissions(csrs: Sequence[bytes], context: str = "cas") -> list[bytes]:
    """``PUT /cas/csr`` for each."""
    return [http_request("PUT", f"/{context}/csr", csr, "application/pkcs10") for csr in csrs]


def ids(submitted: Load) -> list[str]:
    """The ids that submissions were answered with, in their order; empty for one that was refused."""
    return [
        load.header_of(answer, "Location").rpartition("/")[2] if status == 201 else ""
        for status, answer in zip(submitted.statuses, submitted.answers, strict=True)
    ]


def signatures(identifiers: Sequence[str]) -> list[bytes]:
    """``PUT /cas/crt/{id}`` for each."""
    return [http_request("PUT", f"/cas/crt/{identifier}") for identifier in identifiers]


def fetches(identifiers: Sequence[str], context: str = "cas") -> list[bytes]:
    """``GET /cas/crt/{id}`` for each."""
    return [http_request("GET", f"/{context}/crt/{identifier}") for identifier in identifiers]


def renewals(kind: str, certified: Sequence[Certified], csrs: Sequence[bytes] = ()) -> list[bytes]:
    """``PUT /cas/crt/renew`` for each certificate, with a request of ``csrs`` each or one that has its number."""
    if certified and not csrs:
        numbered = requests(kind, max(one.number for one in certified) + 1, renewed=True)
        csrs = [numbered[one.number] for one in certified]
    made = []
    for one, csr in zip(certified, csrs, strict=True):
        payload = {"crt_pem": one.pem.decode("ascii"), "renew_csr_pem": csr.decode("ascii")}
        made.append(_message("renew", payload, key(kind, one.number)))
    return made


def revocations(kind: str, certified: Sequence[Certified]) -> list[bytes]:
    """``PUT /cas/crt/revoke`` for each certificate, by its holder."""
    return [
        _message("revoke", {"revoke_crt_pem": one.pem.decode("ascii")}, key(kind, one.number))
        for one in certified
    ]


def _message(path: str, payload: dict[str, str], private: PrivateKey) -> bytes:
    return http_request("PUT", f"/cas/crt/{path}", message.sign(payload, private).dump(), "application/json")


def _request(private: PrivateKey, name: str) -> bytes:
    builder = x509.CertificateSigningRequestBuilder(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(private, signature_hash(private)).public_bytes(_PEM)


@cache
def _keys(kind: str) -> list[PrivateKey]:
    path = BUILD / f"keys-{_slug(kind)}.pem"
    end = b"-----END PRIVATE KEY-----\n"
    with making():
        if not path.exists():
            staged = path.with_suffix(".part")
            staged.touch(mode=0o600)
            staged.write_bytes(b"".join(_pem_of(KeyType.parse(kind).generate()) for _ in range(_KEYS)))
            staged.rename(path)
    texts = [text + end for text in path.read_bytes().split(end)[:-1]]
    return [serialization.load_pem_private_key(text, None) for text in texts]  # type: ignore[misc]


def _pem_of(private: PrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return private.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain)


def _slug(kind: str) -> str:
    return kind.replace(":", "-").lower()
