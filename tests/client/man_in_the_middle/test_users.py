"""Users who decide over HTTPS, and what he can learn or pretend meanwhile."""

from __future__ import annotations

import pytest

from .attacks import HTTPS_ATTACKS
from .man import say
from .victim import Victim
from .world import HTTPS_CA, World

DECISIONS = ("--list-csr", "--sign-csr", "--reject-csr", "--revoke-serial")


def decide(victim: Victim, what: str, csr_id: str, *more: str) -> int:
    argument = {"--list-csr": (), "--revoke-serial": ("4711",)}.get(what, (csr_id,))
    return victim.caucase("--user-key", victim.world.user, *more, what, *argument)


@pytest.mark.parametrize("what", DECISIONS)
@pytest.mark.parametrize("name", HTTPS_ATTACKS)
def test_deciding(world: World, victim: Victim, name: str, what: str) -> None:
    """Nothing that only users may do is told to anybody but the genuine server."""
    csr_id, _ = victim.send_request("www")
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
    csr_id, _ = victim.send_request("www")
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
    csr_id, path = victim.send_request("www")
    assert decide(victim, "--sign-csr", csr_id) == 0
    assert victim.caucase("--get-crt", csr_id, path) == 0
    assert victim.caucase("--threshold", "93", "--renew-crt", path, path) == 0
    assert victim.caucase("--revoke-crt", path, path) == 0
    assert len(world.man.heard) > 10
    assert not any(b"PRIVATE" in body for _, _, body in world.man.heard)
