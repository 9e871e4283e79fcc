"""The documents as a reader sees them: what is to be typed, on which machine, and what is to be put into which file.

The convention, for whoever writes a document:

- A ``sh`` block is typed as it stands, from the first block of a document to its last.
- A ``text`` block that comes next shows what is seen then.
- A block of any other language whose first line is a comment with a path (``# /etc/caucase/updater/www.yaml``) is a file.
- Words in capitals, as ``ID``, stand for something that the reader has seen or knows: ``tests/system/reader.py``.

Comments, which nobody sees, say the rest:

- ``<!-- machine: www -->``: the reader sits there from now on.
- ``<!-- fails -->``: the last command of the next block is shown because it fails.
- ``<!-- append -->``: the lines of the next file are added to what is there.
- ``<!-- picture -->``: the next ``text`` block is no output.
- ``<!-- named: NAME -->`` … ``<!-- end -->``: what is between is not done here, but where it is said that it is to be done
  ``<!-- again: NAME WORD=value … -->``, with values for words in capitals.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

# What programs write into documents begins with such a comment.
GENERATED = ("reference", "results")
_FENCE = re.compile(r"^( *)```(\w*)$")
_REMARK = re.compile(r"^ *<!-- (.*?) -->$")
_PATH = re.compile(r"^(?:#|;|//) (~?/\S+)$")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A comment: ``kind``, or ``kind: value``."""

    line: int
    kind: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block."""

    line: int
    language: str
    text: str

    @property
    def path(self) -> str | None:
        """The file that the block is."""
        found = _PATH.match(self.text.partition("\n")[0])
        return found[1] if found and self.language not in ("sh", "text") else None


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command, of several lines perhaps. ``fails``: that is what the document says. ``follows``: another one in the
    same block."""

    line: int
    machine: str
    text: str
    fails: bool
    follows: bool


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the commands of the block before have written."""

    line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class File:
    """What is put into a file."""

    line: int
    machine: str
    path: str
    text: str
    appended: bool


@dataclass(frozen=True, kw_only=True)
class Again:
    """Steps that were described before, with these words."""

    line: int
    steps: list[Step]
    words: Mapping[str, str]


Step = Command | Shown | File | Again


def read(document: str) -> str:
    """The text of a document, named from the root of the project."""
    return (ROOT / document).read_text()


def parts(text: str) -> Iterator[Block | Remark | str]:
    """All fenced blocks and comments, and the lines between them."""
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if remark := _REMARK.match(line):
            kind, _, value = remark[1].partition(": ")
            yield Remark(line=number, kind=kind, value=value)
        elif fence := _FENCE.match(line):
            indent, language = fence.groups()
            content = []
            for _, inside in lines:
                if inside == f"{indent}```":
                    break
                content.append(inside.removeprefix(indent))
            yield Block(line=number, language=language, text="".join(f"{inside}\n" for inside in content))
        else:
            yield line


def blocks(text: str) -> list[Block]:
    """All fenced blocks."""
    return [part for part in parts(text) if isinstance(part, Block)]


def steps(text: str) -> list[Step]:
    """What a reader does, in order."""
    return _Reading().all(text)


def named(text: str) -> dict[str, list[Step]]:
    """What is described by a name."""
    reading = _Reading()
    reading.all(text)
    return reading.named


def commands(all_steps: Iterable[Step]) -> Iterator[Command]:
    """The commands among them."""
    for step in all_steps:
        if isinstance(step, Again):
            yield from commands(step.steps)
        elif isinstance(step, Command):
            yield step


@dataclass
class _Reading:
    machine: str = ""
    remarks: set[str] = field(default_factory=set)
    named: dict[str, list[Step]] = field(default_factory=dict)

    def all(self, text: str) -> list[Step]:
        result: list[Step] = []
        into = result
        for part in parts(text):
            if isinstance(part, Block):
                into += self._steps_of(part, bool(into) and isinstance(into[-1], Command))
                self.remarks.clear()
            elif isinstance(part, str):
                if part.strip():
                    self.remarks.clear()
            elif part.kind == "machine":
                self.machine = part.value
            elif part.kind == "named":
                into = self.named[part.value] = []
            elif part.kind == "end":
                into = result
            elif part.kind == "again":
                name, *words = part.value.split()
                into.append(
                    Again(
                        line=part.line,
                        steps=self.named[name],
                        words=dict(word.split("=", 1) for word in words),
                    )
                )
            else:
                assert part.kind in ("fails", "append", "picture", *GENERATED), (
                    f"line {part.line}: {part.kind}?"
                )
                self.remarks.add(part.kind)
        return result

    def _steps_of(self, block: Block, after_commands: bool) -> Iterator[Step]:
        if block.language == "sh":
            yield from self._commands(block)
        elif block.language == "text" and after_commands and "picture" not in self.remarks:
            yield Shown(line=block.line, text=block.text)
        elif block.path:
            yield File(
                line=block.line,
                machine=self.machine,
                path=block.path,
                text=block.text,
                appended="append" in self.remarks,
            )

    def _commands(self, block: Block) -> Iterator[Command]:
        lines = block.text.splitlines()
        collected: list[str] = []
        follows = False
        for number, line in enumerate(lines, 1):
            if not collected and (not line.strip() or line.startswith("#")):
                continue
            collected.append(line)
            text = "\n".join(collected)
            if line.endswith("\\") or not _is_whole(text):
                continue
            yield Command(
                line=block.line + number,
                machine=self.machine,
                text=text,
                fails="fails" in self.remarks and number == len(lines),
                follows=follows,
            )
            collected, follows = [], True
        assert not collected, f"line {block.line}: not a whole command: {collected}"


def _is_whole(command: str) -> bool:
    return subprocess.run(["bash", "-nc", command], capture_output=True, check=False).returncode == 0


def missing(shown: str, output: str) -> str | None:
    """The first line of what a document shows that is not in the output, in that order. White space and numbers do not
    count, and ``…`` stands for anything."""
    rest = [_plain(line) for line in output.splitlines()]
    for line in filter(None, map(_plain, shown.splitlines())):
        wanted = re.compile(".*".join(map(re.escape, line.split("…"))))
        while rest and not wanted.fullmatch(rest[0]):
            rest.pop(0)
        if not rest:
            return line
        rest.pop(0)
    return None


def _plain(line: str) -> str:
    return _DIGITS.sub("0", " ".join(line.split()))
