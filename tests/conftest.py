"""What all tests share: a clock that is set by hand, keys that are made once, requests in one line; shells."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import settings

from caucase.core.keys import KeyType, PrivateKey, signature_hash
from tests.shell.shells import Shell, shell

# A benchmark judges speed, not a test: on a busy machine any example may be slow once.
settings.register_profile("caucase", deadline=None)
settings.load_profile("caucase")

Keys = Callable[..., PrivateKey]
MakeCsr = Callable[..., bytes]


class FakeClock:
    """A ``caucase.clock.Clock`` that stands still until it is told otherwise."""

    def __init__(self, start: datetime) -> None:
        self.moment = start

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **amount: float) -> datetime:
        """Let time pass; ``amount`` as for ``timedelta``."""
        self.moment += timedelta(**amount)
        return self.moment


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that is run in this process sets logging up for its own standard error, which ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2030, 1, 1, 12, tzinfo=UTC))


@pytest.fixture(scope="session")
def keys() -> Keys:
    """``keys("rsa:2048", 1)``: always the same key for the same arguments, made when first asked for."""
    made: dict[tuple[str, int], PrivateKey] = {}

    def key(kind: str = "ec:P-256", number: int = 0) -> PrivateKey:
        if (kind, number) not in made:
            made[kind, number] = KeyType.parse(kind).generate()
        return made[kind, number]

    return key


@pytest.fixture(scope="session")
def make_csr(keys: Keys) -> MakeCsr:
    """A request in PEM for CN=``name``, no subject if ``None``. ``extensions``: pairs of value and criticality."""

    def csr(
        name: str | None = "www.example.com",
        *,
        key: PrivateKey | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        key = keys() if key is None else key
        attributes = [] if name is None else [x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
        for value, critical in extensions:
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(key, signature_hash(key)).public_bytes(serialization.Encoding.PEM)

    return csr


@pytest.fixture(scope="session")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Shell]:
    """``shells("dash")``: a shell with its commands, put together when first asked for; see ``tests/shell/shells.py``."""
    made: dict[str, Shell] = {}

    def get(name: str) -> Shell:
        if name not in made:
            made[name] = shell(name, tmp_path_factory.mktemp("shells") / name)
        return made[name]

    return get


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups, which take minutes, come first: at the end one process would wait for the other.

    What only root can do is left out for everybody else, and for nobody where it is CI: there it would be a gap.
    """
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
    if os.geteuid() == 0:
        return
    for item in items:
        for marker in item.iter_markers("root"):
            if os.environ.get("CI"):
                raise pytest.UsageError(f"{item.nodeid} needs root, to {marker.args[0]}.")
            missing = f"only root can {marker.args[0]}"
            item.add_marker(pytest.mark.skip(reason=missing))  # for ordinary users; above, CI fails instead
