"""What is written for people says all that the program knows: manual, example configuration, catalog, completion."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from caucase.config import client_schema, installed
from caucase.config.json_schema import FILES, FOLDER
from caucase.config.load import load_server_config
from caucase.config.load_client import load_client_config
from caucase.config.load_updater import load_updater_config
from caucase.config.schema import OPTIONS, ServerConfig
from caucase.config.updater_schema import INSTALL_SETTINGS, SETTINGS
from caucase.host.events import EVENTS

from .parsers import COMMANDS, parser_of

ROOT = Path(__file__).parents[2]


def manual(name: str) -> str:
    """The page as scdoc makes it, without its formatting."""
    source = (ROOT / "man" / f"{name}.scd").read_bytes()
    done = subprocess.run(["scdoc"], input=source, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return re.sub(r"\\f.|\\&", "", done.stdout.decode()).replace("\\-", "-").replace("\\", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_manual(command: str) -> None:
    page = manual(f"{command}.1")
    heads = [line for line in page.splitlines() if line.startswith("-")]
    documented = {word for line in heads for word in re.findall(r"--?[a-z][a-z-]*", line)}
    known = {
        option
        for action in parser_of(command)._actions
        for option in action.option_strings
        if action.help != argparse.SUPPRESS
    }
    assert documented == known


@pytest.mark.parametrize("page", sorted(path.stem for path in (ROOT / "man").glob("*.scd")))
def test_every_page_that_is_referred_to_exists(page: str) -> None:
    pages = {path.stem for path in (ROOT / "man").glob("*.scd")}
    text = manual(page)
    for name, section in re.findall(r"(caucase[a-z.-]*)\((\d)\)", text):
        assert f"{name}.{section}" in pages, f"{page} refers to {name}({section})"
    assert text.startswith('.\\"') or ".TH" in text


@pytest.mark.parametrize(
    ("page", "keys"),
    [
        ("caucased.yaml.5", OPTIONS),
        ("caucase-updater.yaml.5", SETTINGS),
        ("caucase-updater.yaml.5", INSTALL_SETTINGS),
        ("caucase-client.yaml.5", client_schema.SETTINGS),
    ],
)
def test_every_key_is_in_the_manual(page: str, keys: Mapping[str, object]) -> None:
    text = manual(page)
    assert [key for key in keys if not re.search(rf"^{key}$", text, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("which", "name"),
    [("server", "caucased.yaml"), ("updater", "updater.yaml"), ("client", "client.yaml")],
)
def test_the_examples_have_every_key_with_its_default(which: str, name: str) -> None:
    script = ROOT / "scripts" / "example-configuration"
    made = subprocess.run(
        [sys.executable, script, which], env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, check=True
    ).stdout
    assert (ROOT / "etc" / name).read_bytes() == made


def test_the_client_example_changes_nothing_and_uncommented_it_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "etc" / "client.yaml").read_text()
    file = tmp_path / "client.yaml"
    file.write_text(text)
    assert load_client_config([file], data_folder=tmp_path) == load_client_config([], data_folder=tmp_path)
    file.write_text(re.sub(r"^#([a-z_]+:)", r"\1", text, flags=re.MULTILINE))
    config = load_client_config([file], data_folder=tmp_path)
    assert config.ca_url == "http://ca.example.com:8009"
    assert config.user_key == Path("~/.config/caucase/me.pem").expanduser()
    assert config.crl == Path("~/.local/share/caucase/cas.crl.pem").expanduser()


@pytest.mark.parametrize("name", ["configuration.md", "api.md"])
def test_what_is_generated_of_the_documents_is_current(tmp_path: Path, name: str) -> None:
    """From the settings and from the routes."""
    for folder in ("docs", "scripts"):
        (tmp_path / folder).mkdir()
    text = (ROOT / "docs" / name).read_text()
    for one in ("configuration.md", "api.md"):
        shutil.copy(ROOT / "docs" / one, tmp_path / "docs")
    script = shutil.copy(ROOT / "scripts" / "reference", tmp_path / "scripts")
    # What was generated is nothing that the script needs.
    emptied = re.sub(r"(<!-- reference: \w+ -->\n).*?(\n<!-- end)", r"\1\2", text, flags=re.DOTALL)
    assert emptied != text
    (tmp_path / "docs" / name).write_text(emptied)
    subprocess.run([sys.executable, script], env={"PYTHONPATH": str(ROOT)}, check=True)
    assert (tmp_path / "docs" / name).read_text() == text, "scripts/reference writes it anew"


def test_the_packages_have_the_schemas_that_the_examples_name(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference", tmp_path], env={"PYTHONPATH": str(ROOT)}, check=True
    )
    shipped = "".join(path.read_text() for path in (ROOT / "packaging" / "debian").glob("*.install"))
    for file in FILES.values():
        assert json.loads((tmp_path / file.schema_name).read_text()) == file.schema()
        example = (ROOT / "etc" / f"{file.name}.yaml").read_text()
        assert example.startswith(f"# yaml-language-server: $schema=file://{FOLDER}/{file.schema_name}\n")
        assert f"build/schema/{file.schema_name} {FOLDER[1:]}\n" in shipped
        assert f"{FOLDER}/{file.schema_name}" in "".join(
            map(manual, ("caucased.yaml.5", "caucase-updater.yaml.5", "caucase-client.yaml.5"))
        )
    assert FILES.keys() == {path.stem for path in (ROOT / "etc").glob("*.yaml")}


def test_the_updater_example_is_valid_when_uncommented(tmp_path: Path) -> None:
    text = (ROOT / "etc" / "updater.yaml").read_text()
    uncommented = re.sub(r"^#((  - |    )?[a-z_]+:)", r"\1", text, flags=re.MULTILINE)
    file = tmp_path / "www.yaml"
    # Instead of names, which are there too.
    file.write_text(re.sub(r"^csr: .*\n", "", uncommented, flags=re.MULTILINE))
    config = load_updater_config(file)
    assert config.install[0].mode == 0o640
    assert config.reload == ("nginx.service",)


def test_the_example_changes_nothing_and_uncommented_it_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "etc" / "caucased.yaml").read_text()
    file = tmp_path / "caucased.yaml"
    file.write_text(text)
    assert load_server_config(file, {}) == ServerConfig()
    uncommented = re.sub(r"^#([a-z_]+:)", r"\1", text, flags=re.MULTILINE)
    file.write_text(uncommented)
    monkeypatch.setattr(installed, "FILE", file)
    config = load_server_config(file, {})
    assert str(config.netloc) == "ca.example.com:8009"
    # What has no default is an example there; everything else is the default.
    file.write_text("")
    default = load_server_config(file, {})
    examples = {key for key, option in OPTIONS.items() if option.default is None} - installed.DEFAULTS.keys()
    assert {key for key in OPTIONS if getattr(config, key) != getattr(default, key)} == examples


NAMED = re.compile(r"(tests/[a-z_/]+\.py)(?:::(\w+))?")


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
)
def test_every_test_that_is_referred_to_exists(page: str) -> None:
    for file, function in NAMED.findall((ROOT / page).read_text()):
        assert (ROOT / file).is_file(), f"{page} refers to {file}"
        tree = ast.parse((ROOT / file).read_text())
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not function or function in names, f"{page} refers to {function} in {file}"


def test_what_stands_against_whom_is_shown_by_tests() -> None:
    """In the threat model, and noticed by the test above."""
    found = NAMED.findall((ROOT / "docs" / "security.md").read_text())
    assert sum(bool(function) for _, function in found) > 100


def test_every_event_is_in_the_catalog(tmp_path: Path) -> None:
    catalog = (ROOT / "systemd" / "caucase.catalog").read_text()
    entries = re.split(r"^-- ([0-9a-f]{32})$", catalog, flags=re.MULTILINE)[1:]
    explained = dict(zip(entries[::2], entries[1::2], strict=True))
    assert set(explained) == {event.message_id for event in EVENTS.values()}
    for text in explained.values():
        head, _, body = text.strip().partition("\n\n")
        assert {line.partition(":")[0] for line in head.splitlines()} == {
            "Subject",
            "Defined-By",
            "Documentation",
        }
        assert body.strip()


def test_completion_knows_every_option(tmp_path: Path) -> None:
    subprocess.run(
        [ROOT / "scripts" / "completions", tmp_path], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True
    )
    for command in COMMANDS:
        for path in (f"bash/{command}", f"zsh/_{command}", f"fish/{command}.fish"):
            text = (tmp_path / path).read_text()
            for action in parser_of(command)._actions:
                for option in action.option_strings:
                    word = option.lstrip("-")
                    assert (f" {word} " if path.startswith("fish") else option) in text, (
                        f"{path} lacks {option}"
                    )
