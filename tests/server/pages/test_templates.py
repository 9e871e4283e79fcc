"""What the pages are made of: small, all words in one place, nothing that is not escaped, and loaded when it is needed."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from jinja2 import nodes

from caucase.server.pages import texts
from caucase.server.pages.rendering import environment

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "caucase" / "server" / "pages"
TEMPLATES = sorted((PAGES / "templates").iterdir())
# Everything that a browser is sent is made of these.
LIMIT = 60 * 1024


def test_size() -> None:
    """Templates, style sheet, script, icon, and the words, too."""
    files = [*TEMPLATES, *(PAGES / "static").iterdir(), PAGES / "texts.py"]
    assert sum(path.stat().st_size for path in files) < LIMIT


def test_the_package_has_them_all() -> None:
    """Whatever is there matches what pyproject.toml takes along."""
    assert {path.suffix for path in TEMPLATES} == {".html"}
    others = {path.name for path in PAGES.iterdir() if path.suffix != ".py"} - {"__pycache__"}
    assert others == {"static", "templates"}


def tree(path: Path) -> nodes.Template:
    return environment().parse(path.read_text())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_nothing_goes_around_the_escaping(path: Path) -> None:
    filters = {node.name for node in tree(path).find_all(nodes.Filter)}
    assert not filters & {"safe", "tojson", "xmlattr", "urlize", "striptags", "attr"}
    assert not list(tree(path).find_all((nodes.MarkSafe, nodes.ScopedEvalContextModifier, nodes.Include)))
    assert "autoescape" not in path.read_text()


def test_escaping_is_on_and_what_is_missing_is_an_error() -> None:
    made = environment()
    assert made.autoescape is True
    assert made.undefined is jinja2.StrictUndefined
    assert made.from_string("{{ x }}").render(x="<&\"'>") == "&lt;&amp;&#34;&#39;&gt;"
    with pytest.raises(jinja2.UndefinedError):
        made.from_string("{{ x.y }}").render(x=SimpleNamespace())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_all_values_of_attributes_are_quoted(path: Path) -> None:
    """An escaped value is harmless between quotes only."""
    source = re.sub(r"{#.*?#}", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(r"<[^>{]*=\s*{{", source)
    assert not re.search(
        r"(href|src|action)=\"{{(?! ?(file\.url|newest|older|view\.following|path|here) )", source
    )


class _Words(HTMLParser):
    """Texts, and attributes that are read out, which hold letters."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.within.append(tag)
        for name, value in attrs:
            if name in ("alt", "aria-label", "placeholder", "title") and re.search(r"[A-Za-z]", value or ""):
                self.found.append(value or "")

    def handle_data(self, data: str) -> None:
        if re.search(r"[A-Za-z]", data):
            self.found.append(data.strip())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_all_words_are_in_texts(path: Path) -> None:
    """What is left of a template without its expressions has no words, but commands."""
    source = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", path.read_text(), flags=re.DOTALL)
    source = re.sub(r"<code>.*?</code>", "", source, flags=re.DOTALL)
    words = _Words()
    words.feed(source)
    assert words.found == []


def test_the_script_has_no_words() -> None:
    """What it says comes from the page."""
    source = (PAGES / "static" / "console.js").read_text()
    code = re.sub(r"//.*", "", source)
    strings = re.findall(r'"([^"]*)"', code)
    assert [text for text in strings if " " in text] == ["use strict"]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function\(", source)


def used() -> set[str]:
    """The texts that templates use, as ``consent.title``; of those that are picked by a value the beginning."""
    found = set()
    for path in TEMPLATES:
        for node in tree(path).find_all((nodes.Getattr, nodes.Getitem)):
            name = dotted(node)
            if name.startswith("t."):
                found.add(name.removeprefix("t."))
    for path in PAGES.glob("*.py"):
        found |= set(re.findall(r"\btexts\.([a-z_]+(?:\.[a-z_]+)*)", path.read_text()))
    return found


def dotted(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{dotted(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        return dotted(node.node) + ".*"
    return "?"


def known() -> dict[str, Any]:
    """All texts by name; those in a dict, which are picked by a value, are one."""
    found: dict[str, Any] = {}
    for name, value in vars(texts).items():
        if isinstance(value, SimpleNamespace):
            found |= {f"{name}.{field}": text for field, text in vars(value).items()}
        elif (isinstance(value, dict) and not name.startswith("_")) or (
            isinstance(value, str) and not name.startswith("_")
        ):
            found[name] = value
    return found


def test_every_text_is_used_and_every_one_used_is_there() -> None:
    names = {name.split(".*")[0] for name in used()}
    parents = {name.rpartition(".")[0] for name in known()} | {""}
    # Words of a dict of words, such as those of each system, and fields of help.
    expected = {name for name in names if not any(name.startswith(f"{one}.") for one in known())}
    assert {
        name for name in known() if name not in names and name.rpartition(".")[0] != "navigation"
    } == set()
    assert expected - set(known()) - parents == set()


def test_fields_of_texts_can_be_filled() -> None:
    def strings(value: Any) -> list[str]:
        if isinstance(value, str):
            return [value]
        if isinstance(value, SimpleNamespace):
            value = vars(value)
        return [
            text for one in (value.values() if isinstance(value, dict) else value) for text in strings(one)
        ]

    for name, value in known().items():
        for text in strings(value):
            assert text == text.strip() or not text
            fields = re.findall(r"{(.*?)}", text)
            assert all(re.fullmatch(r"[a-z]+", field) for field in fields), name


def test_what_is_loaded_when() -> None:
    """A worker that shows no page has no template engine; nobody but the pages imports it."""
    script = "import sys, caucase.server.worker; sys.exit('jinja2' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    importing = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "caucase").rglob("*.py")
        if re.search(r"^\s*(import|from) jinja2", path.read_text(), re.MULTILINE)
    }
    assert importing == {"caucase/server/pages/rendering.py"}
