"""The machines on which readers of the guides sit, with what the guides take for granted."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from . import debian, former_server
from .machine import Machine, booted, connect
from .reader import prepare

# Names that are known on all machines.
NAMES = {
    "10.0.0.1": ("ca",),
    "10.0.0.2": ("www", "intranet", "db", "vpn", "mail", "registry", "shop", "app"),
}
HOSTS = "127.0.0.1 localhost\n" + "".join(
    f"{address} {' '.join(f'{name}.example.com' for name in names)}\n" for address, names in NAMES.items()
)
WORDS = {"bookworm": {"VERSION": "15"}, "trixie": {"VERSION": "17"}}
"""What readers see for themselves: PostgreSQL's version."""


class Stage(dict[str, Machine]):
    """Machines by the names that documents give them. Some are there only once a document comes to them."""

    def __init__(self, release: str, packages: Mapping[str, Path], stack: contextlib.ExitStack) -> None:
        super().__init__()
        self._release = release
        self._packages = packages
        self._stack = stack
        # What takes most of the time of four installations is done once; test_readme.py begins with nothing.
        clean = debian.clean_root(release)
        root = stack.enter_context(debian.overlay(clean))
        debian.run_in(root, f"apt-get install --yes {' '.join(debian.DEPENDENCIES)} && : >/etc/machine-id")
        self._layers = (root.parent / "upper", clean)
        self._later: dict[str, Callable[[Machine], None]] = {}

    def boot(self, name: str, *, devices: tuple[str, ...] = ()) -> Machine:
        """A machine with names, the packages in root's folder, and what a reader brings along; nothing is installed."""
        machine = self._stack.enter_context(booted(f"{name}-{self._release}", *self._layers, devices=devices))
        prepare(machine)
        machine.write("/etc/hosts", HOSTS)
        for package in self._packages.values():
            shutil.copy(package, machine.root / "root")
        self[name] = machine
        return machine

    def later(self, name: str, furnish: Callable[[Machine], None]) -> None:
        """Boot a machine when a document comes to it."""
        self._later[name] = furnish

    def __missing__(self, name: str) -> Machine:
        furnish = self._later[name]
        furnish(self.boot(name))
        return self[name]


@contextlib.contextmanager
def stage(release: str, packages: Mapping[str, Path]) -> Iterator[Stage]:
    """The authority's machine and one that needs certificates, with a cable between them; the machine that takes the former's
    place when that is lost; and one on which the peer's server has run."""
    with contextlib.ExitStack() as stack:
        result = Stage(release, packages, stack)
        result.later("old", former_server.furnish)
        connect(
            result.boot("ca"),
            "10.0.0.1/24",
            result.boot("www", devices=("/dev/net/tun",)),  # for OpenVPN
            "10.0.0.2/24",
        )
        result.later("new", lambda machine: in_place_of_the_lost(machine, result["ca"], result["www"]))
        yield result


def in_place_of_the_lost(new: Machine, lost: Machine, client: Machine) -> None:
    """The authority's machine is gone. Alice has her key, somebody has the last backup and the configuration, and the client
    has the last lists: what docs/disaster.md has in the folder, or fetches there."""
    home, state = new.root / "root", client.root / "var" / "lib" / "caucase-updater"
    backup = max((lost.root / "var" / "backups" / "caucase").glob("*.caucased"))
    for kept in (backup, lost.root / "root" / "alice.key.pem", lost.root / "root" / "alice.csr.pem"):
        shutil.copy(kept, home)
    shutil.copy(lost.root / "root" / "alice.pem", home / "before.pem")
    shutil.copy(state / "www" / "cas.crl.pem", home)
    shutil.copy(state / "carol" / "cau.crl.pem", home)
    (home / "caucased.yaml").write_text("netloc: ca.example.com:8009\n")
    lost.stop()
    client.run("ip link delete host0 || true")  # the end of a cable goes with its machine, soon
    connect(new, "10.0.0.1/24", client, "10.0.0.2/24")
