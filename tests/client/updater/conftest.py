"""A certificate to be kept current, in a folder of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from caucase.client.updater import Surroundings
from caucase.config.updater import UpdaterConfig
from caucase.core.asked import asked, parse_key_usage, parse_name
from caucase.core.keys import KeyType

MakeConfig = Callable[..., UpdaterConfig]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs is part of the tests, and waiting for it is not."""
    monkeypatch.setattr("caucase.client.transport.READ_SECONDS", 0.5)


@pytest.fixture
def make_config(tmp_path: Path) -> MakeConfig:
    """The configuration of one certificate for ``www.example.com``, with what is to be different."""

    def make(ca_url: str = "http://ca.example.com:8009", **changes: Any) -> UpdaterConfig:
        state = tmp_path / "www"
        wanted = asked(
            names=[parse_name("www.example.com")],
            subject=None,
            key_usage=[parse_key_usage("digitalSignature")],
            purposes=[],
        )
        config = UpdaterConfig(
            name="www",
            ca_url=ca_url,
            mode="service",
            directory=state,
            cas_ca=state / "cas.crt.pem",
            ca=state / "cas.crt.pem",
            crl=state / "cas.crl.pem",
            csr=None,
            asked=wanted,
            key=state / "pair.pem",
            crt=state / "pair.pem",
            key_type=KeyType.parse("ec:P-256"),
            threshold=timedelta(days=31),
            crl_threshold=timedelta(days=7),
            install=(),
            reload=(),
            restart=(),
            start=(),
        )
        return replace(config, **changes)

    return make


@dataclass
class World:
    """The surroundings of a pass: a clock that runs ``ahead`` of the machine's; pauses and changes are noted."""

    ahead: timedelta = timedelta(0)
    pauses: list[float] = field(default_factory=list)
    changes: int = 0

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(
            clock=self.now, sleep=self.pauses.append, random=lambda: 0.5, changing=self._changing
        )

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        self.changes += 1
        yield


@pytest.fixture
def world() -> World:
    return World()
