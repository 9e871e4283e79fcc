"""What a man in the middle can do to each client command, and what he cannot: before the first contact, and later.

The server is the real one, rolled over once; so is the one that the man has of his own. The commands are the real ones, in
this process; and caucase.sh, in either shell.
"""

# ruff: noqa: F811 - a fixture that is imported, and arguments of its name

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from caucase.authority import ContextName, Principal, RequestId
from caucase.cli import caucase, probe, updater
from caucase.client import transport
from caucase.client.updater.memory import read_memory
from caucase.core import message
from caucase.core.x509 import (
    dump_pem,
    fingerprint,
    load_certificate,
    load_certificates,
    load_crls,
    load_private_key,
    load_request,
    public_key,
    spki,
)
from caucase.store import Database
from tests.server.harness import Server
from tests.server.harness import running as running_server
from tests.server.material import make
from tests.shell.conftest import shells  # noqa: F401 - a fixture
from tests.shell.shells import NAMES, Shell, impatient

from .middle import Exchange, Man, Reply, between, break_off, fall_silent, never_end, pass_on, say

DAY = timedelta(days=1)
IN_SHELLS = tuple(f"caucase.sh, {name}" for name in NAMES)
CA, CHAIN, LISTS, HTTPS_CA = (
    "/cas/crt/ca.crt.pem",
    "/cas/crt/ca.crt.json",
    "/cas/crl",
    "/cas/crt/https-ca.json",
)


@dataclass
class World:
    """``genuine`` is who the client means, ``evil`` the man's own server. ``old_lists``: of before the last revocation."""

    genuine: Server
    evil: Server
    man: Man
    user: Path
    old_lists: bytes


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        genuine, evil = (_rolled_over(stack, tmp_path_factory.mktemp(name)) for name in ("genuine", "evil"))
        man = stack.enter_context(between(genuine.port, evil.folder / "server.key.pem"))
        made = make("user")
        user = made.bundle(genuine.folder / "user.pem", genuine.client.become_user(made.csr_pem))
        old_lists = genuine.client.get(LISTS).expect(200).body
        _revoke_any(genuine, user)
        yield World(genuine, evil, man, user, old_lists)


def _rolled_over(stack: contextlib.ExitStack, folder: Path) -> Server:
    """A server that has run for 300 days, with two CAs in each context."""
    server = stack.enter_context(running_server(folder))
    server.clock.ahead = -300 * DAY
    server.configure(stack.enter_context(Database(folder / "caucase.sqlite")))
    assert server.authority is not None
    for server.clock.ahead in (-110 * DAY, timedelta()):
        server.authority.maintain()
    return server


def _revoke_any(server: Server, user: Path) -> None:
    serial = x509.random_serial_number()
    body = message.null({"revoke_serial": serial}).dump()
    headers = {"Content-Type": "application/json"}
    server.client.ask("PUT", "/cas/crt/revoke", body, headers, user=user).expect(204)


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.man.behave()
    return shared_world


