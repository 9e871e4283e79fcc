"""What it depends on is the same in pyproject.toml, in the Debian packages, in the document and in what is imported; and
the bill of materials says so.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
_VALIDATOR = ROOT / ".venv-audit" / "bin" / "python"
REQUIRED = dict(
    requirement.split(">=")
    for requirement in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
)
ROWS = {
    row[0]: row[1:]
    for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines()
    if len(row := [cell.strip() for cell in line.strip("|").split("|")]) == 6
    and row[1].startswith("python3-")
}
MODULES = {"pyyaml": "yaml", "systemd-python": "systemd"}


def imports() -> dict[str, set[str]]:
    """By module from outside, the rooms that import it."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "caucase").rglob("*.py"):
        room = path.relative_to(ROOT / "caucase").parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(room)
    return {name: rooms for name, rooms in found.items() if name not in sys.stdlib_module_names | {"caucase"}}


def test_everything_imported_is_required_and_the_other_way_round() -> None:
    assert imports().keys() == {MODULES.get(name, name) for name in REQUIRED}


def test_the_document_has_the_floors_and_the_rooms() -> None:
    assert {name: floor for name, (_, floor, *_) in ROWS.items()} == REQUIRED
    rooms = imports()
    for name, (_, _, _, where, _) in ROWS.items():
        if "all that" not in where:
            assert where == ", ".join(f"`{room}`" for room in sorted(rooms[MODULES.get(name, name)]))


def test_debian_has_the_floors() -> None:
    control = (ROOT / "packaging" / "debian" / "control").read_text()
    build = control.partition("Build-Depends:")[2].partition("Standards-Version")[0]
    floors = dict(re.findall(r"^ (python3-[a-z0-9]+) \(>= ([0-9.]+)\),$", build, re.MULTILINE))
    assert floors == {debian: floor for debian, floor, *_ in ROWS.values()}
    # What is written by hand for a package, because the others do not need it.
    for debian, floor in re.findall(r"^ (python3-[a-z0-9]+)(?: \(>= ([0-9.]+)\))?,$", control, re.MULTILINE):
        assert floors.get(debian, floor) == floor
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"\b{debian}\b", makefile) for debian in floors)


def test_licences() -> None:
    """As the packages themselves say it, in whatever words."""
    words = {"Apache-2.0": "Apache", "BSD-3-Clause": "BSD", "MIT": "MIT", "LGPL-2.1-or-later": "LGPL"}
    for name, (_, _, licence, _, _) in ROWS.items():
        about = metadata.metadata(name)
        said = " ".join([about["License"] or "", *(about.get_all("Classifier") or [])])
        assert all(words[one] in said for one in licence.split(" OR ")), name


def test_the_tests_run_with_the_floor() -> None:
    """On Debian 12; a later one is newer."""
    release = Path("/etc/os-release").read_text()
    for name, floor in REQUIRED.items():
        wanted, there = (
            [int(part) for part in re.findall(r"[0-9]+", text)] for text in (floor, metadata.version(name))
        )
        assert there >= wanted, name
        if "VERSION_CODENAME=bookworm" in release:
            assert there[: len(wanted)] == wanted, name


def installed_by_make() -> set[str]:
    """Packages of Debian, of Python and of npm, without their versions; those in variables by their value."""
    text = re.sub(r"^#.*", "", (ROOT / "Makefile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lists = [
        *re.findall(r"^[A-Z_]+_PACKAGES := (.*)", text, re.MULTILINE),
        *re.findall(r"^.*: CRYPTOGRAPHY := (.*)", text, re.MULTILINE),
        *re.findall(r"\$\(call apt,([^)$]+)\)", text),
        *re.findall(r"\$\(PIP\) install (.*)", text),
        *re.findall(r"npm install --prefix \S+ (.*)", text),
    ]
    words = [word.strip("'") for words in lists for word in words.split()]
    return {
        re.split(r"[=<>\[]", word)[0]
        for word in words
        if not word.startswith(("-", "$", ".", "editable_mode="))
    }


def test_the_document_has_what_make_installs() -> None:
    installed = installed_by_make()
    assert {"python3-aiohttp", "jq", "linux-perf", "py-spy", "types-PyYAML", "vnu-jar", "npm"} <= installed
    rows = [line.split("|") for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines()]
    named = {word for row in rows if len(row) > 3 for word in re.findall(r"[\w.-]+", f"{row[1]} {row[2]}")}
    assert installed - named == set()


def test_no_script_of_a_package_is_run_when_it_is_installed() -> None:
    """npm would run it, as whoever calls make."""
    installs = re.findall(r"\bnpm install .*", (ROOT / "Makefile").read_text())
    assert installs
    assert all("--ignore-scripts" in one for one in installs)


# The bill of materials


def bill() -> str:
    command = [sys.executable, ROOT / "scripts" / "sbom"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_it_is_the_same_each_time() -> None:
    assert bill() == bill()


def test_it_names_what_is_required() -> None:
    content = json.loads(bill())
    assert {one["name"]: one["properties"][0]["value"] for one in content["components"]} == REQUIRED
    assert content["metadata"]["component"]["name"] == "caucase"


def test_it_is_what_its_schema_says(tmp_path: Path) -> None:
    path = tmp_path / "bom.json"
    path.write_text(bill())
    check = """
import pathlib, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
text = pathlib.Path(sys.argv[1]).read_text()
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text))
assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"libary"', 1)) is not None
"""
    done = subprocess.run([_VALIDATOR, "-c", check, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stdout + done.stderr
