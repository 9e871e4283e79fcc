"""Who may import whom: the rules of docs/architecture.md, read from the source with ``ast``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Layer → the other layers it may import; ``caucase`` itself (the version) is open to all.
LAYERS = {
    "errors": set(),
    "clock": set(),
    "core": {"errors"},
    "config": {"core", "errors", "clock"},
    "host": {"core", "errors", "clock"},
    "store": {"core", "errors", "clock", "host"},
    "client": {"config", "core", "errors", "clock", "host"},
    "authority": {"core", "store", "errors", "clock"},
    # Puts the parts together: from a configuration to an authority over its database.
    "appliance": {"authority", "config", "host", "store", "errors", "clock"},
    "server": {"appliance", "authority", "config", "host", "core", "errors", "clock", "jobs"},
    "jobs": {"appliance", "authority", "config", "core", "host", "store", "errors", "clock"},
    "cli": {
        *("errors", "clock", "core", "config", "host", "store", "client", "authority", "appliance", "server"),
        "jobs",
    },
}
# Top-level module → the only layers that may import it.
CONFINED = {
    "aiohttp": {"server"},
    "itsdangerous": {"server"},
    "jinja2": {"server"},
    "sdnotify": {"host"},
    "sqlite3": {"store"},
    "systemd": {"host"},
    "time": {"clock"},
    "urllib3": {"client"},
    "yaml": {"config"},
}
# core is pure: no socket, file, database, environment, process.
NOT_IN_CORE = {"asyncio", "os", "pathlib", "shutil", "socket", "ssl", "subprocess", "tempfile"}
NOW = {"now", "today", "utcnow"}


def layer_of(module: str) -> str:
    """``core`` for ``caucase.core.x509``; empty for ``caucase`` itself."""
    return module.split(".")[1] if "." in module else ""


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and full name of all that is imported, also in functions; of ``from a import b`` it is ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                # A package is its own first parent.
                parts = module.split(".")
                base = ".".join([*parts[: len(parts) - node.level + is_package], *filter(None, [base])])
            for name in node.names:
                yield node.lineno, f"{base}.{name.name}"


def mistakes(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What a module's source does against the rules, a sentence with its line each."""
    tree = ast.parse(source)
    layer = layer_of(module)
    found = []
    for line, name in imported(tree, module, is_package):
        top = name.partition(".")[0]
        if top == "caucase":
            other = layer_of(name)
            if other in LAYERS and layer != other and other not in LAYERS.get(layer, set()):
                found.append(f"{module}:{line}: {layer or module} may not import {other}")
            elif other == "authority" != layer and name.count(".") > 2:
                found.append(f"{module}:{line}: import it from caucase.authority, its public face")
        elif layer not in CONFINED.get(top, {layer}):
            found.append(f"{module}:{line}: only {' and '.join(sorted(CONFINED[top]))} may import {top}")
        elif layer == "core" and top in NOT_IN_CORE:
            found.append(f"{module}:{line}: core is pure and may not import {top}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in NOW and layer != "clock" and of_dates(node.value):
            found.append(f"{module}:{node.lineno}: only clock reads the time")
        if layer == "core" and isinstance(node, ast.Name) and node.id == "open":
            found.append(f"{module}:{node.lineno}: core is pure and opens no file")
    return found


def of_dates(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id in ("datetime", "date")) or (
        isinstance(node, ast.Attribute) and node.attr in ("datetime", "date")
    )


def modules() -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in (ROOT / "caucase").rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=str)
def test_rules_are_kept(path: Path) -> None:
    is_package = path.name == "__init__.py"
    module = ".".join((path.parent if is_package else path.with_suffix("")).parts)
    assert module == "caucase" or layer_of(module) in LAYERS, "a new layer needs its rule here"
    assert mistakes((ROOT / path).read_text(), module, is_package=is_package) == []


def test_layers_have_no_cycle() -> None:
    left = {layer: set(others) for layer, others in LAYERS.items()}
    while left:
        free = {layer for layer, others in left.items() if not others & set(left)}
        assert free, f"a cycle among {sorted(left)}"
        for layer in free:
            del left[layer]


def test_client_and_server_do_not_know_each_other() -> None:
    assert "server" not in LAYERS["client"]
    assert "client" not in LAYERS["server"] | LAYERS["authority"] | LAYERS["store"] | LAYERS["jobs"]
    assert not LAYERS["client"] & {"store", "authority"}
    assert not any("cli" in others for others in LAYERS.values())


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("caucase.core.crl", "from caucase.store import db"),
        ("caucase.core.crl", "from caucase import store"),
        ("caucase.core.crl", "from ..store import db"),
        ("caucase.core.crl", "from .. import clock"),
        ("caucase.core.crl", "def f():\n    import caucase.clock"),
        ("caucase.core.crl", "from os import urandom"),
        ("caucase.core.crl", "open('x')"),
        ("caucase.client.api", "import caucase.server.app"),
        ("caucase.client.api", "from caucase.authority import Authority"),
        ("caucase.server.app", "from caucase.client import Client"),
        ("caucase.authority.audit", "from caucase.host.events import Audit"),
        ("caucase.host.files", "from caucase.cli.caucased import main"),
        ("caucase.server.app", "from caucase.authority.requests import submit"),
        ("caucase.errors", "import caucase.core"),
        ("caucase.authority.keys", "import sqlite3"),
        ("caucase.server.app", "from systemd import journal"),
        ("caucase.cli.caucased", "import yaml"),
        ("caucase.cli.caucased", "from aiohttp import web"),
        ("caucase.server.app", "import time"),
        ("caucase.server.app", "from time import monotonic"),
        ("caucase.server.app", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
        ("caucase.server.app", "from datetime import datetime\nx = datetime.utcnow"),
    ],
)
def test_a_breach_is_seen(module: str, source: str) -> None:
    assert len(mistakes(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source", "is_package"),
    [
        ("caucase.core.crl", "from caucase.core.x509 import load\nfrom .x509 import dump", False),
        ("caucase.core.crl", "from caucase import errors", False),
        ("caucase.core", "from .x509 import load\nfrom ..errors import Malformed", True),
        ("caucase.server.app", "from caucase import __version__\nfrom caucase.clock_face import x", False),
        ("caucase.clock", "import time\nfrom datetime import datetime\ndatetime.now()", False),
        ("caucase.server.app", "from caucase.authority import Authority", False),
        ("caucase.store.db", "import sqlite3\nself.clock.now()", False),
        ("caucase.cli.caucase", "from caucase.client import Client\nimport caucase.cli.common", False),
    ],
)  # fmt: skip
def test_what_is_allowed(module: str, source: str, is_package: bool) -> None:
    assert mistakes(source, module, is_package=is_package) == []