class Victim:
    """Somebody in a folder of their own, whose network is the man's. ``command``: what is run for ``caucase``."""

    def __init__(
        self,
        world: World,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        shells: Callable[[str], Shell],
    ) -> None:
        self.world = world
        self.folder = folder
        self.said = ""
        self.command = "caucase"
        self._capsys = capsys
        self._shells = shells

    def caucase(self, *arguments: str | Path) -> int:
        if self.command in IN_SHELLS:
            return self._run_in_shell("--ca-url", self.world.man.url, *arguments)
        return self._run(caucase.main, "--ca-url", self.world.man.url, *arguments)

    def probe(self) -> int:
        return self._run(probe.main, self.world.man.url)

    def updater(self, *content: str) -> int:
        """A pass that does not rely on what an earlier one noted. ``content``: lines of the YAML file."""
        lines = (f"ca_url: {self.world.man.url}", f"directory: {self.folder}", *content)
        config = self.folder / "www.yaml"
        config.write_text("\n".join(lines) + "\n")
        return self._run(updater.main, "--config", config)

    def keep(self, command: str) -> int:
        """Bring CA certificates and lists up to date, and nothing else."""
        self.command = command
        return self.updater() if command == "caucase-updater" else self.caucase()

    def forget(self) -> None:
        """Make the updater ask, which it does once a day."""
        for path in self.folder.glob(".*.json"):
            path.unlink()

    def files(self) -> dict[str, bytes]:
        """What is kept; not the updater's configuration, lock, and notes."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*.pem")}

    def trusts(self) -> set[bytes]:
        """The fingerprints of the CA certificates here."""
        path = self.folder / "cas.crt.pem"
        return {fingerprint(ca) for ca in load_certificates(path.read_bytes())} if path.exists() else set()

    def lists(self) -> set[bytes]:
        path = self.folder / "cas.crl.pem"
        return {crl.signature for crl in load_crls(path.read_bytes())} if path.exists() else set()

    @property
    def _is_silent(self) -> bool:
        return fall_silent in (self.world.man.to_all, *self.world.man.replies.values())

    def _run_in_shell(self, *arguments: str | Path) -> int:
        shell = self._shells(self.command.split()[-1])
        before = impatient(self.folder.with_name("impatient")) if self._is_silent else None
        done = shell.run(*arguments, cwd=self.folder, before=before)
        self.said = done.out + done.err
        return done.code

    def _run(self, main: Callable[[list[str]], int], *arguments: str | Path) -> int:
        with pytest.MonkeyPatch.context() as patience:
            patience.setattr(transport, "READ_SECONDS", 0.3 if self._is_silent else transport.READ_SECONDS)
            code = main([str(argument) for argument in arguments])
        out, self.said = self._capsys.readouterr()
        self.said += out
        assert "defect" not in self.said
        return code


@pytest.fixture
def victim(
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    shells: Callable[[str], Shell],
) -> Victim:
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o700)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("caucase.clock.sleep", lambda seconds: None)
    return Victim(world, folder, capsys, shells)


def cas_of(server: Server) -> list[x509.Certificate]:
    """Oldest first."""
    anchor = load_certificate(server.client.get(CA).body)
    chain = (message.from_json(link) for link in server.client.get(CHAIN).json())
    return [anchor, *(load_certificate(link.text("new_pem").encode()) for link in chain)]


def ids(certificates: list[x509.Certificate]) -> set[bytes]:
    return {fingerprint(certificate) for certificate in certificates}


# CA certificates and revocation lists

# What he does.
ATTACKS: dict[str, Callable[[World], None]] = {}


def attack(name: str) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    def add(function: Callable[[World], None]) -> Callable[[World], None]:
        ATTACKS[name] = function
        return function

    return add


def _instead(name: str, path: str, reply: Callable[[World], Reply]) -> None:
    attack(name)(lambda world: world.man.replies.update({path: reply(world)}))


@attack("another server")
def _(world: World) -> None:
    world.man.to_all = pass_on(world.evil.port)
    world.man.https_port = world.evil.port + 1


def _flipped(body: bytes) -> bytes:
    """The lists with one bit of the first one's signature turned."""
    first, *others = load_crls(body)
    der = bytearray(first.public_bytes(Encoding.DER))
    der[-1] ^= 1
    return b"".join(map(dump_pem, (x509.load_der_x509_crl(bytes(der)), *others)))


def _forged_link(world: World) -> bytes:
    """The genuine chain, led on to his own CA; by his own key, since he has no other."""
    links = world.genuine.client.get(CHAIN).json()
    his = make("his")
    payload: dict[str, object] = {
        "old_pem": dump_pem(cas_of(world.genuine)[-1]).decode(),
        "new_pem": dump_pem(cas_of(world.evil)[0]).decode(),
    }
    return json.dumps([*links, message.sign(payload, his.key).to_json()]).encode()


def _his_chain_after_ours(world: World) -> bytes:
    return json.dumps(world.genuine.client.get(CHAIN).json() + world.evil.client.get(CHAIN).json()).encode()


