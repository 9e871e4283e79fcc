"""The examples of docs/api.md do what the document says, with curl, jq and openssl: in its order, and each by itself."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from caucase.core.keys import KeyType
from caucase.core.x509 import authority_key_id
from caucase.server.routes import ROUTES
from caucase.store import Database

from .harness import Server, running
from .material import make

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
PROSE, _, ROUTES_TEXT = DOCUMENT.partition("\n## Routes\n")
ADDRESSES, TRUST, MESSAGES = re.findall(r"^```sh\n(.*?)^```$", PROSE, re.MULTILINE | re.DOTALL)
EXAMPLES: dict[str, str] = {
    f"{method} {path}": block
    for method, path, block in re.findall(
        r"^### ([A-Z]+) `([^`]+)`.*?^```sh\n(.*?)^```$", ROUTES_TEXT, re.MULTILINE | re.DOTALL
    )
}


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A folder with the files that the examples name, and a server that they talk to."""

    server: Server
    folder: Path

    def run(self, script: str, **variables: str) -> str:
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", f"{self.addresses}\n{script}"],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def addresses(self) -> str:
        """As the document has them, but for the ports."""
        port = self.server.port
        return ADDRESSES.replace("8009", str(port)).replace("8010", str(port + 1))

    def request(self, name: str = "www") -> str:
        """The id of a new request for a service, whose files are there."""
        self.run(
            f"openssl req -newkey rsa:2048 -nodes -keyout {name}.key.pem -out {name}.csr.pem -subj /CN={name}"
        )
        return self.server.client.submit("cas", (self.folder / f"{name}.csr.pem").read_bytes())

    def sign(self, number: str) -> None:
        self.server.client.ask("PUT", f"/cas/crt/{number}", user=self.folder / "alice.pem").expect(204)
        crt_pem = self.server.client.get(f"/cas/crt/{number}").expect(200).body
        (self.folder / "www.crt.pem").write_bytes(crt_pem)

    @property
    def key_id(self) -> str:
        ca = x509.load_pem_x509_certificate((self.folder / "cas.crt.pem").read_bytes())
        found = authority_key_id(ca)
        assert found is not None
        return str(int.from_bytes(found, "big"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("examples")
    with Database(folder / "caucase.sqlite") as database, running(folder) as server:
        # As it is by default.
        server.configure(database, key_type=KeyType.parse("rsa:2048"))
        alice = make("alice")
        alice.bundle(folder / "alice.pem", server.client.become_user(alice.csr_pem))
        made = Desk(server=server, folder=folder)
        made.run(TRUST)
        yield made


def test_the_ca_of_https_is_fetched_and_checked(desk: Desk) -> None:
    assert "Verified OK" in desk.run(TRUST)
    assert x509.load_pem_x509_certificate((desk.folder / "https-ca.pem").read_bytes())
    # It is what HTTPS is verified with; and something else is noticed.
    desk.run('curl --fail --cacert https-ca.pem "$CA_HTTPS/"')
    with pytest.raises(AssertionError, match="Verification failure"):
        desk.run(TRUST.replace(">signed\n", '>signed\nprintf " " >>signed\n'))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_works(desk: Desk, example: str) -> None:
    number = desk.request()
    if example in ("GET /cas/crt/{csr_id}", "PUT /cas/crt/renew", "PUT /cas/crt/revoke"):
        desk.sign(number)
        desk.run(MESSAGES)
    said = desk.run(EXAMPLES[example], ID=number, KEY_ID=desk.key_id)
    assert said or "--output" in EXAMPLES[example] or not example.startswith("GET")


def test_there_is_one_for_each_route_of_the_api() -> None:
    headings = re.findall(r"^### ([A-Z]+) (.*)$", ROUTES_TEXT, re.MULTILINE)
    assert len(EXAMPLES) == len(headings)
    assert {(method, path) for method, paths in headings for path in re.findall("`([^`]+)`", paths)} == {
        (route.method, path) for route in ROUTES if route.contract for _, path in route.paths()
    }
