"""Every document is one that can be followed, and is followed; what is only mentioned exists."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..packaging.parsers import COMMANDS, parser_of
from ..system.test_guides import FOLLOWED, PERFORMED
from . import exceptions, markdown
from .markdown import Block, Command, File, Remark, Shown

ALL = (*markdown.DOCUMENTS, "CHANGELOG.md")
MAKE = (markdown.ROOT / "Makefile").read_text()
UNITS = {path.name for path in (markdown.ROOT / "systemd").iterdir()}


@pytest.mark.parametrize("document", ALL)
def test_every_block_is_commands_or_what_they_show_or_a_file(document: str) -> None:
    text = markdown.read(document)
    for block in markdown.blocks(text):
        known = (
            block.language in ("sh", "text") or block.path or (document, block.language) in exceptions.BLOCKS
        )
        assert known, (
            f"{document}, line {block.line}: neither sh nor text, and no file is named in its first line"
        )
    indented = [
        line for part in _between(text) for line in re.findall(r"\n\n((?: {4}|\t)(?! *[-*] ).*)", part)
    ]
    assert indented == [], "a block without a fence is nobody's"


def _between(text: str) -> Iterator[str]:
    yield "\n".join(part if isinstance(part, str) else "" for part in markdown.parts(text))


@pytest.mark.parametrize("document", ALL)
def test_a_document_with_commands_has_a_reader(document: str) -> None:
    text = markdown.read(document)
    has_steps = any(isinstance(step, Command | File) for step in markdown.steps(text))
    assert has_steps == (document in FOLLOWED or document in exceptions.FOLLOWED_ELSEWHERE)
    used = {
        part.value.split()[0]
        for part in markdown.parts(text)
        if isinstance(part, Remark) and part.kind == "again"
    }
    for name in markdown.named(text):
        assert name in used or (document, name) in PERFORMED, f"{document}: nobody does what is named {name}"


def test_no_exception_is_left_over() -> None:
    for document, command in exceptions.COMMANDS:
        assert command in [step.text for step in markdown.commands(markdown.steps(markdown.read(document)))]
    for document, language in exceptions.BLOCKS:
        assert language in [block.language for block in markdown.blocks(markdown.read(document))]
    for document, reason in exceptions.FOLLOWED_ELSEWHERE.items():
        test = (markdown.ROOT / reason.split()[0]).read_text()
        assert Path(document).name in test
    for document, name in PERFORMED:
        assert name in markdown.named(markdown.read(document))


@pytest.mark.parametrize("document", ALL)
def test_what_is_mentioned_exists(document: str) -> None:
    """Commands of ours with those options, targets of make, units."""
    parts = [part for part in markdown.parts(markdown.read(document)) if isinstance(part, str)]
    mentioned = re.findall(r"`([^`]+)`", "\n".join(parts).replace("\\|", "|"))
    for span in [" ".join(span.split()) for span in mentioned]:
        words = _split(span)
        # NAME=value before a command.
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words.pop(0)
        if not words:
            continue
        if words[0] in COMMANDS:
            assert _unknown(parser_of(words[0]), words[1:]) == [], f"{document}: `{span}`"
        elif words[0] == "make" and len(words) > 1:
            target = re.sub(r"-\w+$", "-%", words[1])
            assert re.search(rf"^({re.escape(words[1])}|{target}):", MAKE, re.MULTILINE), (
                f"{document}: `{span}`"
            )
        for unit in re.findall(r"\bcaucased?[a-z-]*@?[\w-]*\.(?:service|socket|timer|target)\b", span):
            assert re.sub(r"@.*\.", "@.", unit) in UNITS, f"{document}: `{span}`"


def _split(span: str) -> list[str]:
    try:
        return shlex.split(span)
    except ValueError:
        return span.split()


def _unknown(parser: argparse.ArgumentParser, words: list[str]) -> list[str]:
    known = {option for action in parser._actions for option in action.option_strings}
    return [
        word for word in words if word.startswith("-") and word.strip("[]").partition("=")[0] not in known
    ]


@pytest.mark.parametrize(
    ("span", "unknown"),
    [("--list-csr --user-key alice.pem", []), ("--list-csrs", ["--list-csrs"]), ("[--expiring DAYS]", [])],
)
def test_an_unknown_option_is_seen(span: str, unknown: list[str]) -> None:
    assert _unknown(parser_of("caucase"), span.split()) == unknown


def test_pictures_are_those_that_are_drawn(tmp_path: Path) -> None:
    script = markdown.ROOT / "scripts" / "pictures"
    subprocess.run([sys.executable, script, tmp_path], env={"PYTHONPATH": str(markdown.ROOT)}, check=True)
    for picture in tmp_path.iterdir():
        assert picture.read_text() == (markdown.ROOT / "docs" / "images" / picture.name).read_text()


# The reader of documents itself.

DOCUMENT = """\
Text, and `code`.

<!-- machine: www -->
```sh
# a comment
first \\
    --option
cd && for name in a b; do
    echo $name
done
```

```text
a
```

<!-- fails -->
```sh
first
second
```

<!-- named: twice -->
```yaml
# /etc/NAME.yaml
key: value
```
<!-- end -->
<!-- again: twice NAME=one -->
"""


def test_what_a_reader_does() -> None:
    *some, again = markdown.steps(DOCUMENT)
    assert some == [
        Command(line=7, machine="www", text="first \\\n    --option", fails=False, follows=False),
        Command(
            line=10,
            machine="www",
            text="cd && for name in a b; do\n    echo $name\ndone",
            fails=False,
            follows=True,
        ),
        Shown(line=13, text="a\n"),
        Command(line=19, machine="www", text="first", fails=False, follows=False),
        Command(line=20, machine="www", text="second", fails=True, follows=True),
    ]
    assert isinstance(again, markdown.Again)
    assert again.words == {"NAME": "one"}
    (file,) = again.steps
    assert file == File(
        line=24, machine="www", path="/etc/NAME.yaml", text="# /etc/NAME.yaml\nkey: value\n", appended=False
    )


@pytest.mark.parametrize(
    ("shown", "output", "missing"),
    [
        ("OK", "one\nOK\ntwo", None),
        ("one\ntwo", "one\nbetween\ntwo", None),
        ("two\none", "one\ntwo", "one"),
        ("id 1 at 12:30", "id 7654 at   1:02", None),
        ("…: test failed", "Thu: test failed", None),
        ("OK", "not OK", "OK"),
    ],
)
def test_what_is_shown(shown: str, output: str, missing: str | None) -> None:
    assert markdown.missing(shown, output) == missing


def test_a_block_of_another_kind_is_no_file() -> None:
    assert Block(line=1, language="python", text="import x\n").path is None
    assert Block(line=1, language="sh", text="# /etc/x\n").path is None
    assert Block(line=1, language="ini", text="# /etc/x\n").path == "/etc/x"