_instead("swapped CA certificate", CA, lambda world: pass_on(world.evil.port))
_instead("swapped chain", CHAIN, lambda world: pass_on(world.evil.port))
_instead("forged link", CHAIN, lambda world: say(200, _forged_link(world)))
_instead("his chain after ours", CHAIN, lambda world: say(200, _his_chain_after_ours(world)))
_instead("stripped chain", CHAIN, lambda world: say(200, b"[]"))
_instead("no chain", CHAIN, lambda world: say(404))
_instead("old lists", LISTS, lambda world: say(200, world.old_lists))
_instead("lists of his own", LISTS, lambda world: pass_on(world.evil.port))
_instead("changed lists", LISTS, lambda world: pass_on(world.genuine.port, change=_flipped))
_instead(
    "one list of two",
    LISTS,
    lambda world: pass_on(world.genuine.port, change=lambda body: dump_pem(load_crls(body)[0])),
)
_instead("no lists", LISTS, lambda world: say(404))
_instead("lists that never end", LISTS, lambda world: fall_silent)
_instead("CA certificate that never ends", CA, lambda world: never_end)
for _name, _reply in {
    "refuses": say(403),
    "is elsewhere": say(302, Location="http://127.0.0.1:1/"),
    "fails": say(500),
    "breaks off": break_off,
    "falls silent": fall_silent,
    "talks nonsense": say(200, b"\xff<html>"),
}.items():
    attack(_name)(partial(lambda world, reply: setattr(world.man, "to_all", reply), reply=_reply))

# What comes of it, before and after the first contact. "refused": an error, and no file is touched. "harmless": the files
# are as if he was not there. "kept back": genuine and older, what is newer comes when he is gone. "no lists": as refused, but
# the genuine CA certificates have been taken. "taken in": his CA is trusted, on the server's word that nobody could check.
OUTCOMES = {
    "another server": ("taken in", "refused"),
    "swapped CA certificate": ("taken in", "harmless"),
    "swapped chain": ("kept back", "refused"),
    "forged link": ("refused", "refused"),
    "his chain after ours": ("refused", "refused"),
    "stripped chain": ("kept back", "refused"),
    "no chain": ("refused", "refused"),
    "old lists": ("kept back", "refused"),
    "lists of his own": ("no lists", "harmless"),
    "changed lists": ("no lists", "refused"),
    "one list of two": ("kept back", "harmless"),
    "no lists": ("no lists", "refused"),
    "lists that never end": ("no lists", "refused"),
    "CA certificate that never ends": ("refused", "refused"),
    "refuses": ("refused", "refused"),
    "is elsewhere": ("refused", "refused"),
    "fails": ("refused", "refused"),
    "breaks off": ("refused", "refused"),
    "falls silent": ("refused", "refused"),
    "talks nonsense": ("refused", "refused"),
}


@pytest.mark.parametrize("command", ["caucase", "caucase-updater", *IN_SHELLS])
@pytest.mark.parametrize("is_first", [True, False], ids=["first contact", "later"])
@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_trusted(world: World, victim: Victim, name: str, is_first: bool, command: str) -> None:
    if not is_first:
        assert victim.keep(command) == 0
        victim.forget()
    before = victim.files()
    ATTACKS[name](world)
    code = victim.keep(command)
    genuine, evil = ids(cas_of(world.genuine)), ids(cas_of(world.evil))
    current = {crl.signature for crl in load_crls(world.genuine.client.get(LISTS).body)}
    match OUTCOMES[name][0 if is_first else 1]:
        case "refused":
            # The updater leaves trouble of the network to its next pass, while nothing ends soon.
            assert code == 1 or (command == "caucase-updater" and "Later: " in victim.said)
            assert victim.files() == before
        case "harmless":
            assert (code, victim.trusts(), victim.lists()) == (0, genuine, current)
        case "kept back":
            known = {crl.signature for crl in load_crls(world.old_lists)} | current
            assert code == 0
            assert set() < victim.trusts() <= genuine
            assert set() < victim.lists() <= known
        case "no lists":
            assert code == 1 or "Later: " in victim.said
            assert (victim.trusts(), victim.lists()) == (genuine, set())
        case "taken in":
            assert set() < victim.trusts() <= evil
        case unknown:
            raise AssertionError(unknown)
    taken_in = bool(victim.trusts() & evil)

    # He is gone.
    world.man.behave()
    victim.forget()
    if taken_in:
        assert victim.keep(command) == 1
        assert "follows from one that is trusted here" in victim.said
        for path in victim.folder.glob("ca*.pem"):
            path.unlink()
    assert victim.keep(command) == 0
    assert (victim.trusts(), victim.lists()) == (genuine, current)


def test_every_attack_has_an_outcome() -> None:
    assert set(OUTCOMES) == set(ATTACKS)


