"""What tests of single requests find on a server: something that waits, something signed, something foreign.

Must never be changed by a test: it is made once for each server.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .material import Request, make_foreign_certificate, make_request
from .servers import Server
from .wire import Answer, issue, submit


@dataclass(frozen=True, kw_only=True)
class SharedWork:
    """`pending_id` waits, `signed_id` is that of `service`, certified in `crt_pem`; `spare` is not there."""

    pending_id: str
    signed_id: str
    service: Request
    crt_pem: bytes
    spare: Request
    foreign_crt_pem: bytes
    foreign: Path


def prepare(server: Server, user: Path, folder: Path) -> SharedWork:
    """Make the shared things of one server, in `folder` and on the server."""
    service = make_request(folder, "service")
    crt_pem = issue(server, service.csr_pem, user)
    foreign = make_foreign_certificate(folder, "foreign")
    return SharedWork(
        pending_id=submit(server, "cas", make_request(folder, "pending").csr_pem),
        signed_id=submit(server, "cas", service.csr_pem),
        service=service,
        crt_pem=crt_pem,
        spare=make_request(folder, "spare"),
        foreign_crt_pem=(folder / "foreign.crt.pem").read_bytes(),
        foreign=foreign,
    )


def assert_one_sentence(answer: Answer) -> None:
    """The body of an error tells a person what is wrong: one line of text, no innards."""
    text = answer.body.decode()
    assert text.strip(), f"{answer.status} without a word"
    assert len(text.strip().splitlines()) == 1, text
    assert len(text) < 400, text
    assert "Traceback" not in text
    assert not text.startswith(("b'", 'b"', "[", "{")), text
    assert answer.type == "text/plain"
