"""Certificates that are fetched or renewed through him, and requests that he swaps or sends again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from caucase.authority import ContextName, Principal, RequestId
from caucase.client.updater.memory import read_memory
from caucase.core import message
from caucase.core.spki import spki
from caucase.core.x509 import load_certificate, load_private_key, load_request, public_key
from tests.server.material import make

from .man import Exchange, Reply, break_off, fall_silent, pass_on, say
from .victim import IN_SHELLS, Victim
from .world import DAY, World


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
    csr_id, path = victim.send_request("www")
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
    csr_id, path = victim.send_request("www")
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