@pytest.mark.parametrize("command", ["caucase", "caucase-updater", *IN_SHELLS])
def test_first_contact_with_a_certificate_from_the_operator(
    world: World, victim: Victim, command: str
) -> None:
    """What was carried there by hand makes the first contact one of the later ones."""
    (victim.folder / "cas.crt.pem").write_bytes(dump_pem(cas_of(world.genuine)[0]))
    before = victim.files()
    ATTACKS["another server"](world)
    assert victim.keep(command) == 1
    assert victim.files() == before
    world.man.behave()
    assert victim.keep(command) == 0


def test_an_old_list_is_taken_as_long_as_no_newer_one_was_seen(world: World, victim: Victim) -> None:
    """So he can hold back a revocation until the lists end, and no longer: relying parties look at that."""
    world.man.replies[LISTS] = say(200, world.old_lists)
    for _ in range(2):
        assert victim.caucase() == 0
    assert victim.lists() == {crl.signature for crl in load_crls(world.old_lists)}


# Certificates


def _pending(world: World, victim: Victim, name: str) -> tuple[str, Path]:
    """A request that was sent through him; its id, and the file with its key."""
    made = make(name)
    (victim.folder / f"{name}.csr.pem").write_bytes(made.csr_pem)
    path = made.bundle(victim.folder / f"{name}.pem", b"")
    assert victim.caucase("--send-csr", f"{name}.csr.pem") == 0
    return victim.said.split()[0], path


def _signed(world: World, csr_id: str) -> None:
    world.genuine.client.ask("PUT", f"/cas/crt/{csr_id}", user=world.user).expect(204)


def _by_evil(world: World, csr_pem: bytes) -> bytes:
    """What his own CA makes of a request."""
    made = make("his")
    user = made.bundle(world.evil.folder / "user.pem", world.evil.client.become_user(made.csr_pem))
    return world.evil.client.issue(csr_pem, user)


def _others(world: World, whose: str) -> bytes:
    """A certificate that he can have, for a key that is not the client's."""
    csr_pem = make("www").csr_pem
    return _by_evil(world, csr_pem) if whose == "his own" else world.genuine.client.issue(csr_pem, world.user)


@pytest.mark.parametrize("command", ["caucase", *IN_SHELLS])
@pytest.mark.parametrize("whose", ["his own", "his own for the right key", "genuine, for another key"])
def test_fetching_a_certificate(world: World, victim: Victim, whose: str, command: str) -> None:
    victim.command = command
    csr_id, path = _pending(world, victim, "www")
    _signed(world, csr_id)
    before = victim.files()
    if whose == "his own for the right key":
        false = _by_evil(world, (victim.folder / "www.csr.pem").read_bytes())
    else:
        false = _others(world, whose)
    world.man.replies[f"/cas/crt/{csr_id}"] = say(200, false)
    assert victim.caucase("--get-crt", csr_id, path) == 1
    assert victim.files() == before
    world.man.behave()
    assert victim.caucase("--get-crt", csr_id, path) == 0


def _renewed_by_evil(world: World) -> Reply:
    """Right in everything but the issuer."""

    def reply(exchange: Exchange) -> None:
        csr_pem = message.parse(exchange.body).text("renew_csr_pem").encode()
        exchange.answer(200, _by_evil(world, csr_pem))

    return reply


RENEWALS: dict[str, Callable[[World], Reply]] = {
    "his own": lambda world: say(200, _others(world, "his own")),
    "his own for the right key": _renewed_by_evil,
    "genuine, for another key": lambda world: say(200, _others(world, "genuine")),
    "for a request of his": lambda world: pass_on(world.genuine.port, ask=_swap_request),
    "refused": lambda world: say(403),
    "swallowed": lambda world: break_off,
    "silent": lambda world: fall_silent,
}


def _swap_request(body: bytes) -> bytes:
    """The holder's message, with a request of his own in it. The signature cannot be his."""
    raw = json.loads(body)
    payload = json.loads(raw["payload"])
    payload["renew_csr_pem"] = make("www").csr_pem.decode()
    return json.dumps({**raw, "payload": json.dumps(payload)}).encode()


