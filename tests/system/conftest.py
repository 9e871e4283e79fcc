"""Machines for the system tests: on each release one test process boots them, one after the other.

In continuous integration they run; where containers cannot be booted they fail with the reason, unless
CAUCASE_NO_CONTAINERS is set: then they are skipped with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import debian
from .machine import Machine, booted, running


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is about one release stays in one process, which shares its machines."""
    for item in items:
        release = getattr(item, "callspec", None) and item.callspec.params.get("release")  # type: ignore[attr-defined]
        if release:
            item.add_marker(pytest.mark.xdist_group(release))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.failed:
        report.sections += [(f"machine {machine.name}", machine.report()) for machine in running]


@pytest.fixture(scope="session", params=debian.RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """The code name of a Debian release on which it has to work."""
    if reason := debian.cannot_run():
        if not os.environ.get("CAUCASE_NO_CONTAINERS"):
            pytest.fail(reason)
        pytest.skip(reason)  # somebody has asked for it, on a machine that cannot; README.md says how
    return str(request.param)


@pytest.fixture(scope="session")
def packages(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages, built by that release."""
    return debian.built_packages(release, tmp_path_factory.mktemp(f"packages-{release}"))


@pytest.fixture(scope="session")
def installed(release: str, packages: dict[str, Path]) -> Iterator[tuple[Path, Path]]:
    """A system on which the packages are installed, as layers."""
    minimal = debian.minimal_root(release)
    with debian.overlay(minimal) as root:
        with_packages(root, packages)
        debian.run_in(
            root, "apt-get install --yes /srv/*.deb && rm -rf /etc/machine-id && touch /etc/machine-id"
        )
        yield root.parent / "upper", minimal


@pytest.fixture(scope="module")
def fresh(release: str, packages: dict[str, Path]) -> Iterator[Machine]:
    """A machine on which nothing is installed yet; the packages are in /srv."""
    with booted(f"fresh-{release}", debian.minimal_root(release)) as machine:
        with_packages(machine.root, packages)
        yield machine


@pytest.fixture(scope="module")
def machine(release: str, installed: tuple[Path, Path]) -> Iterator[Machine]:
    """A machine on which the packages are installed and the server has its address."""
    with booted(f"caucase-{release}", *installed) as machine:
        machine.write("/etc/caucase/caucased.yaml", "netloc: localhost:8009\nkey_type: ec:P-256\n")
        yield machine


def with_packages(root: Path, packages: dict[str, Path]) -> None:
    """Put the packages where an administrator would have downloaded them."""
    for package in packages.values():
        (root / "srv" / package.name).write_bytes(package.read_bytes())
