"""Reads the server's YAML file, lays the command line's options over it, and reports all mistakes at once.

It is strict: a key that is unknown or given twice is a mistake, and so is everything of YAML that a flat list
of options does not need (anchors, aliases, tags, several documents). Values are text until their option
parses them, so that ``no``, ``010`` or ``1:30`` mean what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from caucase.config import installed, values
from caucase.config.schema import OPTIONS, Option, ServerConfig, contradictions
from caucase.errors import ConfigError

# Hundreds of times what all options need; the file is in memory as a whole.
SIZE_LIMIT = 1 << 20

# The document, a list in it, an entry of the list, and one more to say what is wrong there.
_DEPTH_LIMIT = 4

Entry = TypeVar("Entry")

_NULL = "tag:yaml.org,2002:null"
_QUOTE_LIMIT = 60


def load_server_config(path: Path | None, overrides: Mapping[str, str | Sequence[str]]) -> ServerConfig:
    """The configuration of ``path``, if any, under ``overrides`` (YAML key to text, or to a list of texts).

    Overrides are what ``caucase.config.flags.given`` returns. ConfigError has a line for each mistake,
    ``FILE:LINE: key: what`` or ``--flag: what``; also when the file cannot be read. The installed server's file is
    read as ``caucase.config.installed`` says.
    """
    reading = _Reading()
    if path is not None:
        try:
            _read_file(path, reading)
        except ConfigError as error:
            reading.mistakes.append(error.message)
    if path == installed.FILE:
        _as_installed(reading)
    for key, value in overrides.items():
        option = OPTIONS[key]
        texts = [value] if isinstance(value, str) else value
        reading.take(option, option.flag, [(option.flag, text) for text in texts], option.from_flag)
    config = ServerConfig(**reading.values)
    for keys, what in contradictions(config):
        # An option left at its default has no place to point at, and one that is wrong is told already.
        given = [key for key in keys if key in reading.places]
        if all(key in reading.values for key in given):
            reading.mistakes.append(f"{reading.places[given[0]]}: {what}")
    if reading.mistakes:
        raise ConfigError("\n".join(reading.mistakes))
    return config


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What was understood so far, where each option was given, and every mistake."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def take(
        self,
        option: Option,
        place: str,
        entries: Sequence[tuple[str, Entry]],
        to_text: Callable[[Entry], str],
    ) -> None:
        """Take an option given at ``place``, with its entries and their places; it replaces an earlier value.

        ``to_text`` gives the text of an entry, or raises ``ValueError`` with the reason why it has none.
        """
        self.places[option.key] = place
        self.values.pop(option.key, None)
        parsed = []
        for where, entry in entries:
            try:
                parsed.append(option.parse(to_text(entry)))
            except ValueError as error:
                self.mistakes.append(f"{where}: {error}")
        if len(parsed) == len(entries):
            self.values[option.key] = tuple(parsed) if option.many else parsed[0]


class _StrictLoader(yaml.SafeLoader):
    """Composes scalars as text, refuses what no option needs, limits the depth (composing is recursive)."""

    # Only "nothing" is told apart from text: an empty value, ~ or null.
    yaml_implicit_resolvers = {  # noqa: RUF012 - replaces the attribute of the base class
        first: [pair for pair in pairs if pair[0] == _NULL]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refusal(event, "anchors and aliases are not allowed")
        if getattr(event, "tag", None) is not None:
            raise _refusal(event, "tags are not allowed")
        if self._depth == _DEPTH_LIMIT:
            raise _refusal(event, "this is nested too deeply")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _refusal(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _read_file(path: Path, reading: _Reading) -> None:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > SIZE_LIMIT:
        raise ConfigError(f"{path}: is larger than {SIZE_LIMIT} bytes")
    root = _compose(path, data)
    if root is None or root.tag == _NULL:
        return
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}:{_line(root)}: the file is not a list of options, one 'key: value' a line")
    seen: dict[str, int] = {}
    for key_node, value_node in root.value:
        where = f"{path}:{_line(key_node)}"
        if not isinstance(key_node, yaml.ScalarNode):
            reading.mistakes.append(f"{where}: a key must be a word")
        elif (key := key_node.value) not in OPTIONS:
            reading.mistakes.append(f"{where}: {_quote(key)}: there is no such key{_did_you_mean(key)}")
        elif key in seen:
            reading.mistakes.append(f"{where}: {key}: is given a second time, first in line {seen[key]}")
        else:
            seen[key] = _line(key_node)
            option = OPTIONS[key]
            nodes = (
                value_node.value
                if option.many and isinstance(value_node, yaml.SequenceNode)
                else [value_node]
            )
            entries = [(f"{path}:{_line(node)}: {key}", node) for node in nodes]
            reading.take(option, f"{where}: {key}", entries, _scalar_text)


def _as_installed(reading: _Reading) -> None:
    for key, text in installed.DEFAULTS.items():
        if key not in reading.places:
            reading.values[key] = OPTIONS[key].parse(text)
    for option in OPTIONS.values():
        path = reading.values.get(option.key, option.default)
        if option.parse is values.path and path is not None:
            reading.values[option.key] = installed.FOLDER / path


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
        raise ConfigError(f"{place}: {error.problem or 'is not YAML'}") from error


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


def _did_you_mean(key: str) -> str:
    from difflib import get_close_matches  # only for a file with a mistake, not at each start

    close = get_close_matches(key[:_QUOTE_LIMIT].lower().replace("-", "_"), OPTIONS, n=1)
    return f"; did you mean {close[0]}?" if close else ""
