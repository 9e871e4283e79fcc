"""YAML as editors read it: version 1.2 with its core schema (YAML 1.2.2, section 10.3.2)."""

from __future__ import annotations

import re
from typing import Any

import yaml

_TAGS = {
    "null": r"null|Null|NULL|~|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}


class Loader(yaml.SafeLoader):
    """PyYAML knows YAML 1.1 only, where ``no`` is false and ``0640`` is 416."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - replaces the attribute of the base class
        None: [(f"tag:yaml.org,2002:{name}", re.compile(rf"^(?:{text})\Z")) for name, text in _TAGS.items()]
    }


def _int(loader: Loader, node: yaml.ScalarNode) -> int:
    text: str = node.value
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


def _float(loader: Loader, node: yaml.ScalarNode) -> float:
    return float(re.sub(r"\.(?=inf|nan)", "", node.value.lower()))


Loader.add_constructor("tag:yaml.org,2002:int", _int)
Loader.add_constructor("tag:yaml.org,2002:float", _float)


def read_plain(text: str) -> Any:
    """What ``text`` is without quotes; ``None`` if it is nothing, or no plain scalar."""
    try:
        is_plain = yaml.load(f"key: {text}", yaml.BaseLoader) == {"key": text}
    except yaml.YAMLError:
        return None
    return load(f"key: {text}")["key"] if is_plain and not text.startswith(("'", '"')) else None


def load(text: str) -> Any:
    return yaml.load(text, Loader)