@pytest.mark.parametrize("command", ["caucase", "caucase-updater", *IN_SHELLS])
@pytest.mark.parametrize("name", RENEWALS)
def test_renewing(world: World, victim: Victim, name: str, command: str) -> None:
    """The pair of before stays as it is, and is renewed when he is gone."""
    if command != "caucase-updater":
        victim.command = command
        made = make("www")
        pair = made.bundle(victim.folder / "pair.pem", world.genuine.client.issue(made.csr_pem, world.user))
        assert victim.caucase() == 0
        renew = partial(victim.caucase, "--threshold", "93", "--renew-crt", pair, pair)
    else:
        pair = _kept_by_the_updater(world, victim)
        renew = partial(victim.updater, *ASKED)
    before = victim.files()
    world.man.replies["/cas/crt/renew"] = RENEWALS[name](world)
    assert renew() == 1 or "Later: " in victim.said
    assert victim.files() == before
    world.man.behave()
    assert renew() == 0
    assert victim.files()["pair.pem"] != before["pair.pem"]


ASKED = ("names: www.example.com", "key_type: ec:P-256")


def _kept_by_the_updater(world: World, victim: Victim) -> Path:
    """A certificate of 70 days ago, which is due. It fails meanwhile, because the lists of then have lapsed."""
    assert world.genuine.authority is not None
    requests = world.genuine.authority.context(ContextName.CAS).requests
    world.genuine.clock.ahead = -70 * DAY
    try:
        victim.updater(*ASKED)
        sent = read_memory(victim.folder / ".www.json").request
        assert sent is not None
        requests.sign(RequestId(int(sent.csr_id)), by=Principal.local(0), address="here")
        victim.updater(*ASKED)
    finally:
        world.genuine.clock.ahead = timedelta()
    victim.forget()
    assert victim.caucase() == 0
    return victim.folder / "pair.pem"


def test_a_request_that_is_swapped_on_its_way(world: World, victim: Victim) -> None:
    """A user who signs what has the right name, without comparing keys, has signed his. The victim is not deceived."""
    his = make("www")
    world.man.replies["/cas/csr"] = pass_on(world.genuine.port, ask=lambda _: his.csr_pem)
    csr_id, path = _pending(world, victim, "www")
    before = victim.files()
    _signed(world, csr_id)
    assert victim.caucase("--get-crt", csr_id, path) == 1
    assert victim.files() == before
    got = load_certificate(world.genuine.client.get(f"/cas/crt/{csr_id}").expect(200).body)
    assert spki(public_key(got)) == spki(his.key.public_key())
    # What a user sees who looks: the key of the request is not the victim's.
    assert victim.caucase("--get-csr", csr_id, "seen.csr.pem") == 0
    seen, own = (
        load_request((victim.folder / name).read_bytes()) for name in ("seen.csr.pem", "www.csr.pem")
    )
    assert spki(public_key(seen)) != spki(public_key(own))


def test_messages_that_are_sent_again(world: World, victim: Victim) -> None:
    """What he has heard gains him nothing: a renewal is the holder's again, a revocation is done once."""
    made = make("www")
    pair = made.bundle(victim.folder / "pair.pem", world.genuine.client.issue(made.csr_pem, world.user))
    assert victim.caucase("--threshold", "93", "--renew-crt", pair, pair) == 0
    assert victim.caucase("--revoke-crt", pair, pair) == 0
    heard = {path: body for method, path, body in world.man.heard if method == "PUT"}
    headers = {"Content-Type": "application/json"}
    ask = world.genuine.client.ask
    again = ask("PUT", "/cas/crt/renew", heard["/cas/crt/renew"], headers).expect(200).body
    assert spki(public_key(load_certificate(again))) == spki(load_private_key(pair.read_bytes()).public_key())
    ask("PUT", "/cas/crt/revoke", heard["/cas/crt/revoke"], headers).expect(409)
    for path in ("/cau/crt/renew", "/cau/crt/revoke"):
        ask("PUT", path, heard[path.replace("cau", "cas")], headers).expect(400)


# Users


DECISIONS = ("--list-csr", "--sign-csr", "--reject-csr", "--revoke-serial")


def decide(victim: Victim, what: str, csr_id: str, *more: str) -> int:
    argument = {"--list-csr": (), "--revoke-serial": ("4711",)}.get(what, (csr_id,))
    return victim.caucase("--user-key", victim.world.user, *more, what, *argument)


