"""Which CA certificates and revocation lists are believed, before the first contact and later."""

from __future__ import annotations

import pytest
from cryptography import x509

from caucase.core.x509 import dump_pem, fingerprint, load_crls

from .attacks import ATTACKS
from .man import say
from .victim import IN_SHELLS, Victim
from .world import LISTS, World, cas_of

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


def ids(certificates: list[x509.Certificate]) -> set[bytes]:
    return {fingerprint(certificate) for certificate in certificates}


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
