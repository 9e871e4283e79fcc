"""YAML as a configuration needs it, and all mistakes at once, each with its file and line.

It is strict: a key that is unknown or given twice is a mistake, and so is everything of YAML that settings do
not need (anchors, aliases, tags, several documents). Values are text until their setting parses them, so that
``no``, ``0640`` or ``1:30`` mean what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from caucase.config.setting import Setting
from caucase.errors import ConfigError

# Ten times what all settings need. Reading is slow: 20 microseconds for each value.
SIZE_LIMIT = 64 * 1024
_NODES_LIMIT = 5000
# Of mistakes, as many as a person reads; guessing what was meant takes a millisecond.
_SHOWN_LIMIT = 100
_GUESSES_LIMIT = 20

# The document, a list in it, a mapping in the list, its value, and one more to say what is wrong there.
_DEPTH_LIMIT = 5

Entry = TypeVar("Entry")

_NULL = "tag:yaml.org,2002:null"
_QUOTE_LIMIT = 60


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was understood so far, where each setting was given, and every mistake."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def take(
        self,
        setting: Setting,
        place: str,
        entries: Sequence[tuple[str, Entry]],
        to_text: Callable[[Entry], str],
    ) -> None:
        """Take a setting given at ``place``, with its entries and their places; it replaces an earlier value.

        ``to_text`` gives the text of an entry, or raises ``ValueError`` with the reason why it has none.
        """
        self._take(setting, place, entries, lambda entry: setting.parse(to_text(entry)))

    def take_mapping(
        self, path: Path, mapping: yaml.MappingNode, settings: Mapping[str, Setting], within: str = ""
    ) -> None:
        """Take all keys of a mapping in the file ``path``. ``within``: what precedes a key in messages.

        The value of a setting with ``inner`` keys is a ``Reading`` of them, whose mistakes are among ours.
        """
        seen: dict[str, int] = {}
        for key_node, value_node in mapping.value:
            where = f"{path}:{_line(key_node)}: {within}"
            if not isinstance(key_node, yaml.ScalarNode):
                self.mistakes.append(f"{where}a key must be a word")
            elif (key := key_node.value) not in settings:
                meant = _did_you_mean(key, settings) if len(self.mistakes) < _GUESSES_LIMIT else ""
                self.mistakes.append(f"{where}{_quote(key)}: there is no such key{meant}")
            elif key in seen:
                self.mistakes.append(f"{where}{key}: is given a second time, first in line {seen[key]}")
            else:
                seen[key] = _line(key_node)
                self._take_node(path, settings[key], value_node, where, within)

    def missing(self, settings: Mapping[str, Setting]) -> Iterator[Setting]:
        """Those of ``settings`` that are required and were not given."""
        return (one for one in settings.values() if one.required and one.key not in self.places)

    def compare(self, contradictions: Iterable[tuple[Sequence[str], str]]) -> None:
        """Note what is wrong between settings that are right each for itself: their keys, and a sentence."""
        for keys, what in contradictions:
            # A setting left at its default has no place to point at, and one that is wrong is told already.
            given = [key for key in keys if key in self.places]
            if all(key in self.values for key in given):
                self.mistakes.append(f"{self.places[given[0]]}: {what}")

    def raise_mistakes(self) -> None:
        """ConfigError with a line for each mistake, if there is one."""
        if self.mistakes:
            left = len(self.mistakes) - _SHOWN_LIMIT
            more = [f"and {left} more mistakes"] if left > 0 else []
            raise ConfigError("\n".join([*self.mistakes[:_SHOWN_LIMIT], *more]))

    def _take_node(self, path: Path, setting: Setting, value: yaml.Node, where: str, within: str) -> None:
        nodes = value.value if setting.many and isinstance(value, yaml.SequenceNode) else [value]
        key = f"{within}{setting.key}"
        entries = [(f"{path}:{_line(node)}: {key}", node) for node in nodes]
        place = f"{where}{setting.key}"
        if not setting.inner:
            self.take(setting, place, entries, _scalar_text)
            return

        def inner(node: yaml.Node) -> Reading:
            if not isinstance(node, yaml.MappingNode):
                raise ValueError(f"is made of {', '.join(setting.inner)}, one 'key: value' a line")
            reading = Reading(mistakes=self.mistakes)
            reading.take_mapping(path, node, setting.inner, f"{key}: ")
            return reading

        self._take(setting, place, entries, inner)

    def _take(
        self,
        setting: Setting,
        place: str,
        entries: Sequence[tuple[str, Entry]],
        parse: Callable[[Entry], Any],
    ) -> None:
        self.places[setting.key] = place
        self.values.pop(setting.key, None)
        parsed = []
        for where, entry in entries:
            try:
                parsed.append(parse(entry))
            except ValueError as error:
                self.mistakes.append(f"{where}: {error}")
        if len(parsed) == len(entries):
            self.values[setting.key] = tuple(parsed) if setting.many else parsed[0]


def read_mapping(path: Path) -> yaml.MappingNode | None:
    """The only document of a file, a mapping; ``None`` for an empty one. ConfigError, also if it cannot be
    read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > SIZE_LIMIT:
        raise ConfigError(f"{path}: is larger than {SIZE_LIMIT} bytes")
    root = _compose(path, data)
    if root is None or root.tag == _NULL:
        return None
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}:{_line(root)}: the file is not a list of options, one 'key: value' a line")
    return root


class _StrictLoader(yaml.SafeLoader):
    """Composes scalars as text, refuses what no setting needs, limits the depth (composing is recursive)."""

    # Only "nothing" is told apart from text: an empty value, ~ or null.
    yaml_implicit_resolvers = {  # noqa: RUF012 - replaces the attribute of the base class
        first: [pair for pair in pairs if pair[0] == _NULL]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _depth = 0
    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refusal(event, "anchors and aliases are not allowed")
        if getattr(event, "tag", None) is not None:
            raise _refusal(event, "tags are not allowed")
        if self._depth == _DEPTH_LIMIT:
            raise _refusal(event, "this is nested too deeply")
        self._nodes += 1
        if self._nodes > _NODES_LIMIT:
            raise _refusal(event, f"there are more than {_NODES_LIMIT} values")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _refusal(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _compose(path: Path, data: bytes) -> Any:
    try:
        text = data.decode("utf-8-sig")
        return yaml.compose(text, Loader=_StrictLoader)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: holds a character that YAML does not allow") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        what = error.problem or "is not YAML"
        if isinstance(error, (yaml.scanner.ScannerError, yaml.parser.ParserError)):
            what = f"is not valid YAML: {what}"
        raise ConfigError(f"{place}: {what}") from error


def _scalar_text(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError("a single value must stand here")
    if node.tag == _NULL:
        raise ValueError("has no value; give one or take the line out")
    text: str = node.value
    return text


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line + 1
    return line


def _quote(key: str) -> str:
    return repr(key if len(key) <= _QUOTE_LIMIT else key[:_QUOTE_LIMIT] + "…")


def _did_you_mean(key: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # only for a file with a mistake, not at each start

    close = get_close_matches(key[:_QUOTE_LIMIT].lower().replace("-", "_"), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
