"""Every error says what to do next: where it is raised, or else by its class."""

from __future__ import annotations

import ast
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase import errors
from caucase.cli.advice import ADVICE, advice
from caucase.cli.common import complain
from caucase.client.transport import _REFUSALS
from caucase.errors import CaucaseError

PACKAGE = Path(__file__).parents[2] / "caucase"
CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, CaucaseError)
}
# Rooms of what a person has typed or written: there it is known what to do.
ROOMS = ("cli", "client", "config", "jobs")
# Errors that are caught where they are raised, and told by another one with a hint: an answer that cannot be used
# (client.api._parsed), a line for each mistake of a file (config), where the line says what is possible.
CAUGHT = {
    "client/api.py": {"_crls", "_list", "_pending"},
    "client/listing.py": {"parse_page", "_certificate", "_text"},
    "config/strict_yaml.py": {"raise_mistakes", "read_mapping", "_compose"},
}


def without_hint(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.Call]]:
    """Calls that make an error with a message alone, and the function that they are in."""
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.FunctionDef) else function
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
            has_hint = len(node.args) > 1 or any(keyword.arg == "hint" for keyword in node.keywords)
            if not has_hint and not any(isinstance(argument, ast.Starred) for argument in node.args):
                yield inside, node
        yield from without_hint(node, inside)


@pytest.mark.parametrize("room", ROOMS)
def test_who_raises_says_what_to_do(room: str) -> None:
    found = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        for function, call in without_hint(ast.parse(path.read_text())):
            if function not in CAUGHT.get(name, ()):
                found.append(f"{name}:{call.lineno}: {ast.unparse(call)}")
    assert found == []


def test_the_rule_finds_something() -> None:
    tree = ast.parse("def f():\n    raise Malformed('x')\n\ndef g():\n    raise Malformed('x', 'y')\n")
    assert [function for function, _ in without_hint(tree)] == ["f"]


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES.keys())
def test_every_class_has_advice(kind: type[CaucaseError], capsys: pytest.CaptureFixture[str]) -> None:
    error = kind("It is so.", status=400) if kind is errors.ServerRefused else kind("It is so.")  # type: ignore[call-arg]
    said = advice(error)
    assert said.endswith((".", "?"))
    complain("caucase", error)
    separator = "\n" if isinstance(error, errors.ConfigError) else " "
    assert capsys.readouterr().err == f"caucase: It is so.{separator}{said}\n"
    # The hint of whoever raised it goes first.
    hinted = CaucaseError("It is so.", "Do that.")
    assert advice(hinted) == ""
    complain("caucase", hinted)
    assert capsys.readouterr().err == "caucase: It is so. Do that.\n"


def test_classes_are_in_the_table() -> None:
    assert set(ADVICE) <= set(CLASSES.values())
    # Those without an entry of their own are special cases of one that has.
    assert {kind.__name__ for kind in CLASSES.values()} - {kind.__name__ for kind in ADVICE} == {
        "QueueShareFull"
    }


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.ECONNRESET])
def test_errors_of_the_system(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(number, "Said the system", "/a/file")
    complain("caucase", error)
    assert capsys.readouterr().err == f"caucase: /a/file: Said the system. {advice(error)}\n"
    assert advice(error).endswith((".", "?"))


def test_one_without_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    complain("caucase", OSError("odd"))
    assert capsys.readouterr().err == "caucase: odd. Mend that, and start the command again.\n"


def test_mistakes_of_a_file_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    complain("caucased", errors.ConfigError("a.yaml:1: x: is wrong\na.yaml:2: y: is wrong"))
    assert capsys.readouterr().err.splitlines() == [
        "caucased: a.yaml:1: x: is wrong",
        "a.yaml:2: y: is wrong",
        ADVICE[errors.ConfigError],
    ]


def test_every_refusal_of_a_server_says_what_to_do() -> None:
    assert all(hint for _, hint in _REFUSALS.values())
