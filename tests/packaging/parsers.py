"""The parsers of all commands, by their names."""

from __future__ import annotations

import argparse
import importlib
import sys
import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
COMMANDS: dict[str, str] = _PROJECT["scripts"]


def parser_of(command: str) -> argparse.ArgumentParser:
    """What the command parses its arguments with."""
    module, _, function = COMMANDS[command].partition(":")
    home = getattr(importlib.import_module(module), function).__module__
    if not hasattr(sys.modules[home], "parser"):
        home += "_options"
    result: argparse.ArgumentParser = importlib.import_module(home).parser()
    return result
