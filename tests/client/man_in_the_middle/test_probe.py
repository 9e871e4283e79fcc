"""What ``caucase-probe`` notices of him."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .attacks import ATTACKS, HTTPS_ATTACKS
from .man import pass_on, say
from .victim import Victim
from .world import HTTPS_CA, World

PROBES: dict[str, tuple[Callable[[World], object], int]] = {
    "nobody": (lambda world: None, 0),
    # It says that a server works, not whose it is.
    "another server": (ATTACKS["another server"], 0),
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
