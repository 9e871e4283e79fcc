"""What he does, by name: to CA certificates and lists (``ATTACKS``), and to what is done over HTTPS (``HTTPS_ATTACKS``)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from caucase.core import message
from caucase.core.x509 import dump_pem, load_crls
from tests.server.material import make

from .man import Reply, break_off, fall_silent, never_end, pass_on, say
from .world import CA, CHAIN, HTTPS_CA, LISTS, World, cas_of

ATTACKS: dict[str, Callable[[World], None]] = {}


def _attack(name: str) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    def add(function: Callable[[World], None]) -> Callable[[World], None]:
        ATTACKS[name] = function
        return function

    return add


def _instead(name: str, path: str, reply: Callable[[World], Reply]) -> None:
    _attack(name)(lambda world: world.man.replies.update({path: reply(world)}))


@_attack("another server")
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
    _attack(_name)(partial(lambda world, reply: setattr(world.man, "to_all", reply), reply=_reply))

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
