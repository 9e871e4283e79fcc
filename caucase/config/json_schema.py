"""The YAML files as JSON Schemas (draft 7, which the editors' YAML language server knows best), made from the settings
that the files are read with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from caucase.config import client_schema, installed, updater_schema
from caucase.config.parser import Schema, explained
from caucase.config.schema import OPTIONS
from caucase.config.setting import Rule, Setting

FOLDER = "/usr/share/caucase/schema"
"""Where the packages have the schemas."""


@dataclass(frozen=True, kw_only=True)
class YamlFile:
    """A kind of file. ``defaults``: where they are other than the settings', by key. ``conditions`` and
    ``inner_conditions``: what a schema can say besides, of the file and of a mapping within it.
    """

    name: str
    title: str
    settings: Mapping[str, Setting]
    rules: Sequence[Rule] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    conditions: Sequence[Schema] = ()
    inner_conditions: Sequence[Schema] = ()

    @property
    def schema_name(self) -> str:
        return f"{self.name}.schema.json"

    @property
    def reference(self) -> str:
        """The first line of such a file, by which an editor finds the schema."""
        return f"# yaml-language-server: $schema=file://{FOLDER}/{self.schema_name}"

    def schema(self) -> Schema:
        """The JSON Schema of the file."""
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": self.title,
            **self._mapping(self.settings.values(), [*map(_ruled, self.rules), *self.conditions]),
        }

    def _mapping(self, settings: Iterable[Setting], conditions: Sequence[Schema]) -> Schema:
        required = [one.key for one in settings if one.required]
        return {
            "type": "object",
            "properties": {one.key: self._property(one) for one in settings},
            "additionalProperties": False,
            **({"required": required} if required else {}),
            **({"allOf": list(conditions)} if conditions else {}),
        }

    def _property(self, one: Setting) -> Schema:
        if one.inner:
            value = self._mapping(one.inner.values(), self.inner_conditions)
        else:
            value = explained(one.parse.schema, f"This must be {one.parse.words}.")
        if one.many:
            value = {"anyOf": [value, {"type": "array", "items": value}]}
        default = self.defaults.get(one.key, one.default)
        return {
            "description": f"{one.help}\n\nIt is {one.parse.words}{', or a list of such' if one.many else ''}.",
            **({} if default is None else {"default": _as_yaml(default)}),
            **value,
        }


def _ruled(rule: Rule) -> Schema:
    said = {"errorMessage": f"{rule.key}: {rule.why}."}
    one_of_them = [{"required": [key], **said} for key in rule.needs]
    return {
        "if": {"required": [rule.key]},
        "then": {
            **({"anyOf": one_of_them} if one_of_them else {}),
            **({"properties": dict.fromkeys(rule.excludes, False), **said} if rule.excludes else {}),
        },
    }


def _as_yaml(text: str) -> str | int | float:
    """A default as YAML 1.2 reads it."""
    if re.fullmatch(r"[0-9]+", text):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]+\.[0-9]+", text) else text


FILES: Mapping[str, YamlFile] = {
    one.name: one
    for one in (
        YamlFile(
            name="caucased",
            title="The server's configuration, caucased.yaml(5)",
            settings=OPTIONS,
            defaults=installed.DEFAULTS,
        ),
        YamlFile(
            name="updater",
            title="One certificate that renews itself, caucase-updater.yaml(5)",
            settings=updater_schema.SETTINGS,
            rules=updater_schema.RULES,
            conditions=updater_schema.CONDITIONS,
            inner_conditions=updater_schema.INSTALL_CONDITIONS,
        ),
        YamlFile(
            name="client",
            title="The CA that the commands work with, caucase-client.yaml(5)",
            settings=client_schema.SETTINGS,
        ),
    )
}
"""Every kind of YAML file there is, by name."""
