"""How long it lasts, the library with which things go wrong, and figures at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .weather import build


@pytest.fixture(scope="session")
def seconds() -> float:
    """``make soak`` says how long; else it is just long enough to notice what is broken often."""
    return float(os.environ.get("CAUCASE_SOAK", "10"))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("weather"))


@pytest.fixture
def tell(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> Iterator[Callable[[str], None]]:
    """Print it, whatever pytest does with what is printed."""

    def show(text: str) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {text}")

    return show