HTTPS_ATTACKS: dict[str, Callable[[World], None]] = {
    "his HTTPS": lambda world: setattr(world.man, "https_port", world.evil.port + 1),
    "his HTTPS, with his CA": lambda world: (
        setattr(world.man, "https_port", world.evil.port + 1),
        world.man.replies.update({HTTPS_CA: pass_on(world.evil.port)}),
    ),
    "a lie": lambda world: setattr(world.man, "liar", say(204)),
    "a lie, with his CA": lambda world: (
        setattr(world.man, "liar", say(204)),
        world.man.replies.update({HTTPS_CA: pass_on(world.evil.port)}),
    ),
    "no HTTPS": lambda world: setattr(world.man, "https_port", 1),
    "his CA, genuine HTTPS": lambda world: world.man.replies.update({HTTPS_CA: pass_on(world.evil.port)}),
    "nonsense": lambda world: world.man.replies.update({HTTPS_CA: say(200, b"{}")}),
    "refusal": lambda world: world.man.replies.update({HTTPS_CA: say(403)}),
}


@pytest.mark.parametrize("what", DECISIONS)
@pytest.mark.parametrize("name", HTTPS_ATTACKS)
def test_deciding(world: World, victim: Victim, name: str, what: str) -> None:
    """Nothing that only users may do is told to anybody but the genuine server."""
    csr_id, _ = _pending(world, victim, "www")
    before = victim.files()
    HTTPS_ATTACKS[name](world)
    assert decide(victim, what, csr_id) == 1
    assert world.man.lied == []
    assert victim.files() == before
    assert world.genuine.client.get(f"/cas/crt/{csr_id}").status == 404
    assert world.genuine.client.get(f"/cas/csr/{csr_id}").status == 200


@pytest.mark.parametrize("what", DECISIONS)
def test_deciding_when_the_https_ca_is_denied(world: World, victim: Victim, what: str) -> None:
    """The gap that is left for servers of caucase 0.9, which publish none: a warning, then anybody is believed."""
    csr_id, _ = _pending(world, victim, "www")
    world.man.replies[HTTPS_CA] = say(404)
    world.man.liar = say(200, b"[]") if what == "--list-csr" else say(204)
    assert decide(victim, what, csr_id, "--require-https-ca") == 1
    assert world.man.lied == []
    assert decide(victim, what, csr_id) == 0
    assert "does not publish its HTTPS CA and is not verified" in victim.said
    assert len(world.man.lied) == 1
    # He could not do it himself: TLS has shown him a certificate at the most, and never a key.
    assert world.genuine.client.get(f"/cas/crt/{csr_id}").status == 404
    assert world.genuine.client.get(f"/cas/csr/{csr_id}").status == 200


def test_no_private_key_goes_over_the_network(world: World, victim: Victim) -> None:
    csr_id, path = _pending(world, victim, "www")
    assert decide(victim, "--sign-csr", csr_id) == 0
    assert victim.caucase("--get-crt", csr_id, path) == 0
    assert victim.caucase("--threshold", "93", "--renew-crt", path, path) == 0
    assert victim.caucase("--revoke-crt", path, path) == 0
    assert len(world.man.heard) > 10
    assert not any(b"PRIVATE" in body for _, _, body in world.man.heard)


# The probe

PROBES: dict[str, tuple[Callable[[World], object], int]] = {
    "nobody": (lambda world: None, 0),
    # It says that a server works, not whose it is.
    "another server": (lambda world: ATTACKS["another server"](world), 0),
    "another server over HTTP": (lambda world: setattr(world.man, "to_all", pass_on(world.evil.port)), 1),
    **{f"HTTPS: {name}": (attack, 1) for name, attack in HTTPS_ATTACKS.items()},
    "denied HTTPS CA": (
        lambda world: (
            world.man.replies.update({HTTPS_CA: say(404)}),
            setattr(world.man, "https_port", world.evil.port + 1),
        ),
        1,
    ),
}


@pytest.mark.parametrize("name", PROBES)
def test_probe(world: World, victim: Victim, name: str) -> None:
    deed, code = PROBES[name]
    deed(world)
    assert victim.probe() == code
    assert list(victim.folder.iterdir()) == []
