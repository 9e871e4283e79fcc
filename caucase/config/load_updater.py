"""Reads the updater's YAML file about one certificate, fills in what follows from it, and reports all mistakes.

It opens that file alone: what it names is looked at when it is used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from caucase.config.strict_yaml import Reading, read_mapping
from caucase.config.updater import Installed, Part, UpdaterConfig
from caucase.config.updater_schema import INSTALL_SETTINGS, RULES, SETTINGS, STATE_ROOT
from caucase.core.asked import PURPOSES, asked
from caucase.core.profile import Asked
from caucase.errors import ConfigError, Malformed

# It names a folder and, after the @, an instance of units.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.-]{0,99}", re.ASCII)

_KEY_MODE = 0o600
_PUBLIC_MODE = 0o644
_OTHERS = 0o007


def load_updater_config(path: Path, *, directory: Path | None = None) -> UpdaterConfig:
    """What the file ``path`` says of one certificate. ``directory``: the state directory where the file names
    none, instead of ``/var/lib/caucase-updater/NAME``.

    ConfigError has a line for each mistake, ``FILE:LINE: key: what``; also when the file cannot be read.
    """
    reading = Reading()
    if not _NAME.fullmatch(path.stem):
        raise ConfigError(
            f"{path}: the file's name, without its ending, cannot be that of a unit's instance",
            "Rename it, to www.yaml for example: letters, digits and : _ . - are possible.",
        )
    if (root := read_mapping(path)) is not None:
        reading.take_mapping(path, root, SETTINGS)
    for missing in reading.missing(SETTINGS):
        what = f"{missing.help[0].lower()}{missing.help[1:].rstrip('.')}"
        reading.mistakes.append(f"{path}: {missing.key}: is missing; give {what}")
    reading.compare(_contradictions(reading))
    request = _asked(reading)
    state = reading.values.get("directory") or directory or Path(STATE_ROOT) / path.stem
    install = tuple(filter(None, (_installed(entry, reading, state) for entry in _entries(reading))))
    reading.raise_mistakes()
    return _config(path.stem, reading.values, request, state, install)


def _contradictions(reading: Reading) -> Iterator[tuple[Sequence[str], str]]:
    """What is wrong between keys that are right each for itself: the keys, the first of them to point at, and a
    sentence.
    """
    given = reading.places
    for rule in RULES:
        if rule.is_broken(given):
            yield (rule.key, *rule.excludes), rule.why
    if "csr" in given and len(set(_paths(reading, "csr", "key"))) == 1:
        yield ("csr", "key"), "is the file of the key, which is replaced at each renewal"
    for first, second in (("cas_ca", "crl"), ("ca", "crl"), ("key", "crl"), ("key", "cas_ca"), ("key", "ca")):
        if len(set(_paths(reading, first, second))) == 1:
            yield (second, first), f"is the same file as {first}"
    units = Counter(unit for key in ("reload", "restart", "start") for unit in reading.values.get(key, ()))
    for unit, times in units.items():
        if times > 1:
            keys = [key for key in ("reload", "restart", "start") if unit in reading.values.get(key, ())]
            yield keys, f"{unit} is given twice"


def _paths(reading: Reading, *keys: str) -> list[object]:
    """Their values, something of its own for one that has none."""
    return [reading.values.get(key, key) for key in keys]


def _asked(reading: Reading) -> Asked | None:
    values = reading.values
    if "names" not in values:
        return None
    purposes = [PURPOSES["clientAuth"]]
    if values.get("mode", SETTINGS["mode"].default) == "service":
        purposes.insert(0, PURPOSES["serverAuth"])
    usage = SETTINGS["key_usage"]
    try:
        return asked(
            names=values["names"],
            subject=values.get("subject"),
            key_usage=values.get("key_usage", (usage.parse(usage.default or ""),)),
            purposes=values.get("extended_key_usage", purposes),
        )
    except Malformed as error:
        reading.mistakes.append(f"{reading.places['names']}: {str(error).rstrip('.')}")
        return None


def _entries(reading: Reading) -> Sequence[Reading]:
    """The entries of ``install``; those after the first with the same path are a mistake."""
    entries: Sequence[Reading] = reading.values.get("install", ())
    seen: set[Path] = set()
    for entry in entries:
        path = entry.values.get("path")
        if path in seen:
            reading.mistakes.append(f"{entry.places['path']}: {path} is installed twice")
        elif path is not None:
            seen.add(path)
    return entries


def _installed(entry: Reading, reading: Reading, state: Path) -> Installed | None:
    """An entry of ``install``, or ``None`` and one mistake or more."""
    before = len(reading.mistakes)
    for missing in entry.missing(INSTALL_SETTINGS):
        reading.mistakes.append(f"{reading.places['install']}: {missing.key} is missing in an entry")
    content: tuple[Part, ...] = entry.values.get("content", ())
    holds_key = Part.KEY in content
    mode: int = entry.values.get("mode", _KEY_MODE if holds_key else _PUBLIC_MODE)
    contradictions = []
    if (holds_key or Part.CERTIFICATE in content) and not {"names", "csr"} & reading.places.keys():
        contradictions.append((("content",), "neither names nor csr ask for a certificate"))
    if holds_key and mode & _OTHERS:
        contradictions.append((("mode",), f"{mode:04o} would let everybody read a private key"))
    path = entry.values.get("path")
    if path is not None and path.is_relative_to(state):
        contradictions.append(
            (("path",), f"is within the state directory {state}, which is the updater's own")
        )
    entry.compare(contradictions)
    if len(reading.mistakes) > before or not {"path", "content"} <= entry.values.keys():
        return None
    return Installed(
        path=entry.values["path"],
        content=content,
        owner=entry.values.get("owner"),
        group=entry.values.get("group"),
        mode=mode,
    )


def _config(
    name: str, values: dict[str, Any], request: Asked | None, state: Path, install: tuple[Installed, ...]
) -> UpdaterConfig:
    def parsed(key: str) -> Any:
        setting = SETTINGS[key]
        return values[key] if key in values else setting.parse(setting.default or "")

    mode = parsed("mode")
    of_mode = "cau" if mode == "user" else "cas"
    csr = values.get("csr")
    key = state / parsed("key") if request is not None or csr is not None else None
    return UpdaterConfig(
        name=name,
        ca_url=values["ca_url"],
        mode=mode,
        directory=state,
        cas_ca=state / parsed("cas_ca"),
        ca=state / (values.get("ca") or ("cau.crt.pem" if mode == "user" else parsed("cas_ca"))),
        crl=state / values.get("crl", f"{of_mode}.crl.pem"),
        csr=None if csr is None else state / csr,
        asked=request,
        key=key,
        crt=key if "crt" not in values or key is None else state / values["crt"],
        key_type=values.get("key_type"),
        threshold=parsed("threshold"),
        crl_threshold=parsed("crl_threshold"),
        install=install,
        reload=values.get("reload", ()),
        restart=values.get("restart", ()),
        start=values.get("start", ()),
    )
